/*-------------------------------------------------------------------------
 *
 * query_citus.c
 *	  The text of the statements that find and write what differs on the nodes
 *	  of Citus.
 *
 * The same rules as in query.c, and those of Citus: rows are joined by a plain
 * "=" on the column that they are distributed by, functions of columns are
 * IMMUTABLE, and there is neither a position of rows nor a table of them.
 * "deltaetl" is a row of the target, s one of the source, with columns c1 ..
 *
 * A row that is written can be found by none of the other statements, so it
 * makes no difference what they see of each other.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "deltaetl.h"

#include "query.h"
#include "utils/builtins.h"

static const Extent all_rows = {false, NULL};

/* ---------- rows ---------- */

/* The source's rows in scope, as s. */
static void
append_source(StringInfo buf, const Mapping *mapping)
{
	appendStringInfoString(buf, "(SELECT ");
	deltaetl_append_row_columns(buf, mapping, mapping->ncolumns);
	if (mapping->source_hash != NULL)
		appendStringInfoString(buf, ", " ROW_ALIAS ".\"deltaetl:hash\"");
	deltaetl_append_extent(buf, mapping, &mapping->source, all_rows);
	appendStringInfoString(buf, ") AS s");
}

static void
append_target(StringInfo buf, const Mapping *mapping)
{
	appendStringInfo(buf, "%s AS " ROW_ALIAS, mapping->target.quoted);
}

static void
append_match(StringInfo buf, const Mapping *mapping)
{
	deltaetl_append_key_match(buf, mapping, "s", ROW_ALIAS, true);
}

/* ---------- what is compared ---------- */

/*
 * Whether an update sets a column.  Keys are equal, but maybe not in their
 * bytes; rows stay where their distribution column has put them.
 */
static bool
is_set(const Mapping *mapping, int column)
{
	const MappingColumn *written = &mapping->columns[column];

	if (written->generated || written->identity || written->distributes)
		return false;
	return column >= mapping->nkeys || !deltaetl_has_canonical_bytes(written);
}

/* Whether rows that have the same key can differ in what an update sets. */
bool
deltaetl_can_update(const Mapping *mapping)
{
	for (int i = 0; i < mapping->ncolumns; i++)
		if (is_set(mapping, i))
			return true;
	return false;
}

/*
 * The encoding of what an update would set, of the target's row or the
 * source's.  Both are at hand, so hashing them would only take time; and
 * IS DISTINCT FROM, which takes less, calls other values equal.
 */
static void
append_encoding(StringInfo buf, const Mapping *mapping, bool of_source)
{
	bool		fits = mapping->ncolumns <= MAX_HASH_ARGUMENTS;
	const char *separator = "";

	appendStringInfo(buf, "%s.%s", mapping->schema,
					 fits ? "deltaetl_encode(" : "deltaetl_record_encode(ROW(");
	for (int i = 0; i < mapping->ncolumns; i++)
	{
		if (!is_set(mapping, i))
			continue;
		if (of_source)
			appendStringInfo(buf, "%ss.c%d", separator, i + 1);
		else
			appendStringInfo(buf, "%s" ROW_ALIAS ".%s", separator, mapping->columns[i].quoted);
		separator = ", ";
	}
	appendStringInfoString(buf, fits ? ")" : "))");
}

static void
append_differs(StringInfo buf, const Mapping *mapping)
{
	appendStringInfo(buf, " AND %s.deltaetl_differs(", mapping->schema);
	if (mapping->hash != NULL)
	{
		appendStringInfo(buf, ROW_ALIAS ".%s, ", quote_identifier(mapping->hash->name));
		deltaetl_append_source_hash(buf, mapping, "s", false);
	}
	else
	{
		append_encoding(buf, mapping, false);
		appendStringInfoString(buf, ", ");
		append_encoding(buf, mapping, true);
	}
	appendStringInfoChar(buf, ')');
}

/* ---------- what an action is about, from FROM or USING on ---------- */

/* Rows of the target in scope that the source lacks. */
static void
append_to_delete(StringInfo buf, const Mapping *mapping)
{
	appendStringInfoString(buf, " WHERE ");
	if (mapping->scope != NULL)
		appendStringInfo(buf, "(%s\n) AND ", mapping->scope);
	appendStringInfoString(buf, "NOT EXISTS (SELECT FROM ");
	append_source(buf, mapping);
	appendStringInfoString(buf, " WHERE ");
	append_match(buf, mapping);
	appendStringInfoChar(buf, ')');
}

/* Rows of both that differ.  None is out of scope, or the run would stop. */
static void
append_to_update(StringInfo buf, const Mapping *mapping)
{
	append_source(buf, mapping);
	appendStringInfoString(buf, " WHERE ");
	append_match(buf, mapping);
	append_differs(buf, mapping);
}

/* The keys of the target, with a column that is NULL where an outer join finds none. */
static void
append_target_keys(StringInfo buf, const Mapping *mapping)
{
	appendStringInfoString(buf, "(SELECT true AS \"deltaetl:present\"");
	for (int i = 0; i < mapping->nkeys; i++)
		appendStringInfo(buf, ", " ROW_ALIAS ".%s", mapping->columns[i].quoted);
	appendStringInfoString(buf, " FROM ");
	append_target(buf, mapping);
	appendStringInfoString(buf, ") AS " ROW_ALIAS);
}

/* Whether each node looks for rows of its shards in its shards only. */
static bool
is_by_shard(const Mapping *mapping)
{
	return mapping->node_local && mapping->target.placement.kind != PLACED_EVERYWHERE;
}

/*
 * Rows of the source that the target lacks.  Where those of the source may
 * have to travel, Citus takes an outer join, but no subquery, for it.
 */
static void
append_to_insert(StringInfo buf, const Mapping *mapping)
{
	append_source(buf, mapping);
	if (is_by_shard(mapping))
	{
		appendStringInfoString(buf, " WHERE NOT EXISTS (SELECT FROM ");
		append_target(buf, mapping);
		appendStringInfoString(buf, " WHERE ");
		append_match(buf, mapping);
		appendStringInfoChar(buf, ')');
		return;
	}
	appendStringInfoString(buf, " LEFT JOIN ");
	append_target_keys(buf, mapping);
	appendStringInfoString(buf, " ON ");
	append_match(buf, mapping);
	appendStringInfoString(buf, " WHERE " ROW_ALIAS ".\"deltaetl:present\" IS NULL");
}

/* ---------- statements ---------- */

static void
append_delete(StringInfo buf, const Mapping *mapping)
{
	appendStringInfoString(buf, "DELETE FROM ");
	append_target(buf, mapping);
	append_to_delete(buf, mapping);
}

static void
append_update(StringInfo buf, const Mapping *mapping)
{
	const char *separator = " SET ";

	appendStringInfoString(buf, "UPDATE ");
	append_target(buf, mapping);
	for (int i = 0; i < mapping->ncolumns; i++)
	{
		if (!is_set(mapping, i))
			continue;
		appendStringInfo(buf, "%s%s = s.c%d", separator, mapping->columns[i].quoted, i + 1);
		separator = ", ";
	}
	appendStringInfoString(buf, " FROM ");
	append_to_update(buf, mapping);
}

static void
append_insert(StringInfo buf, const Mapping *mapping)
{
	appendStringInfo(buf, "INSERT INTO %s (", mapping->target.quoted);
	for (int i = 0; i < mapping->ncolumns; i++)
	{
		deltaetl_append_separator(buf, i);
		appendStringInfoString(buf, mapping->columns[i].quoted);
	}
	appendStringInfoString(buf, ") OVERRIDING SYSTEM VALUE SELECT ");
	deltaetl_append_columns(buf, "s", mapping->ncolumns);
	appendStringInfoString(buf, " FROM ");
	append_to_insert(buf, mapping);
}

/* The statement that writes all rows of an action. */
char *
deltaetl_node_statement(const Mapping *mapping, DeltaAction action)
{
	StringInfo	buf = makeStringInfo();

	if (action == DELTA_DELETE)
		append_delete(buf, mapping);
	else if (action == DELTA_UPDATE)
		append_update(buf, mapping);
	else
		append_insert(buf, mapping);
	return buf->data;
}

/* ---------- queries ---------- */

/* The rows that the statement would write. */
static void
append_rows_of(StringInfo buf, const Mapping *mapping, DeltaAction action)
{
	appendStringInfoString(buf, " FROM ");
	if (action != DELTA_INSERT)
		append_target(buf, mapping);
	if (action == DELTA_DELETE)
		append_to_delete(buf, mapping);
	else if (action == DELTA_UPDATE)
	{
		appendStringInfoString(buf, ", ");
		append_to_update(buf, mapping);
	}
	else
		append_to_insert(buf, mapping);
}

/* How many rows the statement would write. */
char *
deltaetl_node_count_query(const Mapping *mapping, DeltaAction action)
{
	StringInfo	buf = deltaetl_new_query("SELECT pg_catalog.count(*)");

	append_rows_of(buf, mapping, action);
	return buf->data;
}

/* These rows as deltaetl_diff() returns them. */
char *
deltaetl_node_diff_query(const Mapping *mapping, DeltaAction action)
{
	StringInfo	buf = deltaetl_new_query("SELECT ");

	deltaetl_append_difference(buf, mapping, action, "s", ROW_ALIAS);
	append_rows_of(buf, mapping, action);
	return buf->data;
}

/* The first keys of the source in scope that the target has out of scope. */
char *
deltaetl_node_out_of_scope_query(const Mapping *mapping)
{
	StringInfo	buf = deltaetl_new_query("SELECT ");

	deltaetl_append_columns(buf, "s", mapping->nkeys);
	appendStringInfoString(buf, " FROM ");
	append_source(buf, mapping);
	appendStringInfoString(buf, " JOIN (SELECT ");
	deltaetl_append_row_columns(buf, mapping, mapping->nkeys);
	appendStringInfoString(buf, " FROM ");
	append_target(buf, mapping);
	appendStringInfo(buf, " WHERE (%s\n) IS NOT TRUE) AS t ON ", mapping->scope);
	deltaetl_append_key_match(buf, mapping, "s", "t", false);
	deltaetl_append_key_order(buf, mapping);
	appendStringInfo(buf, " LIMIT %d", KEYS_SHOWN);
	return buf->data;
}
