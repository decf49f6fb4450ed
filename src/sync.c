/*-------------------------------------------------------------------------
 *
 * sync.c
 *	  The run: resolve, lock, detect, guard, apply, record; deltaetl_sync().
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "run.h"

#include "access/xlog.h"
#include "changelog.h"
#include "miscadmin.h"
#include "progress.h"
#include "tcop/utility.h"
#include "utils/timestamp.h"

/*
 * Find the delta and hold it against the guards, before anything is written.
 * The empty source is looked for before all of the target is read in vain.
 */
static Delta *
detect_and_guard(Run *run, const Mapping *mapping)
{
	const SyncOptions *options = run->options;
	Delta	   *delta = deltaetl_delta_create(mapping, options->deletes);

	delta->lock_rows = options->lock_rows;
	for (DeltaAction action = DELTA_DELETE; action <= DELTA_INSERT; action++)
		delta->count_first[action] = deltaetl_counts_first(options, action);
	delta->confirm_late = !options->dry_run && !options->lock_rows &&
		options->max_update_pct == NO_LIMIT;
	deltaetl_census(delta, deltaetl_guards_count_target(options));
	deltaetl_guard_source(options, delta);
	deltaetl_detect(delta);
	deltaetl_run_note_reading(run, delta->source_rows + delta->target_rows);
	deltaetl_guard_delta(options, delta);
	return delta;
}

static AppliedCounts
planned_counts(const Delta *delta)
{
	AppliedCounts planned;

	memcpy(planned.count, delta->count, sizeof(planned.count));
	return planned;
}

static AppliedCounts
apply(const Run *run, Delta *delta)
{
	ChangeLog  *log = deltaetl_changelog_open(delta->mapping, run->options->log_changes,
											  run->run_id);
	AppliedCounts applied = deltaetl_apply(delta, log);

	deltaetl_changelog_close(log);
	return applied;
}

static void
detect_and_apply(Run *run, const Mapping *mapping)
{
	int			nestlevel = deltaetl_spi_begin();
	Delta	   *delta;

	deltaetl_run_enter(run, RUN_DETECT);
	delta = detect_and_guard(run, mapping);
	deltaetl_run_enter(run, RUN_APPLY);
	run->applied = run->options->dry_run ? planned_counts(delta) : apply(run, delta);
	run->unchanged = delta->source_rows - delta->count[DELTA_INSERT] -
		delta->count[DELTA_UPDATE];
	deltaetl_delta_free(delta);
	deltaetl_spi_end(nestlevel);
}

/*
 * Whether the run is to go on although another one may work on the target.
 * One that waits does so for the lock of the table, and is marked, too, as
 * far as the other lets it be.
 */
static bool
may_run(const SyncOptions *options)
{
	if (options->dry_run || deltaetl_mark_running(options->request.target) ||
		options->if_running == RUNNING_WAIT)
		return true;
	ereport(options->if_running == RUNNING_ERROR ? ERROR : NOTICE,
			(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
			 errmsg("another run on \"%s\" has not finished",
					deltaetl_relation_name(options->request.target).name),
			 options->if_running == RUNNING_SKIP ?
			 errdetail("This one has been skipped.") : 0));
	return false;
}

static Mapping *
lock_and_resolve(const SyncOptions *options, const char *schema)
{
	Mapping    *mapping;

	mapping = deltaetl_lock_and_resolve(&options->request, schema,
										deltaetl_target_lock(options));
	deltaetl_check_distributed(options, mapping);
	if (options->lock_rows)
		deltaetl_check_row_locks(mapping);
	if (!options->dry_run)
		(void) deltaetl_mark_running(options->request.target);
	if (!options->dry_run && !options->lock_rows)
		deltaetl_check_snapshot(mapping);
	return mapping;
}

static List *
key_names(const Mapping *mapping)
{
	List	   *names = NIL;

	for (int i = 0; i < mapping->nkeys; i++)
		names = lappend(names, mapping->columns[i].name);
	return names;
}

/*
 * Do what the options of a run that has begun ask for, and enter it in the
 * log; returns with which status.
 */
RunStatus
deltaetl_run_sync(Run *run)
{
	const SyncOptions *options = run->options;
	char	   *schema = deltaetl_quote_schema(run->extension);
	RunStatus	status = options->dry_run ? RUN_DRY : RUN_SUCCEEDED;
	Mapping    *mapping;

	deltaetl_progress_begin(options->request.source, options->request.target);
	deltaetl_check_request(&options->request, schema);
	if (may_run(options))
	{
		deltaetl_run_enter(run, RUN_LOCK);
		mapping = lock_and_resolve(options, schema);
		deltaetl_run_number(run);
		run->key_columns = key_names(mapping);
		deltaetl_notice_untracked(mapping);
		detect_and_apply(run, mapping);
	}
	else
		status = RUN_SKIPPED;
	deltaetl_run_end(run, status);
	deltaetl_progress_end();
	return status;
}

PG_FUNCTION_INFO_V1(deltaetl_sync);

/*
 * deltaetl_sync(source regclass, target regclass, key_columns name[],
 *				 columns name[], exclude_columns name[], deletes text,
 *				 scope text, allow_empty_source boolean,
 *				 max_delete_pct float8, dry_run boolean,
 *				 source_hash_column name, log_changes text, if_running text,
 *				 max_delete_rows bigint, max_update_pct float8,
 *				 lock_mode text)
 *	 returns (run_id bigint, inserted bigint, updated bigint, deleted bigint,
 *			  unchanged bigint, elapsed interval)
 *
 * Bring the target to the content of the source.  Counts are of rows really
 * changed, or with dry_run of rows that would be, and 0 if the run was skipped.
 */
Datum
deltaetl_sync(PG_FUNCTION_ARGS)
{
	SyncOptions options = deltaetl_read_options(fcinfo);
	Run			run;

	PreventCommandIfReadOnly("deltaetl_sync()");
	PreventCommandDuringRecovery("deltaetl_sync()");

	deltaetl_run_begin(&run, &options);
	(void) deltaetl_run_sync(&run);
	PG_RETURN_DATUM(deltaetl_run_result(fcinfo, &run));
}
