/*-------------------------------------------------------------------------
 *
 * query_detect.c
 *	  The text of the queries that find the delta.
 *
 * The same rules as in query.c.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "deltaetl.h"

#include "query.h"
#include "utils/builtins.h"

static const Extent all_rows = {false, NULL};

/*
 * The rows of a side for the join.  OFFSET keeps the planner from pulling the
 * subquery up: hashes are computed and values assigned before the join, once
 * a row, and only what is named here is carried through it.  Written '0', it
 * is a constant from the start, which does not keep parallel workers away; a
 * bare 0 is cast to bigint first, and does.
 */
static void
append_join_source(StringInfo buf, const Mapping *mapping)
{
	appendStringInfoString(buf, "(SELECT true AS present, ");
	deltaetl_append_row_columns(buf, mapping, mapping->ncolumns);
	if (mapping->source_hash != NULL)
		appendStringInfoString(buf, ", " ROW_ALIAS ".\"deltaetl:hash\"");
	deltaetl_append_extent(buf, mapping, &mapping->source, all_rows);
	appendStringInfoString(buf, " OFFSET '0') AS s");
}

static void
append_join_target(StringInfo buf, const Mapping *mapping)
{
	if (mapping->by_ctid)
		appendStringInfoString(buf, "(SELECT true AS present, r.oid, r.tid");
	else
		appendStringInfoString(buf, "(SELECT true AS present, NULL::pg_catalog.oid AS oid, NULL::pg_catalog.tid AS tid");
	for (int i = 0; i < mapping->ncolumns; i++)
		if (deltaetl_is_guarded(mapping, i))
			appendStringInfo(buf, ", r.c%d", i + 1);
	appendStringInfoString(buf, ", ");
	if (mapping->hash != NULL)
		appendStringInfoString(buf, "r.\"deltaetl:hash\"");
	else
		deltaetl_append_row_hash(buf, mapping, "r");
	appendStringInfoString(buf, " AS hash FROM (SELECT ");
	if (mapping->hash != NULL)
		appendStringInfo(buf, ROW_ALIAS ".%s AS \"deltaetl:hash\", ",
						 quote_identifier(mapping->hash->name));
	if (mapping->by_ctid)
		appendStringInfoString(buf, ROW_ALIAS ".tableoid AS oid, "
							   ROW_ALIAS ".ctid AS tid, ");
	deltaetl_append_row_columns(buf, mapping, mapping->ncolumns);
	deltaetl_append_extent(buf, mapping, &mapping->target, all_rows);
	appendStringInfoString(buf, ") AS r OFFSET '0') AS t");
}

/* What the join returns (JOIN_*), and of which pairs. */
static StringInfo
join_query(const Mapping *mapping, const char *join)
{
	StringInfo	buf = deltaetl_new_query("SELECT s.present, t.present, t.oid, t.tid");

	for (int i = 0; i < mapping->nkeys; i++)
		appendStringInfo(buf, ", CASE WHEN s.present THEN s.c%d ELSE t.c%d END",
						 i + 1, i + 1);
	for (int i = mapping->nkeys; i < mapping->ncolumns; i++)
		appendStringInfo(buf, ", s.c%d", i + 1);
	for (int i = 0; i < mapping->ncolumns; i++)
		if (deltaetl_is_guarded(mapping, i))
			appendStringInfo(buf, ", t.c%d", i + 1);

	appendStringInfoString(buf, " FROM ");
	append_join_source(buf, mapping);
	appendStringInfo(buf, " %s JOIN ", join);
	append_join_target(buf, mapping);
	appendStringInfoString(buf, " ON ");
	deltaetl_append_key_match(buf, mapping, "s", "t", false);
	return buf;
}

/*
 * The delta by one join of both sides on the key: pairs whose row hashes
 * differ, rows of the source without a partner and, if asked for, rows of the
 * target without one.
 */
char *
deltaetl_join_query(const Mapping *mapping, bool with_deletes)
{
	StringInfo	buf = join_query(mapping, with_deletes ? "FULL" : "LEFT");

	appendStringInfo(buf, " WHERE s.present IS NULL OR t.present IS NULL OR %s.deltaetl_differs(t.hash, ",
					 mapping->schema);
	if (mapping->hash != NULL)
		deltaetl_append_source_hash(buf, mapping, "s", false);
	else
		deltaetl_append_row_hash(buf, mapping, "s");
	appendStringInfoString(buf, ")");
	return buf->data;
}

/* Where a row of a side lies. */
static void
append_position(StringInfo buf, const Mapping *mapping, const MappingSide *side,
				const char *format)
{
	bool		is_source = side == &mapping->source;

	appendStringInfo(buf, format, is_source ? "\"deltaetl:oid\"" : "tableoid",
					 is_source ? "\"deltaetl:tid\"" : "ctid");
}

/* A row of a side that has been found to differ, for the join. */
static void
append_lone_side(StringInfo buf, const Mapping *mapping,
				 const MappingSide *side, const char *rows, const char *alias)
{
	Extent		extent = {true, rows};

	appendStringInfoString(buf, "(SELECT true AS present, ");
	append_position(buf, mapping, side, ROW_ALIAS ".%s AS oid, " ROW_ALIAS ".%s AS tid");
	for (int i = 0; i < mapping->ncolumns; i++)
		if (deltaetl_is_guarded(mapping, i))
			appendStringInfo(buf, ", " ROW_ALIAS ".%s AS c%d",
							 mapping->columns[i].quoted, i + 1);
	deltaetl_append_extent(buf, mapping, side, extent);
	appendStringInfo(buf, " OFFSET '0') AS %s", alias);
}

/*
 * The delta by a join, on the key, of rows that have been found to differ,
 * which two tables of rows name.  A full join even if rows of the target are
 * of no interest: it cannot become a nested loop, however wrong the planner is
 * about how many rows a position finds.
 */
char *
deltaetl_lone_rows_query(const Mapping *mapping)
{
	StringInfo	buf = deltaetl_new_query("SELECT s.present, t.present, t.oid, t.tid, s.oid, s.tid");

	for (int i = 0; i < mapping->ncolumns; i++)
		if (deltaetl_is_guarded(mapping, i))
			appendStringInfo(buf, ", s.c%d, t.c%d", i + 1, i + 1);
	appendStringInfoString(buf, " FROM ");
	append_lone_side(buf, mapping, &mapping->source, SOURCE_ROWS, "s");
	appendStringInfoString(buf, " FULL JOIN ");
	append_lone_side(buf, mapping, &mapping->target, TARGET_ROWS, "t");
	appendStringInfoString(buf, " ON ");
	deltaetl_append_key_match(buf, mapping, "s", "t", false);
	return buf->data;
}

/* One row, if a side has any, whether in scope or not. */
char *
deltaetl_any_row_query(const MappingSide *side)
{
	StringInfo	buf = deltaetl_new_query("SELECT");

	deltaetl_append_relation(buf, side, ROW_ALIAS, NULL);
	appendStringInfoString(buf, " LIMIT 1");
	return buf->data;
}

/* ", column, ..." of a range of the mapping's, as one record if there are many. */
static void
append_collected(StringInfo buf, const Mapping *mapping, int from, int to)
{
	bool		fits = to <= MAX_COLLECTED_COLUMNS;

	if (from == to)
		return;
	appendStringInfoString(buf, fits ? ", " : ", ROW(");
	for (int i = from; i < to; i++)
	{
		deltaetl_append_separator(buf, i - from);
		appendStringInfo(buf, ROW_ALIAS ".%s", mapping->columns[i].quoted);
	}
	if (!fits)
		appendStringInfoChar(buf, ')');
}

static void
append_collected_hash(StringInfo buf, const Mapping *mapping,
					  const MappingSide *side)
{
	appendStringInfoString(buf, ", ");
	if (side == &mapping->source)
		deltaetl_append_source_hash(buf, mapping, ROW_ALIAS, true);
	else
		appendStringInfo(buf, ROW_ALIAS ".%s", quote_identifier(mapping->hash->name));
}

/*
 * Collect the fingerprints of a side's rows in scope (see collect.c): of their
 * key, if keys are told by it, and of their content, unless that is taken from
 * the stored row or of no interest.  $1 is the reference to where they go.
 *
 * What is collected has to end up in the leader.  The process number, which
 * only the leader may ask for, keeps a planner that is set to test parallel
 * queries from having all of this done by a worker.
 */
char *
deltaetl_fingerprints_query(const Mapping *mapping, const MappingSide *side,
							bool keys, RowContent content)
{
	StringInfo	buf = deltaetl_new_query("SELECT r.n, pg_catalog.pg_backend_pid() FROM (SELECT ");
	Extent		extent = {true, NULL};
	int			nkeys = keys ? mapping->nkeys : 0;

	appendStringInfo(buf, "%s.deltaetl_fingerprints($1, ", mapping->schema);
	append_position(buf, mapping, side, ROW_ALIAS ".%s, " ROW_ALIAS ".%s");
	append_collected(buf, mapping, 0, nkeys);
	if (content == CONTENT_COLUMNS)
		append_collected(buf, mapping, nkeys, mapping->ncolumns);
	else if (content == CONTENT_HASH)
		append_collected_hash(buf, mapping, side);
	appendStringInfoString(buf, ") AS n");
	deltaetl_append_extent(buf, mapping, side, extent);
	appendStringInfoString(buf, ") AS r");
	return buf->data;
}
