/*-------------------------------------------------------------------------
 *
 * runlog.c
 *	  A run from its beginning to its entry in the run log.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "run.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/async.h"
#include "commands/sequence.h"
#include "executor/instrument.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "progress.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

#define RUN_ID_SEQUENCE "deltaetl_run_id_seq"
#define NOTIFY_CHANNEL "deltaetl"

static const char *const status_names[] = {
	"succeeded", "failed", "skipped", "dry run"
};

/* Columns that deltaetl_stats adds up, and those of rows. */
static const char *const summed_columns[] = {
	"runs", "failures", "skipped", "inserted", "updated", "deleted", "unchanged", "total_time"
};
static const char *const counted_columns[] = {
	"inserted", "updated", "deleted", "unchanged"
};

/* ---------- a run ---------- */

/* What names a relation after it is gone, and in another database. */
RelationName
deltaetl_relation_name(Oid relid)
{
	RelationName name = {0};

	if (OidIsValid(relid) && get_rel_name(relid) != NULL)
	{
		name.schema = get_namespace_name(get_rel_namespace(relid));
		name.name = get_rel_name(relid);
	}
	return name;
}

/* Begin a run, which has to live as long as it, in its first phase. */
void
deltaetl_run_begin(Run *run, const SyncOptions *options)
{
	memset(run, 0, sizeof(Run));
	run->options = options;
	run->extension = options->request.extension;
	run->role = GetUserId();
	run->source = deltaetl_relation_name(options->request.source);
	run->target = deltaetl_relation_name(options->request.target);
	run->started = run->entered = GetCurrentTimestamp();
	run->phase = RUN_RESOLVE;
}

static void
end_phase(Run *run)
{
	TimestampTz now = GetCurrentTimestamp();

	run->spent[run->phase] += now - run->entered;
	run->entered = now;
}

/* Go on to another phase.  How much there is to apply, deltaetl_apply() shows. */
void
deltaetl_run_enter(Run *run, RunPhase phase)
{
	end_phase(run);
	run->phase = phase;
	if (phase == RUN_DETECT)
		run->pages_before = pgBufferUsage;
	if (phase != RUN_APPLY)
		deltaetl_progress_phase(phase, 0);
}

/*
 * Give the run its number.  Once the target is locked, so that the runs on a
 * target are numbered in the order in which they commit.
 */
void
deltaetl_run_number(Run *run)
{
	Oid			sequence = deltaetl_own_relation(run->extension, RUN_ID_SEQUENCE);

	run->run_id = nextval_internal(sequence, false);
	deltaetl_progress_set_run(run->run_id);
}

/* Note what detection has read, its workers included. */
void
deltaetl_run_note_reading(Run *run, uint64 rows)
{
	BufferUsage used = {0};

	BufferUsageAccumDiff(&used, &pgBufferUsage, &run->pages_before);
	run->rows_read = rows;
	run->bytes_read = BLCKSZ *
		(used.shared_blks_hit + used.shared_blks_read +
		 used.local_blks_hit + used.local_blks_read);
}

/* ---------- its entry ---------- */

static void
add_count(ParamListInfo params, uint64 count, bool known)
{
	deltaetl_params_add(params, INT8OID, Int64GetDatum((int64) count), !known);
}

static void
add_time(ParamListInfo params, int64 microseconds)
{
	Interval   *interval = palloc0(sizeof(Interval));

	interval->time = microseconds;
	deltaetl_params_add(params, INTERVALOID, IntervalPGetDatum(interval), false);
}

static void
add_names(ParamListInfo params, List *names)
{
	Datum	   *values = palloc((list_length(names) + 1) * sizeof(Datum));
	int			count = 0;
	ListCell   *cell;

	foreach(cell, names)
		values[count++] = DirectFunctionCall1(namein, CStringGetDatum(lfirst(cell)));
	deltaetl_params_add(params, NAMEARRAYOID,
						PointerGetDatum(construct_array(values, count, NAMEOID, NAMEDATALEN,
														false, TYPALIGN_CHAR)),
						names == NIL);
}

/* The columns of an entry, in their order. */
static ParamListInfo
entry_params(const Run *run, RunStatus status)
{
	ParamListInfo params = deltaetl_params_create(RUN_COLUMNS);
	bool		counted = status != RUN_FAILED;

	deltaetl_params_add_bigint(params, run->run_id);
	deltaetl_params_add_text(params, run->options->job);
	deltaetl_params_add_text(params, run->source.schema);
	deltaetl_params_add_text(params, run->source.name);
	deltaetl_params_add_text(params, run->target.schema);
	deltaetl_params_add_text(params, run->target.name);
	deltaetl_params_add(params, OIDOID, ObjectIdGetDatum(run->options->request.target), false);
	deltaetl_params_add(params, OIDOID, ObjectIdGetDatum(run->role), false);
	deltaetl_params_add(params, TIMESTAMPTZOID, TimestampTzGetDatum(run->started), false);
	deltaetl_params_add(params, TIMESTAMPTZOID, TimestampTzGetDatum(run->finished), false);
	deltaetl_params_add_text(params, status_names[status]);
	add_count(params, run->applied.count[DELTA_INSERT], counted);
	add_count(params, run->applied.count[DELTA_UPDATE], counted);
	add_count(params, run->applied.count[DELTA_DELETE], counted);
	add_count(params, run->unchanged, counted);
	for (RunPhase phase = RUN_RESOLVE; phase <= RUN_APPLY; phase++)
		add_time(params, run->spent[phase]);
	add_count(params, run->rows_read, counted);
	add_count(params, run->bytes_read, true);
	deltaetl_params_add(params, JSONBOID, JsonbPGetDatum(run->options->given), false);
	add_names(params, run->key_columns);
	deltaetl_params_add_text(params, run->sqlstate);
	deltaetl_params_add_text(params, run->message);
	deltaetl_params_add_text(params, run->detail);
	return params;
}

static void
insert_entry(const Run *run, RunStatus status)
{
	StringInfo	query = makeStringInfo();

	appendStringInfo(query,
					 "INSERT INTO %s." RUN_TABLE " VALUES ($1, $2, $3, $4, $5, $6,"
					 " (SELECT pg_catalog.pg_get_userbyid(c.relowner) FROM pg_catalog.pg_class AS c"
					 " WHERE c.oid OPERATOR(pg_catalog.=) $7), pg_catalog.pg_get_userbyid($8),"
					 " $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23,"
					 " CASE WHEN $11 OPERATOR(pg_catalog.<>) 'failed' THEN pg_catalog.pg_current_xact_id() END,"
					 " $24, $25, $26)",
					 deltaetl_quote_schema(run->extension));
	(void) deltaetl_owner_execute(run->extension, query->data,
								  entry_params(run, status), NULL, NULL);
}

/* ---------- notification ---------- */

static void
append_member(StringInfo buf, const char *name, const char *text)
{
	appendStringInfo(buf, "%s\"%s\": ", buf->len > 1 ? ", " : "", name);
	if (text !=NULL)
		escape_json(buf, text);
	else
		appendStringInfoString(buf, "null");
}

static const char *
qualified_name(RelationName name)
{
	return name.name ? quote_qualified_identifier(name.schema, name.name) : NULL;
}

/* Tell who listens, at commit. */
static void
notify(const Run *run, RunStatus status)
{
	StringInfo	buf = makeStringInfo();

	appendStringInfo(buf, "{\"run_id\": " INT64_FORMAT, run->run_id);
	append_member(buf, "job", run->options->job);
	append_member(buf, "source", qualified_name(run->source));
	append_member(buf, "target", qualified_name(run->target));
	append_member(buf, "status", status_names[status]);
	if (status == RUN_FAILED)
		append_member(buf, "sqlstate", run->sqlstate);
	else
		appendStringInfo(buf, ", \"inserted\": " UINT64_FORMAT ", \"updated\": " UINT64_FORMAT
						 ", \"deleted\": " UINT64_FORMAT ", \"unchanged\": " UINT64_FORMAT,
						 run->applied.count[DELTA_INSERT], run->applied.count[DELTA_UPDATE],
						 run->applied.count[DELTA_DELETE], run->unchanged);
	appendStringInfoChar(buf, '}');
	Async_Notify(NOTIFY_CHANNEL, buf->data);
}

/*
 * End a run and enter it in the log, which is part of the transaction like
 * all else that the run has done.
 */
void
deltaetl_run_end(Run *run, RunStatus status)
{
	if (run->run_id == 0)
		deltaetl_run_number(run);
	end_phase(run);
	run->finished = run->entered;
	insert_entry(run, status);
	if (deltaetl_notify)
		notify(run, status);
}

/* The row that a function which has done a run returns: number, counts, time. */
Datum
deltaetl_run_result(FunctionCallInfo fcinfo, const Run *run)
{
	Interval   *elapsed = palloc0(sizeof(Interval));
	TupleDesc	desc;
	Datum		values[6];
	bool		nulls[6] = {false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	elapsed->time = run->finished - run->started;
	values[0] = Int64GetDatum(run->run_id);
	values[1] = Int64GetDatum((int64) run->applied.count[DELTA_INSERT]);
	values[2] = Int64GetDatum((int64) run->applied.count[DELTA_UPDATE]);
	values[3] = Int64GetDatum((int64) run->applied.count[DELTA_DELETE]);
	values[4] = Int64GetDatum((int64) run->unchanged);
	values[5] = IntervalPGetDatum(elapsed);
	return HeapTupleGetDatum(heap_form_tuple(desc, values, nulls));
}

/* ---------- deltaetl_prune_log ---------- */

/* Delete entries that ended before $1, their changes, and keep their totals. */
static char *
prune_query(Oid extension)
{
	const char *schema = deltaetl_quote_schema(extension);
	StringInfo	buf = makeStringInfo();

	appendStringInfo(buf,
					 "WITH gone AS (DELETE FROM %s." RUN_TABLE
					 " WHERE finished_at OPERATOR(pg_catalog.<) $1 RETURNING *),"
					 " changes AS (DELETE FROM %s." CHANGE_TABLE " AS c USING gone AS g"
					 " WHERE c.run_id OPERATOR(pg_catalog.=) g.run_id), ", schema, schema);
	appendStringInfo(buf,
					 "totals AS (INSERT INTO %s." TOTAL_TABLE " AS t SELECT g.target_schema, g.target_name,"
					 " pg_catalog.count(*) FILTER (WHERE g.done OR g.failed),"
					 " pg_catalog.count(*) FILTER (WHERE g.failed),"
					 " pg_catalog.count(*) FILTER (WHERE g.status OPERATOR(pg_catalog.=) 'skipped'),",
					 schema);
	for (int i = 0; i < lengthof(counted_columns); i++)
		appendStringInfo(buf, " COALESCE(pg_catalog.sum(g.%s) FILTER (WHERE g.done), 0),",
						 counted_columns[i]);
	appendStringInfoString(buf,
						   " COALESCE(pg_catalog.sum(g.finished_at OPERATOR(pg_catalog.-) g.started_at)"
						   " FILTER (WHERE g.done OR g.failed), '0'),"
						   " pg_catalog.max(g.started_at) FILTER (WHERE g.done OR g.failed),"
						   " pg_catalog.max(g.started_at) FILTER (WHERE g.done)"
						   " FROM (SELECT *, status OPERATOR(pg_catalog.=) 'succeeded' AS done,"
						   " status OPERATOR(pg_catalog.=) 'failed' AS failed FROM gone) AS g"
						   " GROUP BY g.target_schema, g.target_name"
						   " ON CONFLICT (target_schema, target_name) DO UPDATE SET"
						   " last_run = GREATEST(t.last_run, excluded.last_run),"
						   " last_success = GREATEST(t.last_success, excluded.last_success)");
	for (int i = 0; i < lengthof(summed_columns); i++)
		appendStringInfo(buf, ", %s = t.%s OPERATOR(pg_catalog.+) excluded.%s",
						 summed_columns[i], summed_columns[i], summed_columns[i]);
	appendStringInfoString(buf, ") SELECT FROM gone");
	return buf->data;
}

static Interval *
read_keep(FunctionCallInfo fcinfo)
{
	Interval	nothing = {0};

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("keep must not be null"),
				 errhint("Name how much of the log is to be kept, for example '90 days'.")));
	if (DatumGetBool(DirectFunctionCall2(interval_lt, PG_GETARG_DATUM(0),
										 IntervalPGetDatum(&nothing))))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("keep must not be negative")));
	return PG_GETARG_INTERVAL_P(0);
}

PG_FUNCTION_INFO_V1(deltaetl_prune_log);

/*
 * deltaetl_prune_log(keep interval) returns bigint
 *
 * Delete runs that ended longer ago than keep, and what has been logged of
 * their changes; returns how many runs.  What they did stays in the totals of
 * deltaetl_stats.
 */
Datum
deltaetl_prune_log(PG_FUNCTION_ARGS)
{
	Interval   *keep = read_keep(fcinfo);
	Oid			extension = deltaetl_extension(fcinfo);
	ParamListInfo params = deltaetl_params_create(1);

	deltaetl_params_add(params, TIMESTAMPTZOID,
						DirectFunctionCall2(timestamptz_mi_interval,
											TimestampTzGetDatum(GetCurrentTransactionStartTimestamp()),
											IntervalPGetDatum(keep)), false);
	PG_RETURN_INT64((int64) deltaetl_owner_execute(extension, prune_query(extension),
												   params, NULL, NULL));
}
