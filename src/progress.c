/*-------------------------------------------------------------------------
 *
 * progress.c
 *	  How far runs are: for the view deltaetl_progress, and as notices.
 *
 * A run says what it is doing, and here it is put into the backend's slot in
 * shared memory, if there is such memory, and told to the user, who may have
 * asked for notices, which take no shared memory.
 *
 * A trigger or function that is called by a run can start another.  It is the
 * outer run that is shown, as the inner one is part of its work.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "progress.h"

#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* A run that is older than this is a long one, in milliseconds, ... */
#define QUIET_TIME 2000

/* ... and of it something is heard that often at most. */
#define NOTICE_INTERVAL 1000

/* A run of this backend. */
typedef struct ProgressRun
{
	struct ProgressRun *outer;	/* during which it was started */
	SubTransactionId subid;
	int			slot;
	ProgressEntry entry;
	uint64		rows_done;		/* by this process, in this phase */
	TimestampTz noticed_at;
} ProgressRun;

static ProgressRun *current_run = NULL;

/* By RunPhase. */
static const char *const phase_names[] = {"resolve", "lock", "detect", "apply"};

/* The run that is shown, if it is the one that is going on. */
static ProgressRun *
shown_run(void)
{
	return current_run != NULL && current_run->outer == NULL ? current_run : NULL;
}

static void
show(const ProgressRun *run)
{
	if (run->slot != NO_SLOT)
		deltaetl_slot_write(run->slot, &run->entry);
}

/* ---------- notices ---------- */

/* "detect, 1200000 of about 5000000 rows (24 %)", as far as it is known. */
static char *
describe(const ProgressEntry *entry, uint64 rows)
{
	const char *about = entry->phase == RUN_DETECT ? "about " : "";
	uint64		expected = entry->rows_expected;
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfoString(&buf, phase_names[entry->phase]);
	if (entry->counted && expected > 0)
		appendStringInfo(&buf, ", " UINT64_FORMAT " of %s" UINT64_FORMAT " rows (%d %%)",
						 rows, about, expected,
						 (int) Min(100, 100.0 * rows / expected));
	else if (entry->counted)
		appendStringInfo(&buf, ", " UINT64_FORMAT " rows", rows);
	return buf.data;
}

static void
notify(ProgressRun *run, uint64 rows)
{
	TimestampTz now;
	char	   *target;
	char	   *state;

	if (!deltaetl_progress_notices)
		return;
	now = GetCurrentTimestamp();
	if (!TimestampDifferenceExceeds(run->entry.started_at, now, QUIET_TIME) ||
		!TimestampDifferenceExceeds(run->noticed_at, now, NOTICE_INTERVAL))
		return;
	run->noticed_at = now;
	target = get_rel_name(run->entry.target);
	if (target == NULL)
		return;
	state = describe(&run->entry, rows);
	ereport(NOTICE, (errmsg("%s: %s", target, state)));
	pfree(state);
	pfree(target);
}

/* ---------- beginning and end ---------- */

static void
pop_run(void)
{
	ProgressRun *run = current_run;

	current_run = run->outer;
	if (current_run == NULL && run->slot != NO_SLOT)
	{
		run->entry.pid = 0;
		show(run);
	}
	pfree(run);
}

static void
forget_runs_since(SubTransactionId subid)
{
	while (current_run != NULL && current_run->subid >= subid)
		pop_run();
}

/* No run outlives the transaction, however that ends, or the process. */
static void
end_transaction(XactEvent event, void *arg)
{
	forget_runs_since(InvalidSubTransactionId);
}

static void
end_subtransaction(SubXactEvent event, SubTransactionId subid,
				   SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		forget_runs_since(subid);
}

static void
watch_transactions(void)
{
	static bool registered = false;

	if (registered)
		return;
	RegisterXactCallback(end_transaction, NULL);
	RegisterSubXactCallback(end_subtransaction, NULL);
	registered = true;
}

/*
 * A run begins, in phase RUN_RESOLVE, and lasts until
 * deltaetl_progress_end(), or until an error takes back the (sub)transaction.
 */
void
deltaetl_progress_begin(Oid source, Oid target)
{
	ProgressRun *run;

	watch_transactions();
	run = MemoryContextAllocZero(TopTransactionContext, sizeof(ProgressRun));
	run->subid = GetCurrentSubTransactionId();
	run->slot = current_run == NULL ? deltaetl_slot_own() : NO_SLOT;
	run->entry.pid = MyProcPid;
	run->entry.database = MyDatabaseId;
	run->entry.role = GetUserId();
	run->entry.source = source;
	run->entry.target = target;
	run->entry.started_at = GetCurrentTimestamp();
	run->outer = current_run;
	current_run = run;
	show(run);
}

void
deltaetl_progress_end(void)
{
	if (current_run != NULL)
		pop_run();
}

/* ---------- during a run ---------- */

void
deltaetl_progress_set_run(int64 run_id)
{
	ProgressRun *run = shown_run();

	if (run == NULL)
		return;
	run->entry.run_id = run_id;
	show(run);
}

/*
 * A phase begins.  rows_expected is the number of rows to handle in it, 0 if
 * that is not known.  Those that are applied are counted; those read are if
 * deltaetl_progress_expect() says so.
 */
void
deltaetl_progress_phase(RunPhase phase, uint64 rows_expected)
{
	ProgressRun *run = shown_run();

	if (run == NULL)
		return;
	run->rows_done = 0;
	if (run->slot != NO_SLOT)
		deltaetl_slot_set_rows(run->slot, 0);
	run->entry.phase = phase;
	run->entry.counted = phase == RUN_APPLY;
	run->entry.rows_expected = rows_expected;
	show(run);
	notify(run, 0);
}

/* It is now known better how many rows a phase has, and whether they are counted. */
void
deltaetl_progress_expect(double rows, bool counted)
{
	ProgressRun *run = shown_run();

	if (run == NULL)
		return;
	run->entry.counted = counted;
	run->entry.rows_expected = (uint64) rows;
	show(run);
}

/* The process that leads the run has handled some more rows. */
void
deltaetl_progress_advance(uint64 rows)
{
	ProgressRun *run = shown_run();

	if (run == NULL)
		return;
	run->rows_done += rows;
	if (run->slot != NO_SLOT)
		deltaetl_slot_set_rows(run->slot, run->rows_done);
	notify(run, run->rows_done);
}

/* Prepare a counter for the rows that the processes of this run will read. */
void
deltaetl_progress_share(ProgressCounter *counter)
{
	ProgressRun *run = shown_run();

	pg_atomic_init_u64(&counter->rows, 0);
	counter->slot = run != NULL ? run->slot : NO_SLOT;
}

/* One of them has read some more.  Workers have no run, so they are quiet. */
void
deltaetl_progress_count(ProgressCounter *counter, uint64 rows)
{
	ProgressRun *run = shown_run();
	uint64		total = pg_atomic_fetch_add_u64(&counter->rows, rows) + rows;

	if (counter->slot != NO_SLOT)
		deltaetl_slot_add_rows(counter->slot, rows);
	if (run != NULL)
		notify(run, total);
}

/* ---------- SQL function ---------- */

enum ProgressColumn
{
	COLUMN_PID,
	COLUMN_RUN_ID,
	COLUMN_SOURCE,
	COLUMN_TARGET,
	COLUMN_PHASE,
	COLUMN_ROWS_DONE,
	COLUMN_ROWS_EXPECTED,
	COLUMN_WORKERS,
	COLUMN_STARTED_AT,
	PROGRESS_COLUMNS
};

/* The target may be new, or gone, which this transaction does not see. */
static bool
may_read_any_column(Oid relid)
{
	bool		is_missing = false;

	return pg_class_aclcheck_ext(relid, GetUserId(), ACL_SELECT, &is_missing) == ACLCHECK_OK ||
		(!is_missing &&
		 pg_attribute_aclcheck_all(relid, GetUserId(), ACL_SELECT, ACLMASK_ANY) == ACLCHECK_OK);
}

static bool
may_see(const ProgressEntry *entry)
{
	return entry->database == MyDatabaseId &&
		(has_privs_of_role(GetUserId(), entry->role) ||
		 has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS) ||
		 may_read_any_column(entry->target));
}

static void
put_entry(ReturnSetInfo *rsinfo, int slot, const ProgressEntry *entry)
{
	Datum		values[PROGRESS_COLUMNS];
	bool		nulls[PROGRESS_COLUMNS] = {false};

	values[COLUMN_PID] = Int32GetDatum(entry->pid);
	values[COLUMN_RUN_ID] = Int64GetDatum(entry->run_id);
	nulls[COLUMN_RUN_ID] = entry->run_id == 0;
	values[COLUMN_SOURCE] = ObjectIdGetDatum(entry->source);
	nulls[COLUMN_SOURCE] = !OidIsValid(entry->source);
	values[COLUMN_TARGET] = ObjectIdGetDatum(entry->target);
	values[COLUMN_PHASE] = CStringGetTextDatum(phase_names[entry->phase]);
	values[COLUMN_ROWS_DONE] = Int64GetDatum((int64) deltaetl_slot_rows(slot));
	nulls[COLUMN_ROWS_DONE] = !entry->counted;
	values[COLUMN_ROWS_EXPECTED] = Int64GetDatum((int64) entry->rows_expected);
	nulls[COLUMN_ROWS_EXPECTED] = entry->rows_expected == 0;
	values[COLUMN_WORKERS] = Int32GetDatum(deltaetl_slot_workers(slot));
	values[COLUMN_STARTED_AT] = TimestampTzGetDatum(entry->started_at);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

PG_FUNCTION_INFO_V1(deltaetl_progress_entries);

/*
 * deltaetl_progress_entries()
 *	 returns setof (pid integer, run_id bigint, source regclass,
 *					target regclass, phase text, rows_done bigint,
 *					rows_expected bigint, workers integer,
 *					started_at timestamptz)
 *
 * The runs that are going on in this database and that the caller may see:
 * those of the caller's roles, and those on targets that the caller may read.
 */
Datum
deltaetl_progress_entries(PG_FUNCTION_ARGS)
{
	InitMaterializedSRF(fcinfo, 0);
	if (!deltaetl_slots_exist())
	{
		ereport(NOTICE,
				(errmsg("progress is not shown on this server"),
				 errhint("Add deltaetl to shared_preload_libraries and restart the server.")));
		PG_RETURN_NULL();
	}
	for (int slot = 0; slot < MaxBackends; slot++)
	{
		ProgressEntry entry;

		if (deltaetl_slot_read(slot, &entry) && may_see(&entry))
			put_entry((ReturnSetInfo *) fcinfo->resultinfo, slot, &entry);
	}
	PG_RETURN_NULL();
}
