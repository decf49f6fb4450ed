/*-------------------------------------------------------------------------
 *
 * revert.c
 *	  Taking a run back: deltaetl_revert().
 *
 * A revert is a run like a sync, with the logged changes of another run in the
 * place of a source: the same locks, the same statements, an entry in the run
 * log, and its own changes logged, so that it can be reverted.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "run.h"

#include "access/relation.h"
#include "access/xlog.h"
#include "catalog/pg_class.h"
#include "changelog.h"
#include "logged_run.h"
#include "miscadmin.h"
#include "progress.h"
#include "reversal.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "compat.h"

/* ---------- what is to be reverted ---------- */

static bool
skips_conflicts(FunctionCallInfo fcinfo)
{
	char	   *value = deltaetl_text_argument(fcinfo, 1);

	if (value != NULL && strcmp(value, "skip") == 0)
		return true;
	if (value == NULL || strcmp(value, "error") != 0)
		ereport(ERROR,
				(errcode(value ? ERRCODE_INVALID_PARAMETER_VALUE : ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 value ?
				 errmsg("invalid value for on_conflict: \"%s\"", value) :
				 errmsg("on_conflict must not be null"),
				 errhint("Good values are 'error' and 'skip'.")));
	return false;
}

/* Raise an error unless a run has changed rows and logged them. */
static void
check_logged(const LoggedRun *run)
{
	bool		has_rows = run->log_changes != NULL &&
	strcmp(run->log_changes, "rows") == 0;

	if (strcmp(run->status, "succeeded") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot revert run " INT64_FORMAT, run->run_id),
				 errdetail("It has changed nothing, its status is \"%s\".", run->status)));
	if (!has_rows)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot revert run " INT64_FORMAT, run->run_id),
				 run->log_changes ?
				 errdetail("It has logged only the keys of the rows that it has changed.") :
				 errdetail("It has not logged the rows that it has changed."),
				 errhint("Runs that are to be reverted need log_changes => 'rows'.")));
}

/* Raise an error unless all changes of a run are still in the log. */
static void
check_complete(const LoggedRun *run)
{
	uint64		logged = 0;

	for (DeltaAction action = DELTA_DELETE; action <= DELTA_INSERT; action++)
		logged += run->count[action];
	if (logged != run->written)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot revert run " INT64_FORMAT, run->run_id),
				 errdetail("It has changed " UINT64_FORMAT " rows, and the log still has " UINT64_FORMAT " of them.",
						   run->written, logged)));
}

/* The changes are put in by statements that join a table of them. */
static void
check_placement(const Mapping *mapping, const LoggedRun *run)
{
	if (mapping->target.placement.kind != PLACED_HERE)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot revert run " INT64_FORMAT, run->run_id),
				 errdetail("\"%s\" has been given to Citus since, and the log is not where its rows are.",
						   mapping->target.name),
				 errhint("Take it back first: SELECT undistribute_table(%s).",
						 quote_literal_cstr(mapping->target.quoted))));
}

/* Rows of other tables of the tree would come back in the wrong one. */
static void
check_tree(const Mapping *mapping, const LoggedRun *run)
{
	Relation	target = relation_open(mapping->target.relid, NoLock);

	if (target->rd_rel->relkind == RELKIND_RELATION &&
		list_length(mapping->target.tree) > 1 && run->count[DELTA_DELETE] > 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot revert run " INT64_FORMAT, run->run_id),
				 errdetail("It has deleted rows of \"%s\", which has children, and the log does not tell rows of children from its own.",
						   mapping->target.name)));
	relation_close(target, NoLock);
}

/* ---------- as a run ---------- */

/*
 * The logged columns that are there to be compared and written; those that are
 * gone are named in a notice.
 */
static List *
columns_left(Relation target, const LoggedRun *run)
{
	List	   *columns = NIL;
	ListCell   *cell;

	foreach(cell, run->columns)
	{
		AttrNumber	attnum = deltaetl_column_number(target, lfirst(cell));

		if (attnum == InvalidAttrNumber)
			ereport(NOTICE,
					(errmsg("column \"%s\" of \"%s\" is gone and is left out",
							(char *) lfirst(cell), RelationGetRelationName(target))));
		else if (!TupleDescAttr(RelationGetDescr(target), attnum - 1)->attgenerated)
			columns = lappend(columns, lfirst(cell));
	}
	return columns;
}

static Jsonb *
describe_options(int64 run_id, bool skip)
{
	JsonbBuilder builder = {0};
	JsonbValue	key = {.type = jbvString};
	JsonbValue	value = {.type = jbvNumeric};

	push_jsonb(&builder, WJB_BEGIN_OBJECT, NULL);
	key.val.string.val = "reverts";
	key.val.string.len = strlen(key.val.string.val);
	value.val.numeric = int64_to_numeric(run_id);
	push_jsonb(&builder, WJB_KEY, &key);
	push_jsonb(&builder, WJB_VALUE, &value);
	key.val.string.val = "on_conflict";
	key.val.string.len = strlen(key.val.string.val);
	value.type = jbvString;
	value.val.string.val = skip ? "skip" : "error";
	value.val.string.len = strlen(value.val.string.val);
	push_jsonb(&builder, WJB_KEY, &key);
	push_jsonb(&builder, WJB_VALUE, &value);
	push_jsonb(&builder, WJB_END_OBJECT, NULL);
	return JsonbValueToJsonb(builder.result);
}

static void
check_key(Relation target, const LoggedRun *run)
{
	ListCell   *cell;

	foreach(cell, run->key_columns)
	{
		if (deltaetl_column_number(target, lfirst(cell)) == InvalidAttrNumber)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("cannot revert run " INT64_FORMAT, run->run_id),
					 errdetail("The column \"%s\" of its key in \"%s\" is gone.",
							   (char *) lfirst(cell), RelationGetRelationName(target))));
	}
}

/*
 * What the revert of a run is to do, as if it were a sync.  Raises an error if
 * the caller lacks a right that it takes.
 */
static SyncOptions
revert_options(const LoggedRun *run, bool skip)
{
	Relation	target = deltaetl_open_relation(run->relid);
	SyncOptions options = {.log_changes = LOG_ROWS};
	MappingRequest *request = &options.request;

	deltaetl_check_target_kind(target);
	check_key(target, run);
	deltaetl_check_updatable(target, run->changed_columns);
	request->target = run->relid;
	request->key_columns = run->key_columns;
	request->columns = columns_left(target, run);
	request->extension = run->extension;
	request->privileges = ACL_SELECT |
		(run->count[DELTA_DELETE] > 0 ? ACL_INSERT : 0) |
		(run->count[DELTA_INSERT] > 0 ? ACL_DELETE : 0);
	options.given = describe_options(run->run_id, skip);
	relation_close(target, AccessShareLock);
	return options;
}

static void
report_conflicts(const LoggedRun *run, const Conflicts *conflicts)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("rows of \"%s\" are not as run " INT64_FORMAT " has left them",
					run->target.name, run->run_id),
			 conflicts->count <= KEYS_SHOWN ?
			 errdetail(UINT64_FORMAT " of " UINT64_FORMAT " changes cannot be taken back: %s.",
					   conflicts->count, run->written, conflicts->text.data) :
			 errdetail(UINT64_FORMAT " of " UINT64_FORMAT " changes cannot be taken back, among them: %s.",
					   conflicts->count, run->written, conflicts->text.data),
			 errhint("Say on_conflict => 'skip' to leave these rows as they are.")));
}

static void
reverse_and_apply(Run *run, const Mapping *mapping, LoggedRun *logged, bool skip)
{
	int			nestlevel = deltaetl_spi_begin();
	Conflicts	conflicts = {0};
	ChangeLog  *log;
	Delta	   *delta;

	deltaetl_run_enter(run, RUN_DETECT);
	delta = deltaetl_reverse_run(mapping, logged, &conflicts);
	deltaetl_run_note_reading(run, logged->written);
	if (conflicts.count > 0 && !skip)
		report_conflicts(logged, &conflicts);
	deltaetl_run_enter(run, RUN_APPLY);
	log = deltaetl_changelog_open(mapping, LOG_ROWS, run->run_id);
	run->applied = deltaetl_apply(delta, log);
	deltaetl_changelog_close(log);
	run->unchanged = conflicts.count;
	deltaetl_delta_free(delta);
	deltaetl_spi_end(nestlevel);
}

static void
revert_run(Run *run, LoggedRun *logged, bool skip)
{
	const MappingRequest *request = &run->options->request;
	char	   *schema = deltaetl_quote_schema(run->extension);
	Mapping    *mapping;

	deltaetl_progress_begin(request->source, request->target);
	deltaetl_check_request(request, schema);
	deltaetl_run_enter(run, RUN_LOCK);
	mapping = deltaetl_lock_and_resolve(request, schema, ShareRowExclusiveLock);
	(void) deltaetl_mark_running(request->target);
	deltaetl_check_snapshot(mapping);
	check_placement(mapping, logged);
	check_tree(mapping, logged);
	deltaetl_run_number(run);
	run->key_columns = logged->key_columns;
	reverse_and_apply(run, mapping, logged, skip);
	deltaetl_run_end(run, RUN_SUCCEEDED);
	deltaetl_progress_end();
}

PG_FUNCTION_INFO_V1(deltaetl_revert);

/*
 * deltaetl_revert(run_id bigint, on_conflict text)
 *	 returns (run_id bigint, inserted bigint, updated bigint, deleted bigint,
 *			  skipped bigint, elapsed interval)
 *
 * Take back what a run has changed.  The number returned is that of the revert
 * itself, the counts are of rows really changed; skipped are those that are
 * no longer what the run has left.
 */
Datum
deltaetl_revert(PG_FUNCTION_ARGS)
{
	TimestampTz start = GetCurrentTimestamp();
	Oid			extension = deltaetl_extension(fcinfo);
	bool		skip = skips_conflicts(fcinfo);
	SyncOptions options;
	LoggedRun  *logged;
	Run			run;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("run_id must not be null")));
	PreventCommandIfReadOnly("deltaetl_revert()");
	PreventCommandDuringRecovery("deltaetl_revert()");

	logged = deltaetl_find_logged_run(extension, PG_GETARG_INT64(0));
	check_logged(logged);
	deltaetl_read_logged_changes(logged);
	check_complete(logged);
	options = revert_options(logged, skip);
	deltaetl_run_begin(&run, &options);
	run.started = run.entered = start;
	revert_run(&run, logged, skip);
	tuplestore_end(logged->changes);

	PG_RETURN_DATUM(deltaetl_run_result(fcinfo, &run));
}
