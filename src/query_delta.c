/*-------------------------------------------------------------------------
 *
 * query_delta.c
 *	  The text of the queries over a delta: to show it and to write it.
 *
 * The same rules as in query.c.  In all of them d is a row of the delta and t
 * the row of the target that it is about.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "deltaetl.h"

#include "query.h"
#include "utils/builtins.h"

/* Match a delta row d with the row t of the target that it is about. */
static void
append_target_match(StringInfo buf, const Mapping *mapping, bool by_ctid)
{
	if (!by_ctid)
	{
		deltaetl_append_key_match(buf, mapping, "d", "t", true);
		return;
	}
	appendStringInfoString(buf, "t.ctid OPERATOR(pg_catalog.=) d.tid");
	if (mapping->target.has_children)
		appendStringInfoString(buf, " AND t.tableoid OPERATOR(pg_catalog.=) d.oid");
}

/*
 * Keys to insert that the target has already.  Without a LIMIT, since as a rule
 * there are none, and a planner that hopes for a few soon would look each up.
 */
char *
deltaetl_out_of_scope_query(const Mapping *mapping)
{
	StringInfo	buf = makeStringInfo();

	appendStringInfoString(buf, "SELECT ");
	deltaetl_append_columns(buf, "d", mapping->nkeys);
	appendStringInfo(buf, " FROM %s AS d JOIN %s AS t ON ",
					 deltaetl_delta_name(DELTA_INSERT), mapping->target.quoted);
	deltaetl_append_key_match(buf, mapping, "d", "t", true);
	deltaetl_append_key_order(buf, mapping);
	return buf->data;
}

/* ---------- showing the delta ---------- */

static void
append_changed_columns(StringInfo buf, const Mapping *mapping)
{
	appendStringInfoString(buf, "pg_catalog.array_remove(ARRAY[");
	for (int i = 0; i < mapping->ncolumns; i++)
	{
		const MappingColumn *column = &mapping->columns[i];

		deltaetl_append_separator(buf, i);
		appendStringInfo(buf, "CASE WHEN %s.deltaetl_encode(d.c%d) OPERATOR(pg_catalog.<>) "
						 "%s.deltaetl_encode(t.%s) THEN %s::pg_catalog.name END",
						 mapping->schema, i + 1, mapping->schema,
						 column->quoted, quote_literal_cstr(column->name));
	}
	appendStringInfoString(buf, "], NULL)");
}

/* The rows of one action as deltaetl_diff() returns them. */
char *
deltaetl_diff_query(const Mapping *mapping, DeltaAction action)
{
	static const char *const names[] = {"delete", "update", "insert"};
	StringInfo	buf = makeStringInfo();

	appendStringInfo(buf, "SELECT '%s'::pg_catalog.text, ", names[action]);
	deltaetl_append_object(buf, mapping, "d", false, mapping->nkeys);
	appendStringInfoString(buf, ", ");
	if (action == DELTA_UPDATE)
		append_changed_columns(buf, mapping);
	else
		appendStringInfoString(buf, "NULL::pg_catalog.name[]");
	appendStringInfoString(buf, ", ");
	if (action == DELTA_INSERT)
		appendStringInfoString(buf, "NULL::pg_catalog.jsonb");
	else
		deltaetl_append_object(buf, mapping, "t", true, mapping->ncolumns);
	appendStringInfoString(buf, ", ");
	if (action == DELTA_DELETE)
		appendStringInfoString(buf, "NULL::pg_catalog.jsonb");
	else
		deltaetl_append_object(buf, mapping, "d", false, mapping->ncolumns);

	appendStringInfo(buf, " FROM %s AS d", deltaetl_delta_name(action));
	if (action != DELTA_INSERT)
	{
		appendStringInfo(buf, " JOIN %s AS t ON ", mapping->target.quoted);
		append_target_match(buf, mapping, mapping->by_ctid);
	}
	return buf->data;
}

/*
 * Whether a key of the source is there twice among the rows that differ, or
 * lacks a value: one row if so.
 */
char *
deltaetl_doubtful_keys_query(const Mapping *mapping)
{
	StringInfo	buf = makeStringInfo();
	const char *separator = "";

	appendStringInfoString(buf, "SELECT FROM (");
	for (DeltaAction action = DELTA_UPDATE; action <= DELTA_INSERT; action++)
	{
		appendStringInfo(buf, "%sSELECT ", separator);
		deltaetl_append_columns(buf, "d", mapping->nkeys);
		appendStringInfo(buf, " FROM %s AS d", deltaetl_delta_name(action));
		separator = " UNION ALL ";
	}
	appendStringInfoString(buf, ") AS r");
	deltaetl_append_key_group(buf, mapping);
	appendStringInfoString(buf, " HAVING pg_catalog.count(*) OPERATOR(pg_catalog.>) 1");
	if (!mapping->nulls_match)
	{
		appendStringInfoString(buf, " OR pg_catalog.bool_or");
		deltaetl_append_null_key_test(buf, mapping);
	}
	appendStringInfoString(buf, " LIMIT 1");
	return buf->data;
}

/* ---------- applying the delta ---------- */

char *
deltaetl_delete_query(const Mapping *mapping)
{
	StringInfo	buf = makeStringInfo();

	appendStringInfo(buf, "DELETE FROM %s AS t USING %s AS d WHERE ",
					 mapping->target.quoted, deltaetl_delta_name(DELTA_DELETE));
	append_target_match(buf, mapping, mapping->by_ctid);
	return buf->data;
}

/*
 * After deletes the rows to update may have moved: BEFORE triggers may have
 * written to them.  Then the key finds them, if it finds no others.
 */
char *
deltaetl_update_query(const Delta *delta)
{
	const Mapping *mapping = delta->mapping;
	StringInfo	buf = makeStringInfo();
	const char *separator = " SET ";

	appendStringInfo(buf, "UPDATE %s AS t", mapping->target.quoted);
	for (int i = 0; i < mapping->ncolumns; i++)
	{
		const MappingColumn *column = &mapping->columns[i];

		if (column->generated ||
			(deltaetl_is_guarded(mapping, i) && !delta->changed[i]))
			continue;
		appendStringInfo(buf, "%s%s = d.c%d", separator, column->quoted, i + 1);
		separator = ", ";
	}
	appendStringInfo(buf, " FROM %s AS d WHERE ",
					 deltaetl_delta_name(DELTA_UPDATE));
	append_target_match(buf, mapping,
						mapping->by_ctid &&
						(delta->count[DELTA_DELETE] == 0 ||
						 !mapping->target.keys_unique));
	return buf->data;
}

/* Identity columns get the source's values too. */
char *
deltaetl_insert_query(const Mapping *mapping)
{
	StringInfo	buf = makeStringInfo();
	StringInfoData values;
	const char *separator = "";

	initStringInfo(&values);
	appendStringInfo(buf, "INSERT INTO %s (", mapping->target.quoted);
	for (int i = 0; i < mapping->ncolumns; i++)
	{
		if (mapping->columns[i].generated)
			continue;
		appendStringInfo(buf, "%s%s", separator, mapping->columns[i].quoted);
		appendStringInfo(&values, "%sd.c%d", separator, i + 1);
		separator = ", ";
	}
	appendStringInfo(buf, ") OVERRIDING SYSTEM VALUE SELECT %s FROM %s AS d",
					 values.data, deltaetl_delta_name(DELTA_INSERT));
	return buf->data;
}
