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

static const Extent all_rows = {false, NULL};

/*
 * The rows of a side for the join.  OFFSET keeps the planner from pulling the
 * subquery up: hashes are computed and values assigned before the join, once
 * a row, and only what is named here is carried through it.  Written '0', it
 * is a constant from the start, which does not keep parallel workers away; a
 * bare 0 is cast to bigint first, and does.
 */
static void
append_join_source(StringInfo buf, const Mapping *mapping, Extent extent)
{
	appendStringInfoString(buf, "(SELECT true AS present, ");
	deltaetl_append_row_columns(buf, mapping, mapping->ncolumns);
	deltaetl_append_extent(buf, mapping, &mapping->source, extent);
	appendStringInfoString(buf, " OFFSET '0') AS s");
}

static void
append_join_target(StringInfo buf, const Mapping *mapping, Extent extent)
{
	if (mapping->by_ctid)
		appendStringInfoString(buf, "(SELECT true AS present, r.oid, r.tid");
	else
		appendStringInfoString(buf, "(SELECT true AS present, NULL::pg_catalog.oid AS oid, NULL::pg_catalog.tid AS tid");
	for (int i = 0; i < mapping->ncolumns; i++)
		if (deltaetl_is_guarded(mapping, i))
			appendStringInfo(buf, ", r.c%d", i + 1);
	if (extent.rows == NULL)
	{
		appendStringInfoString(buf, ", ");
		deltaetl_append_hash(buf, mapping, "r");
		appendStringInfoString(buf, " AS hash");
	}
	appendStringInfoString(buf, " FROM (SELECT ");
	if (mapping->by_ctid)
		appendStringInfoString(buf, ROW_ALIAS ".tableoid AS oid, "
							   ROW_ALIAS ".ctid AS tid, ");
	deltaetl_append_row_columns(buf, mapping, mapping->ncolumns);
	deltaetl_append_extent(buf, mapping, &mapping->target, extent);
	appendStringInfoString(buf, ") AS r OFFSET '0') AS t");
}

/* What the join returns (JOIN_*), and of which pairs. */
static StringInfo
join_query(const Mapping *mapping, const char *join, Extent source,
		   Extent target)
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
	append_join_source(buf, mapping, source);
	appendStringInfo(buf, " %s JOIN ", join);
	append_join_target(buf, mapping, target);
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
	StringInfo	buf = join_query(mapping, with_deletes ? "FULL" : "LEFT",
								 all_rows, all_rows);

	appendStringInfo(buf, " WHERE s.present IS NULL OR t.present IS NULL OR %s.deltaetl_differs(t.hash, ",
					 mapping->schema);
	deltaetl_append_hash(buf, mapping, "s");
	appendStringInfoString(buf, ")");
	return buf->data;
}

/*
 * The same of rows that have been found to differ, which two tables of rows
 * name; of all rows of the source if it has none that does not.  A full join
 * even if rows of the target are of no interest: it cannot become a nested
 * loop, however wrong the planner is about how many rows a position finds.
 */
char *
deltaetl_lone_rows_query(const Mapping *mapping, bool whole_source)
{
	Extent		source = {false, whole_source ? NULL : SOURCE_ROWS};
	Extent		target = {false, TARGET_ROWS};

	return join_query(mapping, "FULL", source, target)->data;
}

/* Position and row hash of every row of a side that is in scope. */
char *
deltaetl_fingerprints_query(const Mapping *mapping, const MappingSide *side)
{
	StringInfo	buf = deltaetl_new_query("SELECT r.oid, r.tid, ");
	Extent		extent = {true, NULL};

	deltaetl_append_hash(buf, mapping, "r");
	appendStringInfoString(buf, " FROM (SELECT ");
	if (side == &mapping->source)
		appendStringInfoString(buf, ROW_ALIAS ".\"deltaetl:oid\" AS oid, "
							   ROW_ALIAS ".\"deltaetl:tid\" AS tid, ");
	else
		appendStringInfoString(buf, ROW_ALIAS ".tableoid AS oid, "
							   ROW_ALIAS ".ctid AS tid, ");
	deltaetl_append_row_columns(buf, mapping, mapping->ncolumns);
	deltaetl_append_extent(buf, mapping, side, extent);
	appendStringInfoString(buf, ") AS r");
	return buf->data;
}
