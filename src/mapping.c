/*-------------------------------------------------------------------------
 *
 * mapping.c
 *	  From what the caller asked for to how rows correspond, by the catalogs.
 *
 * Every problem that can be seen without reading a row is reported here.
 * Locks taken for reading the catalogs are released again: the caller
 * resolves once to report problems early, locks, and resolves for good.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "deltaetl.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "encode.h"
#include "nodes/parsenodes.h"
#include "query.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "compat.h"

void
deltaetl_describe_side(MappingSide *side, Relation rel)
{
	side->relid = RelationGetRelid(rel);
	side->exists = true;
	side->has_children = rel->rd_rel->relhassubclass;
	side->is_foreign = rel->rd_rel->relkind == RELKIND_FOREIGN_TABLE;
	side->name = pstrdup(RelationGetRelationName(rel));
	side->schema = get_namespace_name(RelationGetNamespace(rel));
	side->quoted = quote_qualified_identifier(side->schema, side->name);
}

/* ---------- columns ---------- */

static MappingColumn
describe_column(Form_pg_attribute att)
{
	MappingColumn column = {0};

	column.name = pstrdup(NameStr(att->attname));
	column.quoted = pstrdup(quote_identifier(column.name));
	column.attnum = att->attnum;
	column.type = att->atttypid;
	column.typmod = att->atttypmod;
	column.collation = att->attcollation;
	column.generated = att->attgenerated != '\0';
	column.identity = att->attidentity == ATTRIBUTE_IDENTITY_ALWAYS;
	return column;
}

/* Fill in what the source has to do with a column; false if it lacks it. */
static bool
find_in_source(MappingColumn *column, Relation source)
{
	Form_pg_attribute att;

	column->source_attnum = deltaetl_column_number(source, column->name);
	if (column->source_attnum == InvalidAttrNumber)
		return false;
	att = TupleDescAttr(RelationGetDescr(source), column->source_attnum - 1);
	column->source_type = att->atttypid;
	column->source_typmod = att->atttypmod;
	column->recast = att->atttypid != column->type ||
		(column->typmod >= 0 && att->atttypmod != column->typmod);
	return true;
}

static bool
list_has_name(List *names, const char *name)
{
	ListCell   *cell;

	foreach(cell, names)
	{
		if (strcmp(lfirst(cell), name) == 0)
			return true;
	}
	return false;
}

/* What is to be done with a column that is not of the key. */
static ColumnUse
column_use(const MappingRequest *request, const MappingColumn *column)
{
	if (list_has_name(request->exclude_columns, column->name))
		return COLUMN_EXCLUDED;
	if (request->all_columns ? !column->generated :
		list_has_name(request->columns, column->name))
		return COLUMN_COMPARED;
	return column->generated ? COLUMN_GENERATED : COLUMN_NOT_NAMED;
}

/* Keep a column that is not compared, and why. */
static void
leave_out(Mapping *mapping, MappingColumn column, ColumnUse why)
{
	MappingColumn *copy = palloc(sizeof(MappingColumn));

	*copy = column;
	if (copy->use == COLUMN_COMPARED)
		copy->use = why;
	mapping->left_out = lappend(mapping->left_out, copy);
}

/* The columns that both sides have, or those of the target if it is alone. */
static void
find_common_columns(Mapping *mapping, const MappingRequest *request,
					Relation source, Relation target)
{
	TupleDesc	desc = RelationGetDescr(target);

	mapping->common = palloc0(Max(desc->natts, 1) * sizeof(MappingColumn));
	for (int i = 0; i < desc->natts; i++)
	{
		MappingColumn column;

		if (TupleDescAttr(desc, i)->attisdropped)
			continue;
		column = describe_column(TupleDescAttr(desc, i));
		column.use = column_use(request, &column);
		if (source != NULL && !find_in_source(&column, source))
		{
			leave_out(mapping, column, COLUMN_NOT_IN_SOURCE);
			continue;
		}
		mapping->common[mapping->ncommon++] = column;
	}
}

static MappingColumn *
find_common(const Mapping *mapping, const char *name)
{
	for (int i = 0; i < mapping->ncommon; i++)
		if (strcmp(mapping->common[i].name, name) == 0)
			return &mapping->common[i];
	return NULL;
}

/* Columns that were named must be there, on both sides if there are two. */
static void
check_named_columns(const MappingRequest *request, Relation source,
					Relation target)
{
	ListCell   *cell;

	foreach(cell, request->columns)
	{
		const char *name = lfirst(cell);
		AttrNumber	attnum = deltaetl_column_number(target, name);

		if (attnum == InvalidAttrNumber)
			deltaetl_unknown_column(target, name);
		if (source == NULL)
			continue;
		if (TupleDescAttr(RelationGetDescr(target), attnum - 1)->attgenerated)
			ereport(ERROR,
					(errcode(ERRCODE_GENERATED_ALWAYS),
					 errmsg("column \"%s\" of \"%s\" cannot be compared",
							name, RelationGetRelationName(target)),
					 errdetail("It is a generated column, which is neither compared nor written.")));
		if (deltaetl_column_number(source, name) == InvalidAttrNumber)
			deltaetl_unknown_column(source, name);
	}
	foreach(cell, request->exclude_columns)
	{
		const char *name = lfirst(cell);

		if (deltaetl_column_number(target, name) == InvalidAttrNumber &&
			(source == NULL ||
			 deltaetl_column_number(source, name) == InvalidAttrNumber))
			deltaetl_unknown_column(target, name);
	}
}

static bool
is_assignable(const MappingColumn *column)
{
	return !column->recast ||
		deltaetl_can_assign(column->source_type, column->type);
}

static void
check_assignable(const MappingColumn *column, Relation source, Relation target)
{
	if (is_assignable(column))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg("column \"%s\" of \"%s\" cannot be assigned to type %s of \"%s\"",
					column->name, RelationGetRelationName(source),
					format_type_be(column->type), RelationGetRelationName(target)),
			 errdetail("The source column has type %s, and there is no assignment cast from %s to %s.",
					   format_type_be(column->source_type),
					   format_type_be(column->source_type),
					   format_type_be(column->type)),
			 errhint("Convert the column in the source, leave it out with exclude_columns, or create the cast.")));
}

/* Complete the columns of the key by what find_common_columns() found. */
static void
complete_key(Mapping *mapping, const MappingRequest *request, Relation source,
			 Relation target)
{
	for (int i = 0; i < mapping->nkeys; i++)
	{
		MappingColumn key = mapping->columns[i];
		MappingColumn *common = find_common(mapping, key.name);

		if (common == NULL)
			deltaetl_unknown_column(source, key.name);
		if (list_has_name(request->exclude_columns, key.name))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("exclude_columns must not name key column \"%s\"",
							key.name)));
		mapping->columns[i] = *common;
		mapping->columns[i].equality = key.equality;
		mapping->columns[i].key_collation = key.key_collation;
		mapping->columns[i].nullable = key.nullable;
		check_assignable(&mapping->columns[i], source, target);
	}
	mapping->ncolumns = mapping->nkeys;
}

static bool
is_key(const Mapping *mapping, const char *name)
{
	for (int i = 0; i < mapping->nkeys; i++)
		if (strcmp(mapping->columns[i].name, name) == 0)
			return true;
	return false;
}

static int
compare_columns(const void *a, const void *b)
{
	return strcmp(((const MappingColumn *) a)->sort_name,
				  ((const MappingColumn *) b)->sort_name);
}

/* The name in UTF-8, so that the order is the same in any database. */
static const char *
sort_name(const char *name)
{
	Size		len = strlen(name);

	return deltaetl_to_utf8(name, &len);
}

static void
add_compared_columns(Mapping *mapping, const MappingRequest *request,
					 Relation source, Relation target)
{
	for (int i = 0; i < mapping->ncommon; i++)
	{
		MappingColumn *column = &mapping->common[i];

		if (is_key(mapping, column->name))
			continue;
		if (column->use != COLUMN_COMPARED)
		{
			leave_out(mapping, *column, column->use);
			continue;
		}
		check_assignable(column, source, target);
		column->sort_name = sort_name(column->name);
		mapping->columns[mapping->ncolumns++] = *column;
	}
	qsort(mapping->columns + mapping->nkeys,
		  mapping->ncolumns - mapping->nkeys,
		  sizeof(MappingColumn), compare_columns);
}

static bool
is_not_null_domain(Oid type)
{
	while (get_typtype(type) == TYPTYPE_DOMAIN)
	{
		HeapTuple	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
		Form_pg_type form;
		bool		not_null;

		if (!HeapTupleIsValid(tuple))
			elog(ERROR, "cache lookup failed for type %u", type);
		form = (Form_pg_type) GETSTRUCT(tuple);
		not_null = form->typnotnull;
		type = form->typbasetype;
		ReleaseSysCache(tuple);
		if (not_null)
			return true;
	}
	return false;
}

/*
 * Refuse a run whose inserts must fail, for want of a value for a NOT NULL
 * column.  A trigger could still provide it.
 */
static void
check_mandatory_columns(const Mapping *mapping, Relation target)
{
	TupleDesc	desc = RelationGetDescr(target);

	if (target->trigdesc && target->trigdesc->trig_insert_before_row)
		return;
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		bool		written = false;

		if (att->attisdropped || att->atthasdef || att->attidentity ||
			!(att->attnotnull || is_not_null_domain(att->atttypid)) ||
			get_typdefault(att->atttypid) != NULL)
			continue;
		for (int j = 0; j < mapping->ncolumns; j++)
			written |= mapping->columns[j].attnum == att->attnum;
		if (!written)
			ereport(ERROR,
					(errcode(ERRCODE_NOT_NULL_VIOLATION),
					 errmsg("cannot insert into \"%s\" without column \"%s\"",
							mapping->target.name, NameStr(att->attname)),
					 find_common(mapping, NameStr(att->attname)) ?
					 errdetail("The column is NOT NULL and has no default, and is left out of the run.") :
					 errdetail("The column is NOT NULL and has no default, and \"%s\" does not provide it.",
							   mapping->source.name),
					 find_common(mapping, NameStr(att->attname)) ?
					 errhint("Let the run write the column, or give it a default.") :
					 errhint("Add the column to the source, or give it a default.")));
	}
}

/*
 * A guarded column is set by an update only if one of the rows needs it: key
 * columns are equal as a rule, and GENERATED ALWAYS identity columns cannot
 * be set.
 */
bool
deltaetl_is_guarded(const Mapping *mapping, int column)
{
	return column < mapping->nkeys || mapping->columns[column].identity;
}

/*
 * The first column of the target that is stored but does not come from the
 * source, quoted; NULL if there is none.
 */
const char *
deltaetl_unmapped_column(const Mapping *mapping, Relation target)
{
	TupleDesc	desc = RelationGetDescr(target);
	bool	   *mapped = palloc0((desc->natts + 1) * sizeof(bool));
	const char *unmapped = NULL;

	for (int i = 0; i < mapping->ncolumns; i++)
		mapped[mapping->columns[i].attnum] = true;
	for (int i = 0; i < desc->natts && unmapped == NULL; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (!att->attisdropped && !att->attgenerated && !mapped[att->attnum])
			unmapped = quote_identifier(pstrdup(NameStr(att->attname)));
	}
	pfree(mapped);
	return unmapped;
}

/* ---------- mapping ---------- */

/*
 * Keep in common[] what scope may speak of: what the caller may read on both
 * sides and the source can be assigned to.
 */
static void
limit_common_columns(Mapping *mapping, Relation source, Relation target)
{
	int			kept = 0;

	for (int i = 0; i < mapping->ncommon; i++)
	{
		const MappingColumn *column = &mapping->common[i];

		if (is_assignable(column) &&
			deltaetl_may_read(target, column->attnum) &&
			(source == NULL || deltaetl_may_read(source, column->source_attnum)))
			mapping->common[kept++] = *column;
	}
	mapping->ncommon = kept;
}

static void
check_distinct_relations(const MappingRequest *request, Relation target)
{
	if (request->source == request->target)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("source and target are the same relation \"%s\"",
						RelationGetRelationName(target))));
}

/* Each key column is read from both sides, and all have to fit into a row. */
static void
check_width(const Mapping *mapping, Relation target)
{
	int			limit = MaxTupleAttributeNumber - JOIN_DELTA_ROW - DELTA_FIRST_COLUMN;

	if (mapping->ncolumns + mapping->nkeys > limit)
		ereport(ERROR,
				(errcode(ERRCODE_TOO_MANY_COLUMNS),
				 errmsg("too many columns of \"%s\" in key and comparison",
						RelationGetRelationName(target)),
				 errdetail("There are %d columns, %d of them in the key, which count twice; the limit is %d.",
						   mapping->ncolumns, mapping->nkeys, limit)));
}

static void
resolve_columns(Mapping *mapping, const MappingRequest *request,
				Relation source, Relation target)
{
	find_common_columns(mapping, request, source, target);
	mapping->columns = palloc0(Max(RelationGetNumberOfAttributes(target), 1) *
							   sizeof(MappingColumn));
	if (!request->keyless)
		deltaetl_resolve_key(mapping, target, request->key_columns);
	check_named_columns(request, source, target);
	complete_key(mapping, request, source, target);
	add_compared_columns(mapping, request, source, target);
	check_width(mapping, target);
}

static Relation
open_source(Mapping *mapping, const MappingRequest *request, Relation target)
{
	Relation	source;

	check_distinct_relations(request, target);
	source = deltaetl_open_relation(request->source);
	deltaetl_check_source_kind(source);
	deltaetl_check_readable(source);
	deltaetl_describe_side(&mapping->source, source);
	return source;
}

/*
 * Resolve a request.  The schema is that of the extension, quoted.  Raises an
 * error for whatever keeps the request from being carried out.  The result
 * lives in the current memory context.
 */
Mapping *
deltaetl_resolve(const MappingRequest *request, const char *schema)
{
	Mapping    *mapping = palloc0(sizeof(Mapping));
	Relation	target = deltaetl_open_relation(request->target);
	Relation	source = NULL;

	mapping->extension = request->extension;
	mapping->schema = pstrdup(schema);
	mapping->own_key = request->own_key;
	if (OidIsValid(request->source))
		source = open_source(mapping, request, target);

	if (source != NULL)
		deltaetl_check_target_kind(target);
	else
		deltaetl_check_source_kind(target);
	deltaetl_check_readable(target);
	deltaetl_describe_side(&mapping->target, target);

	resolve_columns(mapping, request, source, target);
	deltaetl_check_privileges(mapping, source, target, request->privileges);
	if (mapping->target.is_foreign)
		deltaetl_check_foreign_writes(target, request->privileges);
	if (request->whole_rows)
		deltaetl_check_whole_rows(target);
	if (source != NULL)
	{
		if (request->privileges & ACL_INSERT)
			check_mandatory_columns(mapping, target);
		deltaetl_prove_source_keys(mapping, source);
		deltaetl_resolve_hash(mapping, request, source, target);
		limit_common_columns(mapping, source, target);
		relation_close(source, AccessShareLock);
	}
	relation_close(target, AccessShareLock);
	mapping->scope = request->scope;
	return mapping;
}
