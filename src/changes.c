/*-------------------------------------------------------------------------
 *
 * changes.c
 *	  Reading the log of changes: deltaetl_changes().
 *
 * Changes hold rows, and no policy of the table applies to them.  So they are
 * for who may read the whole table, as long as it belongs to whom it belonged
 * when they were made; deltaetl_change_log shows the same.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "run.h"

#include "access/relation.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

/*
 * Changes of the table $1.$2 after the run $3, of those runs at which it
 * belonged to $4: others may have been of another table of that name.
 */
static char *
changes_query(Oid extension)
{
	const char *schema = deltaetl_quote_schema(extension);

	return psprintf("SELECT c.run_id, c.action, c.key, c.changed_columns, c.old_row, c.new_row"
					" FROM %s." RUN_TABLE " AS r JOIN %s." CHANGE_TABLE " AS c"
					" ON c.run_id OPERATOR(pg_catalog.=) r.run_id"
					" WHERE r.target_schema OPERATOR(pg_catalog.=) $1"
					" AND r.target_name OPERATOR(pg_catalog.=) $2"
					" AND r.run_id OPERATOR(pg_catalog.>) $3"
					" AND r.target_owner OPERATOR(pg_catalog.=) $4"
					" ORDER BY r.run_id, c.position", schema, schema);
}

static ParamListInfo
changes_params(Relation target, int64 after_run)
{
	RelationName name = deltaetl_relation_name(RelationGetRelid(target));
	ParamListInfo params = deltaetl_params_create(4);

	deltaetl_params_add_name(params, name.schema);
	deltaetl_params_add_name(params, name.name);
	deltaetl_params_add_bigint(params, after_run);
	deltaetl_params_add_name(params, GetUserNameFromId(target->rd_rel->relowner, false));
	return params;
}

static void
collect_change(TupleTableSlot *slot, void *arg)
{
	tuplestore_puttupleslot(((ReturnSetInfo *) arg)->setResult, slot);
}

static int64
read_after_run(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("after_run must not be null"),
				 errhint("Name the last run that you know, or 0 for all changes.")));
	return PG_GETARG_INT64(1);
}

PG_FUNCTION_INFO_V1(deltaetl_changes);

/*
 * deltaetl_changes(target regclass, after_run bigint)
 *	 returns setof (run_id bigint, action text, key jsonb,
 *					changed_columns name[], old_row jsonb, new_row jsonb)
 *
 * What has been logged of the changes to a table by runs after that one, in
 * the order in which they were made.  Runs on a table are numbered in the
 * order of their commits, so the last run seen is where to go on from.
 */
Datum
deltaetl_changes(PG_FUNCTION_ARGS)
{
	Oid			extension = deltaetl_extension(fcinfo);
	Oid			relid = deltaetl_relation_argument(fcinfo, 0, "target");
	int64		after_run = read_after_run(fcinfo);
	Relation	target = deltaetl_open_relation(relid);

	deltaetl_check_logged_kind(target);
	deltaetl_check_sees_all(target);
	InitMaterializedSRF(fcinfo, 0);
	(void) deltaetl_owner_execute(extension, changes_query(extension),
								  changes_params(target, after_run),
								  collect_change, fcinfo->resultinfo);
	relation_close(target, AccessShareLock);
	PG_RETURN_NULL();
}
