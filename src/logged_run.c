/*-------------------------------------------------------------------------
 *
 * logged_run.c
 *	  A run of the past, as the logs have it.
 *
 * The logs are read with the rights of their owner, so what comes from them is
 * only put aside there; nothing is made of it before the caller's rights are
 * back, since a type or a domain may call functions of somebody else.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "logged_run.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rls.h"

#include "compat.h"

/* Columns of the query for a run. */
enum RunColumn
{
	RUN_SCHEMA,
	RUN_NAME,
	RUN_OWNER,
	RUN_ROLE,
	RUN_STATUS,
	RUN_LOG_CHANGES,
	RUN_WRITTEN,
	RUN_KEY_COLUMNS
};

/* ---------- the run ---------- */

static char *
text_column(TupleTableSlot *slot, int column)
{
	return slot->tts_isnull[column] ? NULL : TextDatumGetCString(slot->tts_values[column]);
}

/* Add a name to a list of the run, which is kept, unless it is there already. */
static List *
add_name(LoggedRun *run, List *list, const char *name)
{
	MemoryContext oldcontext;
	ListCell   *cell;

	foreach(cell, list)
	{
		if (strcmp(lfirst(cell), name) == 0)
			return list;
	}
	oldcontext = MemoryContextSwitchTo(run->context);
	list = lappend(list, pstrdup(name));
	MemoryContextSwitchTo(oldcontext);
	return list;
}

static List *
add_names(LoggedRun *run, List *list, Datum array)
{
	Datum	   *names;
	bool	   *isnull;
	int			count;

	deconstruct_array(DatumGetArrayTypeP(array), NAMEOID, NAMEDATALEN, false,
					  TYPALIGN_CHAR, &names, &isnull, &count);
	for (int i = 0; i < count; i++)
		list = add_name(run, list, NameStr(*DatumGetName(names[i])));
	return list;
}

static void
take_run(TupleTableSlot *slot, void *arg)
{
	LoggedRun  *run = arg;
	MemoryContext oldcontext = MemoryContextSwitchTo(run->context);

	slot_getallattrs(slot);
	run->target.schema = text_column(slot, RUN_SCHEMA);
	run->target.name = text_column(slot, RUN_NAME);
	run->target_owner = text_column(slot, RUN_OWNER);
	run->role = text_column(slot, RUN_ROLE);
	run->status = text_column(slot, RUN_STATUS);
	run->log_changes = text_column(slot, RUN_LOG_CHANGES);
	run->written = DatumGetInt64(slot->tts_values[RUN_WRITTEN]);
	if (!slot->tts_isnull[RUN_KEY_COLUMNS])
		run->key_columns = add_names(run, NIL, slot->tts_values[RUN_KEY_COLUMNS]);
	MemoryContextSwitchTo(oldcontext);
}

static ParamListInfo
run_id_param(int64 run_id)
{
	ParamListInfo params = deltaetl_params_create(1);

	deltaetl_params_add_bigint(params, run_id);
	return params;
}

/* A revert logs rows without being told to. */
static char *
run_query(Oid extension)
{
	return psprintf("SELECT r.target_schema::pg_catalog.text, r.target_name::pg_catalog.text,"
					" r.target_owner::pg_catalog.text, r.role::pg_catalog.text, r.status,"
					" CASE WHEN r.options OPERATOR(pg_catalog.?) 'reverts' THEN 'rows'"
					" ELSE r.options OPERATOR(pg_catalog.->>) 'log_changes' END,"
					" COALESCE(r.inserted, 0) OPERATOR(pg_catalog.+) COALESCE(r.updated, 0)"
					" OPERATOR(pg_catalog.+) COALESCE(r.deleted, 0), r.key_columns"
					" FROM %s." RUN_TABLE " AS r WHERE r.run_id OPERATOR(pg_catalog.=) $1",
					deltaetl_quote_schema(extension));
}

static Oid
find_relation(RelationName name)
{
	Oid			schema = get_namespace_oid(name.schema, true);

	return OidIsValid(schema) ? get_relname_relid(name.name, schema) : InvalidOid;
}

static bool
may_act_as(const char *role)
{
	Oid			roleid = get_role_oid(role, true);

	return OidIsValid(roleid) && has_privs_of_role(GetUserId(), roleid);
}

static bool
has_same_owner(const LoggedRun *run)
{
	return run->target_owner != NULL &&
		get_role_oid(run->target_owner, true) == deltaetl_relation_owner(run->relid);
}

/* A superuser may see the rows, but they may be of another table. */
static void
check_owner(const LoggedRun *run)
{
	if (has_same_owner(run))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("cannot revert run " INT64_FORMAT, run->run_id),
			 errdetail("At that time \"%s\" belonged to another role, so it may have been another table.",
					   run->target.name),
			 run->target_owner ?
			 errhint("If it is the same one, let it belong to role \"%s\" for the time being.",
					 run->target_owner) : 0));
}

/*
 * Whether the caller may see the rows of a run: who may read all of the
 * target, as long as its owner is the same; else who makes a new table of that
 * name could read the rows of the old one.  Of a target that is gone, only
 * that it is, and only who has run it.
 */
static bool
may_see_rows(const LoggedRun *run)
{
	if (superuser())
		return true;
	if (!OidIsValid(run->relid))
		return may_act_as(run->role);
	return may_use_schema(get_rel_namespace(run->relid)) &&
		pg_class_aclcheck(run->relid, GetUserId(), ACL_SELECT) == ACLCHECK_OK &&
		check_enable_rls(run->relid, InvalidOid, true) != RLS_ENABLED &&
		has_same_owner(run);
}

/*
 * Find a run in the log and its target.  Raises an error, the same one, if
 * there is no such run or the caller may not see its rows, and another one if
 * its target is gone.
 */
LoggedRun *
deltaetl_find_logged_run(Oid extension, int64 run_id)
{
	LoggedRun  *run = palloc0(sizeof(LoggedRun));

	run->run_id = run_id;
	run->extension = extension;
	run->context = CurrentMemoryContext;
	if (deltaetl_owner_execute(extension, run_query(extension),
							   run_id_param(run_id), take_run, run) > 0)
		run->relid = find_relation(run->target);
	if (run->status == NULL || !may_see_rows(run))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("run " INT64_FORMAT " does not exist", run_id),
				 errdetail("The log has no such run, or you may not see the rows that it has changed.")));
	if (!OidIsValid(run->relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("target \"%s\" of run " INT64_FORMAT " does not exist",
						run->target.name, run_id),
				 errdetail("The table \"%s\" was in schema \"%s\".",
						   run->target.name, run->target.schema),
				 errhint("If it has been renamed or moved, undo that for the time being.")));
	check_owner(run);
	return run;
}

/* ---------- its changes ---------- */

static TupleDesc
change_descriptor(void)
{
	TupleDesc	desc = CreateTemplateTupleDesc(CHANGE_COLUMNS);

	TupleDescInitEntry(desc, CHANGE_ACTION + 1, "action", TEXTOID, -1, 0);
	TupleDescInitEntry(desc, CHANGE_CHANGED_COLUMNS + 1, "changed_columns", NAMEARRAYOID, -1, 0);
	TupleDescInitEntry(desc, CHANGE_OLD_ROW + 1, "old_row", JSONBOID, -1, 0);
	TupleDescInitEntry(desc, CHANGE_NEW_ROW + 1, "new_row", JSONBOID, -1, 0);
	TupleDescInitEntry(desc, CHANGE_OLD_TEXT + 1, "old_text", JSONBOID, -1, 0);
	TupleDescInitEntry(desc, CHANGE_NEW_TEXT + 1, "new_text", JSONBOID, -1, 0);
	complete_descriptor(desc);
	return desc;
}

/* What a change did. */
DeltaAction
deltaetl_logged_action(TupleTableSlot *change)
{
	bool		isnull;
	char	   *action = TextDatumGetCString(slot_getattr(change, CHANGE_ACTION + 1, &isnull));

	if (strcmp(action, "delete") == 0)
		return DELTA_DELETE;
	return strcmp(action, "update") == 0 ? DELTA_UPDATE : DELTA_INSERT;
}

/* The rows of a run have all the same columns, as its target is locked. */
static void
take_columns(LoggedRun *run, TupleTableSlot *change)
{
	int			column = change->tts_isnull[CHANGE_NEW_ROW] ? CHANGE_OLD_ROW : CHANGE_NEW_ROW;
	JsonbIterator *iterator;
	JsonbValue	value;
	JsonbIteratorToken token;

	iterator = JsonbIteratorInit(&DatumGetJsonbP(change->tts_values[column])->root);
	(void) JsonbIteratorNext(&iterator, &value, true);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
		if (token == WJB_KEY)
			run->columns = add_name(run, run->columns,
									pnstrdup(value.val.string.val, value.val.string.len));
}

static void
take_change(TupleTableSlot *slot, void *arg)
{
	LoggedRun  *run = arg;
	MemoryContext oldcontext = MemoryContextSwitchTo(run->scratch);

	slot_getallattrs(slot);
	if (run->columns == NIL)
		take_columns(run, slot);
	if (!slot->tts_isnull[CHANGE_CHANGED_COLUMNS])
		run->changed_columns = add_names(run, run->changed_columns,
										 slot->tts_values[CHANGE_CHANGED_COLUMNS]);
	run->count[deltaetl_logged_action(slot)]++;
	MemoryContextSwitchTo(oldcontext);
	MemoryContextReset(run->scratch);
	tuplestore_puttupleslot(run->changes, slot);
}

static char *
changes_query(Oid extension)
{
	return psprintf("SELECT c.action, c.changed_columns, c.old_row, c.new_row, c.old_text, c.new_text"
					" FROM %s." CHANGE_TABLE " AS c WHERE c.run_id OPERATOR(pg_catalog.=) $1"
					" ORDER BY c.position",
					deltaetl_quote_schema(extension));
}

/* Read the changes of a run that has logged rows. */
void
deltaetl_read_logged_changes(LoggedRun *run)
{
	run->desc = change_descriptor();
	run->changes = tuplestore_begin_heap(true, false, work_mem);
	run->scratch = AllocSetContextCreate(run->context, "deltaetl logged change",
										 ALLOCSET_DEFAULT_SIZES);
	(void) deltaetl_owner_execute(run->extension, changes_query(run->extension),
								  run_id_param(run->run_id), take_change, run);
}
