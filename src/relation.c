/*-------------------------------------------------------------------------
 *
 * relation.c
 *	  Which relations can be source and target.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "deltaetl.h"

#include "access/relation.h"
#include "catalog/catalog.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "foreign/fdwapi.h"
#include "rewrite/prs2lock.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

static const char *
kind_name(char relkind)
{
	switch (relkind)
	{
		case RELKIND_VIEW:
			return "a view";
		case RELKIND_MATVIEW:
			return "a materialized view";
		case RELKIND_FOREIGN_TABLE:
			return "a foreign table";
		case RELKIND_INDEX:
		case RELKIND_PARTITIONED_INDEX:
			return "an index";
		case RELKIND_SEQUENCE:
			return "a sequence";
		case RELKIND_TOASTVALUE:
			return "a TOAST table";
		case RELKIND_COMPOSITE_TYPE:
			return "a composite type";
		default:
			return "not a table";
	}
}

/* Schema and name, for SQL. */
const char *
deltaetl_quote_relation(Oid relid)
{
	const char *name = get_rel_name(relid);

	if (name == NULL)
		elog(ERROR, "cache lookup failed for relation %u", relid);
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)), name);
}

/*
 * Open a relation against changes of its definition.  Raises an error if it
 * is not there or is another session's.
 */
Relation
deltaetl_open_relation(Oid relid)
{
	Relation	rel = try_relation_open(relid, AccessShareLock);

	if (rel == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relid)));
	if (RELATION_IS_OTHER_TEMP(rel))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot access temporary table \"%s\" of another session",
						RelationGetRelationName(rel))));
	return rel;
}

/* Raise an error if rows cannot be read from a relation. */
void
deltaetl_check_source_kind(Relation rel)
{
	switch (rel->rd_rel->relkind)
	{
		case RELKIND_RELATION:
		case RELKIND_PARTITIONED_TABLE:
		case RELKIND_VIEW:
		case RELKIND_MATVIEW:
		case RELKIND_FOREIGN_TABLE:
			return;
		default:
			ereport(ERROR,
					(errcode(ERRCODE_WRONG_OBJECT_TYPE),
					 errmsg("cannot read rows from \"%s\"",
							RelationGetRelationName(rel)),
					 errdetail("It is %s.", kind_name(rel->rd_rel->relkind)),
					 errhint("A source is a table, partitioned table, view, materialized view or foreign table.")));
	}
}

static void
check_no_rules(Relation rel)
{
	for (int i = 0; rel->rd_rules != NULL && i < rel->rd_rules->numLocks; i++)
		if (rel->rd_rules->rules[i]->event != CMD_SELECT)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("cannot sync \"%s\" because it has rules",
							RelationGetRelationName(rel)),
					 errhint("Drop the rules of the table, or replace them by triggers.")));
}

/* Raise an error if a relation is not one that is synced. */
void
deltaetl_check_target_kind(Relation rel)
{
	char		relkind = rel->rd_rel->relkind;

	if (relkind != RELKIND_RELATION && relkind != RELKIND_PARTITIONED_TABLE &&
		relkind != RELKIND_FOREIGN_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("cannot sync \"%s\"", RelationGetRelationName(rel)),
				 errdetail("It is %s.", kind_name(relkind)),
				 errhint("A target is a table, partitioned table or foreign table.")));
	if (IsSystemRelation(rel))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("cannot sync system catalog \"%s\"",
						RelationGetRelationName(rel))));
	check_no_rules(rel);
}

/* The statements that a foreign-data wrapper takes for a relation, as bits. */
static int
foreign_events(Relation rel)
{
	FdwRoutine *routine = GetFdwRoutineForRelation(rel, false);

	if (routine->IsForeignRelUpdatable != NULL)
		return routine->IsForeignRelUpdatable(rel);
	return (routine->ExecForeignInsert ? 1 << CMD_INSERT : 0) |
		(routine->ExecForeignUpdate ? 1 << CMD_UPDATE : 0) |
		(routine->ExecForeignDelete ? 1 << CMD_DELETE : 0);
}

/*
 * Raise an error if a foreign table does not take what is to be written to it
 * (ACL_*).  What its server says to that is not known before it is written.
 */
void
deltaetl_check_foreign_writes(Relation rel, AclMode privileges)
{
	static const struct
	{
		AclMode		privilege;
		CmdType		command;
		const char *name;
	}			kinds[] = {
		{ACL_INSERT, CMD_INSERT, "INSERT"},
		{ACL_UPDATE, CMD_UPDATE, "UPDATE"},
		{ACL_DELETE, CMD_DELETE, "DELETE"}
	};
	int			events = foreign_events(rel);

	for (int i = 0; i < lengthof(kinds); i++)
		if ((privileges & kinds[i].privilege) && !(events & (1 << kinds[i].command)))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("cannot sync foreign table \"%s\"", RelationGetRelationName(rel)),
					 errdetail("Its foreign-data wrapper, or an option of the table or its server, does not allow %s.",
							   kinds[i].name)));
}

/* Raise an error if a relation is not one that stores hashes of its rows. */
void
deltaetl_check_tracked_kind(Relation rel)
{
	char		relkind = rel->rd_rel->relkind;
	bool		is_table = relkind == RELKIND_RELATION ||
	relkind == RELKIND_PARTITIONED_TABLE;

	if (!is_table || IsSystemRelation(rel))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" cannot be tracked", RelationGetRelationName(rel)),
				 errdetail("It is %s.",
						   is_table ? "a system catalog" : kind_name(relkind)),
				 errhint("Hashes are stored in tables and partitioned tables.")));
}

/* Raise an error if a relation is not one whose changes are logged. */
void
deltaetl_check_logged_kind(Relation rel)
{
	char		relkind = rel->rd_rel->relkind;

	if (relkind != RELKIND_RELATION && relkind != RELKIND_PARTITIONED_TABLE &&
		relkind != RELKIND_FOREIGN_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("there is no log of changes of \"%s\"",
						RelationGetRelationName(rel)),
				 errdetail("It is %s.", kind_name(relkind)),
				 errhint("Name a table, partitioned table or foreign table that is a target.")));
}

static bool
has_user_triggers(const TriggerDesc *triggers)
{
	for (int i = 0; i < triggers->numtriggers; i++)
		if (!triggers->triggers[i].tgisinternal)
			return true;
	return false;
}

/*
 * Note which triggers the target's tables have, which have to be locked: any
 * that constraints have not made, and any that could write to rows before a
 * statement gets to them.
 */
void
deltaetl_note_triggers(Mapping *mapping)
{
	ListCell   *cell;

	foreach(cell, mapping->target.tree)
	{
		Relation	rel = relation_open(lfirst_oid(cell), NoLock);
		TriggerDesc *triggers = rel->trigdesc;

		if (triggers != NULL)
		{
			mapping->target_has_triggers |= has_user_triggers(triggers);
			mapping->target_moves |= triggers->trig_delete_before_row ||
				triggers->trig_delete_before_statement ||
				triggers->trig_update_before_statement;
		}
		relation_close(rel, NoLock);
	}
}

/*
 * Whether some rows of a relation lie on another server.  The relation's
 * children have to be locked.
 */
bool
deltaetl_has_foreign_children(Oid relid)
{
	List	   *relids;
	ListCell   *cell;

	relids = find_all_inheritors(relid, NoLock, NULL);
	foreach(cell, relids)
	{
		if (get_rel_relkind(lfirst_oid(cell)) == RELKIND_FOREIGN_TABLE)
			return true;
	}
	return false;
}
