/*-------------------------------------------------------------------------
 *
 * query_overtaken.c
 *	  The text of the queries that look again at rows which others have
 *	  changed since the delta was found.
 *
 * The same rules as in query.c.  They are few rows, so the target's are looked
 * up one by one, by an index of the key.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "deltaetl.h"

#include "query.h"

/* The row of the target that has the key of a row d of the delta, as t. */
static void
append_current_row(StringInfo buf, const Mapping *mapping)
{
	appendStringInfoString(buf, "LATERAL (SELECT true AS present, " ROW_ALIAS ".tableoid AS oid, "
						   ROW_ALIAS ".ctid AS tid, ");
	deltaetl_append_row_columns(buf, mapping, mapping->ncolumns);
	if (mapping->scope != NULL)
		appendStringInfo(buf, ", (%s\n) AS in_scope", mapping->scope);
	else
		appendStringInfoString(buf, ", true AS in_scope");
	appendStringInfo(buf, " FROM %s AS " ROW_ALIAS " WHERE ", mapping->target.quoted);
	deltaetl_append_key_match(buf, mapping, "d", ROW_ALIAS, true);
	appendStringInfoString(buf, ") AS t");
}

/*
 * What is left to do about the rows of an action, as the join of both sides
 * returns it (JOIN_*), and in the end whether the target's row is in scope.
 */
char *
deltaetl_overtaken_query(const Mapping *mapping, DeltaAction action)
{
	bool		is_delete = action == DELTA_DELETE;
	StringInfo	buf = deltaetl_new_query(is_delete ? "SELECT NULL::pg_catalog.bool, " :
										 "SELECT true, ");

	appendStringInfoString(buf, "t.present, t.oid, t.tid, ");
	deltaetl_append_columns(buf, "d", mapping->ncolumns);
	for (int i = 0; i < mapping->ncolumns; i++)
		if (deltaetl_is_guarded(mapping, i))
			appendStringInfo(buf, ", t.c%d", i + 1);
	appendStringInfo(buf, ", t.in_scope FROM %s AS d %s JOIN ",
					 deltaetl_delta_name(action), is_delete ? "CROSS" : "LEFT");
	append_current_row(buf, mapping);
	if (is_delete)
		appendStringInfoString(buf, " WHERE t.in_scope");
	else
	{
		appendStringInfo(buf, " ON true WHERE t.present IS NULL OR t.in_scope IS NOT TRUE OR %s.deltaetl_differs(",
						 mapping->schema);
		deltaetl_append_row_hash(buf, mapping, "t");
		appendStringInfoString(buf, ", ");
		deltaetl_append_row_hash(buf, mapping, "d");
		appendStringInfoChar(buf, ')');
	}
	return buf->data;
}

/*
 * The rows of the delta to insert, as it has them, and who has inserted the row
 * of the target with the same key; NULL if there is none.
 */
char *
deltaetl_not_inserted_query(const Mapping *mapping)
{
	StringInfo	buf = deltaetl_new_query("SELECT d.oid, d.tid, ");

	deltaetl_append_columns(buf, "d", mapping->ncolumns);
	appendStringInfo(buf, ", t.xmin FROM %s AS d LEFT JOIN %s AS t ON ",
					 deltaetl_delta_name(DELTA_INSERT), mapping->target.quoted);
	deltaetl_append_key_match(buf, mapping, "d", "t", true);
	return buf->data;
}
