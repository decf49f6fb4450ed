/*-------------------------------------------------------------------------
 *
 * query_remote.c
 *	  The text of the queries that another server is to answer as a whole.
 *
 * The same rules as in query.c; and what is called has to be immutable, over
 * columns that are named one by one, without a COLLATE, so that a foreign-data
 * wrapper can send it.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "remote.h"

#include "query.h"
#include "utils/builtins.h"

static const Extent all_rows = {false, NULL};

static void
append_named(StringInfo buf, const Mapping *mapping, int from, int to)
{
	for (int i = from; i < to; i++)
	{
		deltaetl_append_separator(buf, i - from);
		appendStringInfo(buf, ROW_ALIAS ".%s", mapping->columns[i].quoted);
	}
}

/* "schema.deltaetl_bucket(bits, alias.key, ...)" */
static void
append_bucket(StringInfo buf, const Mapping *mapping, const char *alias, int bits)
{
	appendStringInfo(buf, "%s.deltaetl_bucket(%d", mapping->schema, bits);
	for (int i = 0; i < mapping->nkeys; i++)
		appendStringInfo(buf, ", %s.%s", alias, mapping->columns[i].quoted);
	appendStringInfoChar(buf, ')');
}

/* A mapping of the rows that a condition holds for, too. */
Mapping *
deltaetl_narrow(const Mapping *mapping, const char *condition)
{
	Mapping    *narrow = palloc(sizeof(Mapping));

	*narrow = *mapping;
	if (mapping->scope != NULL)
		narrow->scope = psprintf("(%s\n) AND %s", mapping->scope, condition);
	else
	{
		/*
		 * the condition is on no other columns, and those may not be ours to
		 * read
		 */
		narrow->scope = pstrdup(condition);
		narrow->ncommon = mapping->ncolumns;
		narrow->common = mapping->columns;
	}
	return narrow;
}

/* The condition that a key lies in one of the buckets that differ. */
char *
deltaetl_bucket_condition(const Mapping *mapping, const char *alias,
						  const Difference *difference)
{
	StringInfo	buf = makeStringInfo();

	append_bucket(buf, mapping, alias, difference->bits);
	appendStringInfoString(buf, " OPERATOR(pg_catalog.=) ANY ('{");
	for (int i = 0; i < difference->count; i++)
		appendStringInfo(buf, "%s" INT64_FORMAT, i > 0 ? "," : "", difference->numbers[i]);
	appendStringInfoString(buf, "}'::pg_catalog.int8[])");
	return buf->data;
}

/* A row, if a side has any in scope. */
char *
deltaetl_a_row_query(const Mapping *mapping, const MappingSide *side)
{
	StringInfo	buf = deltaetl_new_query("SELECT 1");

	deltaetl_append_extent(buf, mapping, side, all_rows);
	appendStringInfoString(buf, " LIMIT 1");
	return buf->data;
}

/* A row, if a key occurs more than once, or is NULL where that is none. */
char *
deltaetl_a_wrong_key_query(const Mapping *mapping, const MappingSide *side)
{
	StringInfo	buf = deltaetl_new_query("SELECT 1");

	deltaetl_append_extent(buf, mapping, side, all_rows);
	appendStringInfoString(buf, " GROUP BY ");
	append_named(buf, mapping, 0, mapping->nkeys);
	appendStringInfoString(buf, " HAVING pg_catalog.count(*) OPERATOR(pg_catalog.>) 1");
	for (int i = 0; i < mapping->nkeys && !mapping->nulls_match; i++)
		appendStringInfo(buf, " OR " ROW_ALIAS ".%s IS NULL", mapping->columns[i].quoted);
	appendStringInfoString(buf, " LIMIT 1");
	return buf->data;
}

/* How many rows a side has in scope. */
char *
deltaetl_shipped_count_query(const Mapping *mapping, const MappingSide *side)
{
	StringInfo	buf = deltaetl_new_query("SELECT pg_catalog.count(*)");

	deltaetl_append_extent(buf, mapping, side, all_rows);
	return buf->data;
}

/* ---------- types ---------- */

/* The type that a side declares: the source's may have a length where ours has none. */
static void
append_declared_type(StringInfo types, const MappingColumn *column, bool of_source)
{
	deltaetl_append_type(types, column->name,
						 of_source ? column->source_type : column->type,
						 of_source ? column->source_typmod : column->typmod);
}

/*
 * The condition that the types of some columns are those that a side declares,
 * which is true or an error (see bucket.c).
 */
char *
deltaetl_types_condition(const Mapping *mapping, const MappingSide *side, int from, int to)
{
	StringInfo	buf = makeStringInfo();
	StringInfoData types;

	initStringInfo(&types);
	deltaetl_begin_types(&types);
	for (int i = from; i < to; i++)
		append_declared_type(&types, &mapping->columns[i], side == &mapping->source);
	appendStringInfo(buf, "%s.deltaetl_check_types('\\x", mapping->schema);
	for (int i = 0; i < types.len; i++)
		appendStringInfo(buf, "%02x", (unsigned char) types.data[i]);
	appendStringInfoString(buf, "'::pg_catalog.bytea, ");
	append_named(buf, mapping, from, to);
	appendStringInfoChar(buf, ')');
	return buf->data;
}

/* That of all columns, as many at a time as a call takes. */
char *
deltaetl_all_types_condition(const Mapping *mapping, const MappingSide *side)
{
	StringInfo	buf = makeStringInfo();

	for (int i = 0; i < mapping->ncolumns; i += MAX_BUCKET_COLUMNS)
		appendStringInfo(buf, "%s%s", i > 0 ? " AND " : "",
						 deltaetl_types_condition(mapping, side, i,
												  Min(i + MAX_BUCKET_COLUMNS, mapping->ncolumns)));
	return buf->data;
}

/* ---------- digests ---------- */

/* A hash of hashes, where there are more columns than a call takes. */
static void
append_wide_hash(StringInfo buf, const Mapping *mapping)
{
	appendStringInfo(buf, "%s.deltaetl_row_hash(", mapping->schema);
	for (int i = 0; i < mapping->ncolumns; i += MAX_HASH_ARGUMENTS)
	{
		deltaetl_append_separator(buf, i);
		appendStringInfo(buf, "%s.deltaetl_row_hash(", mapping->schema);
		append_named(buf, mapping, i, Min(i + MAX_HASH_ARGUMENTS, mapping->ncolumns));
		appendStringInfoChar(buf, ')');
	}
	appendStringInfoChar(buf, ')');
}

/*
 * The hash of a row that both sides can tell.  One that the target stores spares
 * hashing it, if the source computes the same.
 */
static void
append_hash(StringInfo buf, const Mapping *mapping, const MappingSide *side)
{
	if (deltaetl_digests_stored_hash(mapping))
		appendStringInfoString(buf, side == &mapping->source ?
							   deltaetl_hash_of(mapping, ROW_ALIAS, true) :
							   psprintf(ROW_ALIAS ".%s", quote_identifier(mapping->hash->name)));
	else if (mapping->ncolumns > MAX_HASH_ARGUMENTS)
		append_wide_hash(buf, mapping);
	else
	{
		appendStringInfo(buf, "%s.deltaetl_row_hash(", mapping->schema);
		append_named(buf, mapping, 0, mapping->ncolumns);
		appendStringInfoChar(buf, ')');
	}
}

/*
 * Number, rows and digest (BUCKET_*) of each bucket of a side.  The side is
 * that of a mapping which may have been narrowed.
 *
 * The constant is of a type that has no order, so that rows are not sorted for
 * that: a planner expects as many buckets as there are keys, and would, but
 * there are few.
 */
char *
deltaetl_buckets_query(const Mapping *mapping, const MappingSide *side, int bits)
{
	StringInfo	buf = deltaetl_new_query("SELECT ");

	append_bucket(buf, mapping, ROW_ALIAS, bits);
	appendStringInfo(buf, ", pg_catalog.count(*), %s.deltaetl_digest_agg(", mapping->schema);
	append_hash(buf, mapping, side);
	appendStringInfoChar(buf, ')');
	deltaetl_append_extent(buf, mapping, side, all_rows);
	appendStringInfoString(buf, " GROUP BY 1, '0'::pg_catalog.xid");
	return buf->data;
}
