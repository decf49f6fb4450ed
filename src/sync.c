/*-------------------------------------------------------------------------
 *
 * sync.c
 *	  The run: resolve, lock, detect, guard, apply, record; deltaetl_sync().
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "deltaetl.h"

#include <math.h>

#include "access/htup_details.h"
#include "access/xlog.h"
#include "commands/sequence.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/lockdefs.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#define RUN_ID_SEQUENCE "deltaetl_run_id_seq"

/* Arguments of deltaetl_sync(), by position. */
enum SyncArgument
{
	ARG_SOURCE,
	ARG_TARGET,
	ARG_KEY_COLUMNS,
	ARG_COLUMNS,
	ARG_EXCLUDE_COLUMNS,
	ARG_DELETES,
	ARG_SCOPE,
	ARG_ALLOW_EMPTY_SOURCE,
	ARG_MAX_DELETE_PCT,
	ARG_DRY_RUN,
	ARG_SOURCE_HASH_COLUMN
};

typedef struct SyncOptions
{
	MappingRequest request;
	bool		deletes;
	bool		allow_empty_source;
	bool		limit_deletes;
	float8		max_delete_pct;
	bool		dry_run;
} SyncOptions;

typedef struct SyncResult
{
	int64		run_id;
	AppliedCounts applied;
	uint64		unchanged;
} SyncResult;

/* ---------- arguments ---------- */

static bool
read_deletes(FunctionCallInfo fcinfo)
{
	char	   *deletes = deltaetl_text_argument(fcinfo, ARG_DELETES);

	if (deletes != NULL && strcmp(deletes, "delete") == 0)
		return true;
	if (deletes != NULL && strcmp(deletes, "ignore") == 0)
		return false;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 deletes ?
			 errmsg("invalid value for deletes: \"%s\"", deletes) :
			 errmsg("deletes must not be null"),
			 errhint("Good values are 'ignore' and 'delete'.")));
}

static void
read_max_delete_pct(FunctionCallInfo fcinfo, SyncOptions *options)
{
	if (PG_ARGISNULL(ARG_MAX_DELETE_PCT))
		return;
	options->limit_deletes = true;
	options->max_delete_pct = PG_GETARG_FLOAT8(ARG_MAX_DELETE_PCT);
	if (isnan(options->max_delete_pct) ||
		options->max_delete_pct < 0 || options->max_delete_pct > 100)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid value for max_delete_pct: %g",
						options->max_delete_pct),
				 errhint("Good values are from 0 to 100, in percent of the target rows in scope.")));
}

static SyncOptions
read_options(FunctionCallInfo fcinfo)
{
	SyncOptions options = {0};
	MappingRequest *request = &options.request;

	request->source = deltaetl_relation_argument(fcinfo, ARG_SOURCE, "source");
	request->target = deltaetl_relation_argument(fcinfo, ARG_TARGET, "target");
	request->key_columns = deltaetl_key_list(fcinfo, ARG_KEY_COLUMNS);
	request->all_columns = PG_ARGISNULL(ARG_COLUMNS);
	request->columns = deltaetl_name_list(fcinfo, ARG_COLUMNS, "columns");
	request->exclude_columns = deltaetl_name_list(fcinfo, ARG_EXCLUDE_COLUMNS,
												  "exclude_columns");
	request->scope = deltaetl_text_argument(fcinfo, ARG_SCOPE);
	request->source_hash_column = deltaetl_name_argument(fcinfo, ARG_SOURCE_HASH_COLUMN);
	request->extension = get_func_namespace(fcinfo->flinfo->fn_oid);
	options.deletes = read_deletes(fcinfo);
	options.allow_empty_source =
		deltaetl_bool_argument(fcinfo, ARG_ALLOW_EMPTY_SOURCE, "allow_empty_source");
	read_max_delete_pct(fcinfo, &options);
	options.dry_run = deltaetl_bool_argument(fcinfo, ARG_DRY_RUN, "dry_run");

	request->privileges = ACL_SELECT | ACL_INSERT | ACL_UPDATE |
		(options.deletes ? ACL_DELETE : 0);
	return options;
}

/* ---------- guards ---------- */

static void
guard_empty_source(const SyncOptions *options, const Delta *delta)
{
	if (!options->deletes || options->allow_empty_source ||
		delta->source_rows > 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("source \"%s\" is empty", delta->mapping->source.name),
			 delta->mapping->scope ?
			 errdetail("It has no rows in scope, so every row of \"%s\" in scope would be deleted.",
					   delta->mapping->target.name) :
			 errdetail("Every row of \"%s\" would be deleted.",
					   delta->mapping->target.name),
			 errhint("If that is what you want, say allow_empty_source => true.")));
}

static void
guard_delete_share(const SyncOptions *options, const Delta *delta)
{
	double		deletes = (double) delta->count[DELTA_DELETE];
	double		allowed = options->max_delete_pct / 100.0 * delta->target_rows;

	if (!options->limit_deletes || deletes <= allowed)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("too many rows of \"%s\" would be deleted",
					delta->mapping->target.name),
			 errdetail(UINT64_FORMAT " of " UINT64_FORMAT " rows would be deleted, that is %.4g %%, and max_delete_pct allows %g %%.",
					   delta->count[DELTA_DELETE], delta->target_rows,
					   100.0 * deletes / delta->target_rows,
					   options->max_delete_pct),
			 errhint("See what they are with deltaetl_diff(), and raise max_delete_pct if they should go.")));
}

static void
guard_identity(const Delta *delta)
{
	const Mapping *mapping = delta->mapping;

	for (int i = 0; i < mapping->ncolumns; i++)
		if (mapping->columns[i].identity && delta->changed[i])
			ereport(ERROR,
					(errcode(ERRCODE_GENERATED_ALWAYS),
					 errmsg("column \"%s\" of \"%s\" cannot be updated",
							mapping->columns[i].name, mapping->target.name),
					 errdetail("It is an identity column defined as GENERATED ALWAYS, and source \"%s\" has other values for existing rows.",
							   mapping->source.name),
					 errhint("Leave it out with exclude_columns, or make it GENERATED BY DEFAULT.")));
}

/* ---------- the run ---------- */

static int64
next_run_id(FunctionCallInfo fcinfo)
{
	Oid			schema = get_func_namespace(fcinfo->flinfo->fn_oid);
	Oid			sequence = get_relname_relid(RUN_ID_SEQUENCE, schema);

	if (!OidIsValid(sequence))
		elog(ERROR, "sequence \"%s\" does not exist", RUN_ID_SEQUENCE);
	return nextval_internal(sequence, false);
}

/*
 * Find the delta and hold it against the guards, before anything is written.
 * The empty source is looked for before all of the target is read in vain.
 */
static Delta *
detect_and_guard(const SyncOptions *options, const Mapping *mapping)
{
	Delta	   *delta = deltaetl_delta_create(mapping, options->deletes);

	delta->to_apply = !options->dry_run;
	deltaetl_census(delta, options->limit_deletes && options->deletes);
	guard_empty_source(options, delta);
	deltaetl_detect(delta);
	guard_delete_share(options, delta);
	guard_identity(delta);
	return delta;
}

static AppliedCounts
planned_counts(const Delta *delta)
{
	AppliedCounts planned;

	memcpy(planned.count, delta->count, sizeof(planned.count));
	return planned;
}

/* A dry run only reads, so others may go on writing to the target. */
static SyncResult
run_sync(FunctionCallInfo fcinfo, const SyncOptions *options)
{
	LOCKMODE	lockmode = options->dry_run ? AccessShareLock : ShareRowExclusiveLock;
	SyncResult	result;
	Mapping    *mapping;
	int			nestlevel;
	Delta	   *delta;

	mapping = deltaetl_lock_and_resolve(&options->request,
										deltaetl_extension_schema(fcinfo),
										lockmode);
	deltaetl_notice_untracked(mapping);
	if (!options->dry_run)
		deltaetl_check_snapshot(mapping);
	nestlevel = deltaetl_spi_begin();
	delta = detect_and_guard(options, mapping);
	result.run_id = next_run_id(fcinfo);
	result.applied = options->dry_run ? planned_counts(delta) : deltaetl_apply(delta);
	result.unchanged = delta->source_rows - delta->count[DELTA_INSERT] -
		delta->count[DELTA_UPDATE];
	deltaetl_delta_free(delta);
	deltaetl_spi_end(nestlevel);
	return result;
}

static Datum
interval_since(TimestampTz start)
{
	Interval   *interval = palloc0(sizeof(Interval));

	interval->time = GetCurrentTimestamp() - start;
	return IntervalPGetDatum(interval);
}

PG_FUNCTION_INFO_V1(deltaetl_sync);

/*
 * deltaetl_sync(source regclass, target regclass, key_columns name[],
 *				 columns name[], exclude_columns name[], deletes text,
 *				 scope text, allow_empty_source boolean,
 *				 max_delete_pct float8, dry_run boolean, source_hash_column name)
 *	 returns (run_id bigint, inserted bigint, updated bigint, deleted bigint,
 *			  unchanged bigint, elapsed interval)
 *
 * Bring the target to the content of the source.  Counts are of rows really
 * changed, or with dry_run of rows that would be.
 */
Datum
deltaetl_sync(PG_FUNCTION_ARGS)
{
	TimestampTz start = GetCurrentTimestamp();
	SyncOptions options = read_options(fcinfo);
	SyncResult	result;
	TupleDesc	desc;
	Datum		values[6];
	bool		nulls[6] = {false};

	PreventCommandIfReadOnly("deltaetl_sync()");
	PreventCommandDuringRecovery("deltaetl_sync()");
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");

	result = run_sync(fcinfo, &options);
	values[0] = Int64GetDatum(result.run_id);
	values[1] = Int64GetDatum((int64) result.applied.count[DELTA_INSERT]);
	values[2] = Int64GetDatum((int64) result.applied.count[DELTA_UPDATE]);
	values[3] = Int64GetDatum((int64) result.applied.count[DELTA_DELETE]);
	values[4] = Int64GetDatum((int64) result.unchanged);
	values[5] = interval_since(start);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, values, nulls)));
}
