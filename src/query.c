/*-------------------------------------------------------------------------
 *
 * query.c
 *	  The text of the queries; runs nothing.
 *
 * Every name is quoted, every function, operator and type schema-qualified,
 * so that no search_path can lend them another meaning.  The one text that is
 * not ours is scope, which mapping.c has made sure is one expression.
 *
 * Inside a query the columns of the mapping are called c1 .. cn, those of the
 * relations only where a relation is read, so that no name can collide.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "deltaetl.h"

#include "access/htup_details.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "query.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/ruleutils.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

/* Of a row with columns of any name, none of which may be it. */
#define OBJECT_ALIAS "\"deltaetl:object\""

/* ---------- pieces ---------- */

void
deltaetl_append_separator(StringInfo buf, int i)
{
	if (i > 0)
		appendStringInfoString(buf, ", ");
}

/* "alias.c1, alias.c2, ..." for the first columns of the mapping. */
void
deltaetl_append_columns(StringInfo buf, const char *alias, int ncolumns)
{
	for (int i = 0; i < ncolumns; i++)
	{
		deltaetl_append_separator(buf, i);
		appendStringInfo(buf, "%s.c%d", alias, i + 1);
	}
}

/* The row hash of alias.c1 .. alias.cn, within the limits of arguments. */
void
deltaetl_append_row_hash(StringInfo buf, const Mapping *mapping, const char *alias)
{
	bool		fits = mapping->ncolumns > 0 && mapping->ncolumns <= MAX_HASH_ARGUMENTS;

	appendStringInfo(buf, "%s.%s", mapping->schema,
					 fits ? "deltaetl_row_hash(" : "deltaetl_record_hash(ROW(");
	deltaetl_append_columns(buf, alias, mapping->ncolumns);
	appendStringInfoString(buf, fits ? ")" : "))");
}

/* The relation of a side, or those of its rows that a table of rows names. */
void
deltaetl_append_relation(StringInfo buf, const MappingSide *side, const char *alias,
						 const char *rows)
{
	appendStringInfo(buf, " FROM %s AS %s", side->quoted, alias);
	if (rows != NULL)
		appendStringInfo(buf, " JOIN %s AS \"deltaetl:rows\""
						 " ON %s.ctid OPERATOR(pg_catalog.=) \"deltaetl:rows\".tid",
						 rows, alias);
	if (rows != NULL && side->has_children)
		appendStringInfo(buf, " AND %s.tableoid OPERATOR(pg_catalog.=) \"deltaetl:rows\".oid",
						 alias);
}

/*
 * The hash of a row of the source that is compared with a stored one of the
 * target; alias is one of a relation's rows, or has c1 .. cn.
 */
void
deltaetl_append_source_hash(StringInfo buf, const Mapping *mapping,
							const char *alias, bool alias_is_relation)
{
	char	   *computed = deltaetl_hash_of(mapping, alias, alias_is_relation);

	if (mapping->source_hash == NULL)
		appendStringInfoString(buf, computed);
	else if (mapping->source_hash_believed)
		appendStringInfo(buf, "COALESCE(%s.\"deltaetl:hash\", %s)", alias, computed);
	else
		appendStringInfo(buf, "%s.\"deltaetl:hash\"", alias);
}

static const Extent all_rows = {false, NULL};

static void
append_source_column(StringInfo buf, const Mapping *mapping, const MappingColumn *column)
{
	if (!mapping->casts_source)
		appendStringInfo(buf, "\"" SOURCE_ALIAS "\".%s", column->quoted);
	else if (!column->recast)
		appendStringInfo(buf, PLAIN_SOURCE ".%s", column->quoted);
	else
		appendStringInfo(buf, PLAIN_SOURCE ".%s::%s", column->quoted,
						 format_type_extended(column->type, column->typmod,
											  FORMAT_TYPE_TYPEMOD_GIVEN |
											  FORMAT_TYPE_FORCE_QUALIFY));
}

/*
 * The source's columns go through an alias under which they are assigned to
 * the types of the target's, so that scope sees the same types on both sides.
 * Other servers get the text of the query, so there they are cast in it.
 */
static void
append_source(StringInfo buf, const Mapping *mapping, Extent extent)
{
	const MappingColumn *columns = mapping->scope ? mapping->common : mapping->columns;
	int			ncolumns = mapping->scope ? mapping->ncommon : mapping->ncolumns;
	const char *alias = mapping->casts_source ? PLAIN_SOURCE : "\"" SOURCE_ALIAS "\"";

	appendStringInfoString(buf, " FROM (SELECT ");
	for (int i = 0; i < ncolumns; i++)
	{
		deltaetl_append_separator(buf, i);
		append_source_column(buf, mapping, &columns[i]);
		appendStringInfo(buf, " AS %s", columns[i].quoted);
	}
	if (mapping->source_hash != NULL)
		appendStringInfo(buf, ", %s.%s AS \"deltaetl:hash\"", alias, mapping->source_hash);
	if (extent.position)
		appendStringInfoString(buf, ", \"" SOURCE_ALIAS "\".tableoid AS \"deltaetl:oid\""
							   ", \"" SOURCE_ALIAS "\".ctid AS \"deltaetl:tid\"");
	deltaetl_append_relation(buf, &mapping->source, alias, extent.rows);
	appendStringInfoString(buf, ") AS " ROW_ALIAS);
}

/* The rows of a side that are in scope, or those that a table names. */
void
deltaetl_append_extent(StringInfo buf, const Mapping *mapping, const MappingSide *side,
					   Extent extent)
{
	if (side == &mapping->source)
		append_source(buf, mapping, extent);
	else
		deltaetl_append_relation(buf, side, ROW_ALIAS, extent.rows);

	/* the line break ends a comment that the condition may end with */
	if (mapping->scope != NULL && extent.rows == NULL)
		appendStringInfo(buf, " WHERE (%s\n)", mapping->scope);
}

static void
append_from(StringInfo buf, const Mapping *mapping, const MappingSide *side)
{
	deltaetl_append_extent(buf, mapping, side, all_rows);
}

/* "row.a AS c1, row.b AS c2, ..." */
void
deltaetl_append_row_columns(StringInfo buf, const Mapping *mapping, int ncolumns)
{
	for (int i = 0; i < ncolumns; i++)
	{
		deltaetl_append_separator(buf, i);
		appendStringInfo(buf, ROW_ALIAS ".%s AS c%d",
						 mapping->columns[i].quoted, i + 1);
	}
}

/*
 * A key column under the collation that the key is matched by; but Citus wants
 * that which rows are distributed by as it is.
 */
static char *
key_expression(const MappingColumn *column, const char *reference)
{
	if (!OidIsValid(column->key_collation) || column->distributes)
		return pstrdup(reference);
	return psprintf("(%s COLLATE %s)", reference,
					generate_collation_name(column->key_collation));
}

char *
deltaetl_qualified_operator(Oid operator)
{
	HeapTuple	tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(operator));
	Form_pg_operator form;
	char	   *name;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for operator %u", operator);
	form = (Form_pg_operator) GETSTRUCT(tuple);
	name = psprintf("OPERATOR(%s.%s)",
					quote_identifier(get_namespace_name(form->oprnamespace)),
					NameStr(form->oprname));
	ReleaseSysCache(tuple);
	return name;
}

/* The type that a key column is compared as: the operator's, or a domain's base. */
Oid
deltaetl_operand_type(const MappingColumn *column)
{
	Oid			operand;
	Oid			other;

	op_input_types(column->equality, &operand, &other);
	return IsPolymorphicType(operand) ? getBaseType(column->type) : operand;
}

/* A value of a key column as that type. */
char *
deltaetl_key_operand(const MappingColumn *column, const char *value)
{
	Oid			operand = deltaetl_operand_type(column);

	/* by a name that no length is implied by, as 1 is by bit's in SQL */
	return operand == column->type ? pstrdup(value) :
		psprintf("%s::%s", value,
				 format_type_extended(operand, -1,
									  FORMAT_TYPE_TYPEMOD_GIVEN |
									  FORMAT_TYPE_FORCE_QUALIFY));
}

/*
 * "left = right" by the operator of a key column.  Operands are cast to the
 * operator's types, or to the base of a domain where those are polymorphic,
 * so that no other operator of the same name can be meant.
 */
static void
append_operator(StringInfo buf, const MappingColumn *column,
				const char *left, const char *right)
{
	appendStringInfo(buf, "%s %s %s", deltaetl_key_operand(column, left),
					 deltaetl_qualified_operator(column->equality),
					 deltaetl_key_operand(column, right));
}

/*
 * "left matches right" for a key column.  Arrays are equal if their elements
 * are equal or both NULL, by the default equality of the element's type; so
 * they compare NULLs the way we want and can still be hashed.  An array of
 * arrays would take a NULL for an empty array, hence the row around those.
 */
static void
append_key_column_match(StringInfo buf, const MappingColumn *column,
						const char *left, const char *right)
{
	char	   *left_key = key_expression(column, left);
	char	   *right_key = key_expression(column, right);

	if (column->distributes)
		appendStringInfo(buf, "%s %s %s", left,
						 deltaetl_qualified_operator(column->equality), right);
	else if (column->nullable && OidIsValid(get_element_type(getBaseType(column->type))))
		appendStringInfo(buf, "ARRAY[ROW(%s)] OPERATOR(pg_catalog.=) ARRAY[ROW(%s)]",
						 left_key, right_key);
	else if (column->nullable)
		appendStringInfo(buf, "ARRAY[%s] OPERATOR(pg_catalog.=) ARRAY[%s]",
						 left_key, right_key);
	else
		append_operator(buf, column, left_key, right_key);
}

/* Match left.c1 .. with right.c1 .., or with the columns of a relation. */
void
deltaetl_append_key_match(StringInfo buf, const Mapping *mapping, const char *left,
						  const char *right, bool right_is_relation)
{
	for (int i = 0; i < mapping->nkeys; i++)
	{
		const MappingColumn *column = &mapping->columns[i];
		char	   *left_column = psprintf("%s.c%d", left, i + 1);
		char	   *right_column = right_is_relation ?
		psprintf("%s.%s", right, column->quoted) :
		psprintf("%s.c%d", right, i + 1);

		if (i > 0)
			appendStringInfoString(buf, " AND ");
		append_key_column_match(buf, column, left_column, right_column);
	}
}

/*
 * "a is NULL or b is NULL" for the columns of the key.  IS NULL would also be
 * true of a composite value whose columns are all NULL.
 */
void
deltaetl_append_null_key_test(StringInfo buf, const Mapping *mapping)
{
	appendStringInfoString(buf, "(");
	for (int i = 0; i < mapping->nkeys; i++)
		appendStringInfo(buf, "%sr.c%d IS NOT DISTINCT FROM NULL",
						 i > 0 ? " OR " : "", i + 1);
	appendStringInfoString(buf, ")");
}

void
deltaetl_append_key_group(StringInfo buf, const Mapping *mapping)
{
	appendStringInfoString(buf, " GROUP BY ");
	for (int i = 0; i < mapping->nkeys; i++)
	{
		deltaetl_append_separator(buf, i);
		appendStringInfoString(buf, key_expression(&mapping->columns[i],
												   psprintf("r.c%d", i + 1)));
	}
}

static void
append_key_rows(StringInfo buf, const Mapping *mapping, const MappingSide *side)
{
	appendStringInfoString(buf, " FROM (SELECT ");
	deltaetl_append_row_columns(buf, mapping, mapping->nkeys);
	append_from(buf, mapping, side);
	appendStringInfoString(buf, ") AS r");
}

StringInfo
deltaetl_new_query(const char *start)
{
	StringInfo	buf = makeStringInfo();

	appendStringInfoString(buf, start);
	return buf;
}

/* ---------- looking at one side ---------- */

/* A query that is only analyzed: is scope a condition on this side's rows? */
char *
deltaetl_scope_query(const Mapping *mapping, const MappingSide *side)
{
	StringInfo	buf = deltaetl_new_query("SELECT");

	append_from(buf, mapping, side);
	return buf->data;
}

/* The source's rows, with their values assigned. */
char *
deltaetl_assigned_query(const Mapping *mapping)
{
	StringInfo	buf = deltaetl_new_query("SELECT ");

	deltaetl_append_row_columns(buf, mapping, mapping->ncolumns);
	append_from(buf, mapping, &mapping->source);
	return buf->data;
}

/* How many rows a side has in scope. */
char *
deltaetl_count_query(const Mapping *mapping, const MappingSide *side)
{
	StringInfo	buf = deltaetl_new_query("SELECT pg_catalog.count(*)");

	append_key_rows(buf, mapping, side);
	return buf->data;
}

/*
 * How many rows a side has in scope, how many keys occur more than once, and
 * how many rows lack a key (CENSUS_*).
 */
char *
deltaetl_census_query(const Mapping *mapping, const MappingSide *side)
{
	StringInfo	buf = deltaetl_new_query("SELECT pg_catalog.sum(g.n)::pg_catalog.int8, "
										 "pg_catalog.count(*) FILTER (WHERE g.n OPERATOR(pg_catalog.>) 1 AND NOT g.lacks_key), "
										 "pg_catalog.sum(g.n) FILTER (WHERE g.lacks_key)::pg_catalog.int8 "
										 "FROM (SELECT pg_catalog.count(*) AS n, ");

	if (side->keys_not_null || mapping->nulls_match)
		appendStringInfoString(buf, "false");
	else
	{
		appendStringInfoString(buf, "pg_catalog.bool_or");
		deltaetl_append_null_key_test(buf, mapping);
	}
	appendStringInfoString(buf, " AS lacks_key");
	append_key_rows(buf, mapping, side);
	deltaetl_append_key_group(buf, mapping);
	appendStringInfoString(buf, ") AS g");
	return buf->data;
}

/* Order a query whose first columns are the key by it, if it has an order. */
void
deltaetl_append_key_order(StringInfo buf, const Mapping *mapping)
{
	for (int i = 0; i < mapping->nkeys; i++)
		if (!OidIsValid(lookup_type_cache(mapping->columns[i].type,
										  TYPECACHE_LT_OPR)->lt_opr))
			return;
	appendStringInfoString(buf, " ORDER BY ");
	for (int i = 0; i < mapping->nkeys; i++)
		appendStringInfo(buf, "%s%d", i > 0 ? ", " : "", i + 1);
}

/* The first keys that lack a value or occur more than once, with how often. */
char *
deltaetl_offenders_query(const Mapping *mapping, const MappingSide *side,
						 bool nulls)
{
	StringInfo	buf = deltaetl_new_query("SELECT ");

	for (int i = 0; i < mapping->nkeys; i++)
		appendStringInfo(buf, "%s, ",
						 key_expression(&mapping->columns[i],
										psprintf("r.c%d", i + 1)));
	appendStringInfoString(buf, "pg_catalog.count(*)");
	append_key_rows(buf, mapping, side);
	if (!mapping->nulls_match)
	{
		appendStringInfoString(buf, nulls ? " WHERE " : " WHERE NOT ");
		deltaetl_append_null_key_test(buf, mapping);
	}
	deltaetl_append_key_group(buf, mapping);
	if (!nulls)
		appendStringInfoString(buf, " HAVING pg_catalog.count(*) OPERATOR(pg_catalog.>) 1");
	deltaetl_append_key_order(buf, mapping);
	appendStringInfo(buf, " LIMIT %d", KEYS_SHOWN);
	return buf->data;
}

/* One jsonb object of columns of alias, by their names. */
void
deltaetl_append_object(StringInfo buf, const Mapping *mapping, const char *alias,
					   bool alias_is_relation, int ncolumns)
{
	appendStringInfoString(buf, "(SELECT pg_catalog.to_jsonb(" OBJECT_ALIAS ") FROM (SELECT ");
	for (int i = 0; i < ncolumns; i++)
	{
		const char *name = mapping->columns[i].quoted;

		deltaetl_append_separator(buf, i);
		if (alias_is_relation)
			appendStringInfo(buf, "%s.%s", alias, name);
		else
			appendStringInfo(buf, "%s.c%d AS %s", alias, i + 1, name);
	}
	appendStringInfoString(buf, ") AS " OBJECT_ALIAS ")");
}

/*
 * How many rows the target has, and the digest of their hashes.  OFFSET keeps
 * the server of a foreign table from computing it.
 */
char *
deltaetl_digest_query(const Mapping *mapping, bool here)
{
	StringInfo	buf = deltaetl_new_query("SELECT pg_catalog.count(*), ");

	appendStringInfo(buf, "%s.deltaetl_digest_agg(", mapping->schema);
	deltaetl_append_row_hash(buf, mapping, "r");
	appendStringInfoString(buf, ") FROM (SELECT ");
	deltaetl_append_row_columns(buf, mapping, mapping->ncolumns);
	append_from(buf, mapping, &mapping->target);
	appendStringInfo(buf, "%s) AS r", here ? " OFFSET '0'" : "");
	return buf->data;
}

/* Key and row hash of every row of the target. */
char *
deltaetl_hashes_query(const Mapping *mapping)
{
	StringInfo	buf = deltaetl_new_query("SELECT ");

	deltaetl_append_object(buf, mapping, "r", false, mapping->nkeys);
	appendStringInfoString(buf, ", ");
	deltaetl_append_row_hash(buf, mapping, "r");
	appendStringInfoString(buf, " FROM (SELECT ");
	deltaetl_append_row_columns(buf, mapping, mapping->ncolumns);
	append_from(buf, mapping, &mapping->target);
	appendStringInfoString(buf, ") AS r");
	return buf->data;
}
