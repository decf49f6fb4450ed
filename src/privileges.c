/*-------------------------------------------------------------------------
 *
 * privileges.c
 *	  The rights that a run needs, checked before it locks or reads anything.
 *
 * They are those of the DML that one would write by hand.  The executor
 * checks them again; here they get a message that says what is missing.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "deltaetl.h"

#include "catalog/objectaddress.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"

#include "compat.h"

static bool
has_table_privilege(Relation rel, AclMode mode)
{
	return pg_class_aclcheck(RelationGetRelid(rel), GetUserId(), mode) == ACLCHECK_OK;
}

static bool
has_column_privilege(Relation rel, AttrNumber attnum, AclMode mode)
{
	return has_table_privilege(rel, mode) ||
		pg_attribute_aclcheck(RelationGetRelid(rel), attnum, GetUserId(),
							  mode) == ACLCHECK_OK;
}

static const char *
privilege_name(AclMode mode)
{
	switch (mode)
	{
		case ACL_SELECT:
			return "SELECT";
		case ACL_INSERT:
			return "INSERT";
		case ACL_UPDATE:
			return "UPDATE";
		default:
			return "DELETE";
	}
}

static void
report_missing_privilege(Relation rel, AclMode mode, const char *column)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for relation \"%s\"",
					RelationGetRelationName(rel)),
			 column ?
			 errdetail("The privilege %s on column \"%s\" is needed.",
					   privilege_name(mode), column) :
			 errdetail("The privilege %s is needed.", privilege_name(mode))));
}

/* Raise an error, PostgreSQL's own, if the caller may not alter a relation. */
void
deltaetl_check_owner(Relation rel)
{
	if (!owns_relation(RelationGetRelid(rel)))
		aclcheck_error(ACLCHECK_NOT_OWNER,
					   get_relkind_objtype(rel->rd_rel->relkind),
					   RelationGetRelationName(rel));
}

/* A query would raise the same error, but not who gives the OID of a relation. */
static void
check_schema(Relation rel)
{
	Oid			schema = RelationGetNamespace(rel);

	if (!may_use_schema(schema))
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_SCHEMA, get_namespace_name(schema));
}

/*
 * Someone who may read no column at all learns nothing else of a relation.
 * Nor does one for whom policies limit its rows and who would rather have an
 * error (row_security = off), which is PostgreSQL's own.
 */
void
deltaetl_check_readable(Relation rel)
{
	check_schema(rel);
	if (!has_table_privilege(rel, ACL_SELECT) &&
		pg_attribute_aclcheck_all(RelationGetRelid(rel), GetUserId(),
								  ACL_SELECT, ACLMASK_ANY) != ACLCHECK_OK)
		report_missing_privilege(rel, ACL_SELECT, NULL);
	(void) check_enable_rls(RelationGetRelid(rel), InvalidOid, false);
}

static void
require_column(Relation rel, AttrNumber attnum, AclMode mode, const char *name)
{
	if (!has_column_privilege(rel, attnum, mode))
		report_missing_privilege(rel, mode, name);
}

static void
check_column(const Mapping *mapping, int i, Relation source, Relation target,
			 AclMode privileges)
{
	const MappingColumn *column = &mapping->columns[i];

	require_column(target, column->attnum, ACL_SELECT, column->name);
	if (source != NULL)
		require_column(source, column->source_attnum, ACL_SELECT, column->name);
	if ((privileges & ACL_INSERT) && !column->generated)
		require_column(target, column->attnum, ACL_INSERT, column->name);
	if ((privileges & ACL_UPDATE) && !deltaetl_is_guarded(mapping, i))
		require_column(target, column->attnum, ACL_UPDATE, column->name);
}

bool
deltaetl_may_read(Relation rel, AttrNumber attnum)
{
	return has_column_privilege(rel, attnum, ACL_SELECT);
}

/* Raise an error if the caller may not read a column. */
void
deltaetl_check_may_read(Relation rel, AttrNumber attnum)
{
	Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel), attnum - 1);

	require_column(rel, attnum, ACL_SELECT, NameStr(att->attname));
}

/* Raise an error if the caller may not read every column of a relation. */
void
deltaetl_check_whole_rows(Relation rel)
{
	TupleDesc	desc = RelationGetDescr(rel);

	for (int i = 0; i < desc->natts; i++)
		if (!TupleDescAttr(desc, i)->attisdropped)
			deltaetl_check_may_read(rel, i + 1);
}

/* Raise an error unless the caller may read every column of every row. */
void
deltaetl_check_sees_all(Relation rel)
{
	check_schema(rel);
	if (!has_table_privilege(rel, ACL_SELECT))
		report_missing_privilege(rel, ACL_SELECT, NULL);
	if (check_enable_rls(RelationGetRelid(rel), InvalidOid, true) == RLS_ENABLED)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for changes of \"%s\"",
						RelationGetRelationName(rel)),
				 errdetail("Policies limit the rows of the table that you may see, and do not apply to the log.")));
}

/*
 * Raise an error if the caller may not update one of the named columns that
 * are there and not generated.
 */
void
deltaetl_check_updatable(Relation rel, List *columns)
{
	ListCell   *cell;

	foreach(cell, columns)
	{
		AttrNumber	attnum = deltaetl_column_number(rel, lfirst(cell));

		if (attnum != InvalidAttrNumber &&
			!TupleDescAttr(RelationGetDescr(rel), attnum - 1)->attgenerated)
			require_column(rel, attnum, ACL_UPDATE, lfirst(cell));
	}
}

/*
 * Raise an error if the caller lacks SELECT on a column of the mapping, or
 * one of the given privileges on the target; find out whether rows of the
 * target can be addressed by ctid, which takes SELECT on the whole table.
 */
void
deltaetl_check_privileges(Mapping *mapping, Relation source, Relation target,
						  AclMode privileges)
{
	for (int i = 0; i < mapping->ncolumns; i++)
		check_column(mapping, i, source, target, privileges);
	if ((privileges & ACL_DELETE) && !has_table_privilege(target, ACL_DELETE))
		report_missing_privilege(target, ACL_DELETE, NULL);
	mapping->by_ctid = has_table_privilege(target, ACL_SELECT);
	mapping->ctid_obstacle = deltaetl_obstacle(mapping->by_ctid ? NO_OBSTACLE : OBSTACLE_PRIVILEGE,
											   mapping->target.quoted);
}
