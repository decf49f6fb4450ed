/*-------------------------------------------------------------------------
 *
 * query_delta.c
 *	  The text of the queries over a delta: to show it and to write it.
 *
 * The same rules as in query.c.  In all of them d is a row of the delta, with
 * columns oid, tid and c1 .. cn, and t the row of the target that it is about.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "deltaetl.h"

#include "changelog.h"
#include "query.h"
#include "utils/builtins.h"
#include "utils/ruleutils.h"

/* ---------- rows of the delta ---------- */

/* The source's columns in the target's types, as c1 .. cn. */
static void
append_source_columns(StringInfo buf, const Mapping *mapping)
{
	for (int i = 0; i < mapping->ncolumns; i++)
	{
		deltaetl_append_separator(buf, i);
		appendStringInfo(buf, "\"" SOURCE_ALIAS "\".%s AS c%d",
						 mapping->columns[i].quoted, i + 1);
	}
}

/*
 * The rows of the source that the delta names.  In one table they are looked
 * up one by one: the planner cannot tell how many rows a position finds, and
 * would rather read the table.  OFFSET keeps it from changing that.
 */
static void
append_named_rows(StringInfo buf, const Delta *delta, DeltaAction action)
{
	const Mapping *mapping = delta->mapping;
	const char *name = deltaetl_delta_name(action);
	bool		one_table = !mapping->source.has_children;

	if (one_table)
		appendStringInfo(buf, "(SELECT p.oid, p.tid, s.* FROM %s AS p CROSS JOIN LATERAL (SELECT ", name);
	else
		appendStringInfoString(buf, "(SELECT p.oid, p.tid, ");
	append_source_columns(buf, mapping);
	if (one_table)
		appendStringInfo(buf, " FROM %s AS \"" SOURCE_ALIAS "\""
						 " WHERE \"" SOURCE_ALIAS "\".ctid OPERATOR(pg_catalog.=) p.source_tid OFFSET '0') AS s)",
						 mapping->source.quoted);
	else
		appendStringInfo(buf, " FROM %s AS p JOIN %s AS \"" SOURCE_ALIAS "\""
						 " ON \"" SOURCE_ALIAS "\".ctid OPERATOR(pg_catalog.=) p.source_tid"
						 " AND \"" SOURCE_ALIAS "\".tableoid OPERATOR(pg_catalog.=) p.source_oid)",
						 name, mapping->source.quoted);
}

/* All rows of the source in scope but those that are known. */
static void
append_unknown_rows(StringInfo buf, const Delta *delta)
{
	const Mapping *mapping = delta->mapping;
	Extent		extent = {true, NULL};

	appendStringInfoString(buf, "(SELECT ");
	deltaetl_append_row_columns(buf, mapping, mapping->ncolumns);
	deltaetl_append_extent(buf, mapping, &mapping->source, extent);
	if (delta->count[DELTA_KNOWN] > 0)
		appendStringInfo(buf, " %s NOT EXISTS (SELECT FROM %s AS k"
						 " WHERE k.source_tid OPERATOR(pg_catalog.=) " ROW_ALIAS ".\"deltaetl:tid\""
						 " AND k.source_oid OPERATOR(pg_catalog.=) " ROW_ALIAS ".\"deltaetl:oid\")",
						 mapping->scope ? "AND" : "WHERE",
						 deltaetl_delta_name(DELTA_KNOWN));
	appendStringInfoChar(buf, ')');
}

/* The rows of an action, as d. */
static void
append_delta(StringInfo buf, const Delta *delta, DeltaAction action)
{
	if (!delta->by_position || action == DELTA_DELETE)
		appendStringInfoString(buf, deltaetl_delta_name(action));
	else if (action == DELTA_INSERT && delta->insert_rest)
		append_unknown_rows(buf, delta);
	else
		append_named_rows(buf, delta, action);
	appendStringInfoString(buf, " AS d");
}

/* Match a delta row d with the row of the target that it is about. */
static void
append_row_match(StringInfo buf, const Mapping *mapping, const char *alias,
				 bool by_ctid)
{
	if (!by_ctid)
	{
		deltaetl_append_key_match(buf, mapping, "d", alias, true);
		return;
	}
	appendStringInfo(buf, "%s.ctid OPERATOR(pg_catalog.=) d.tid", alias);
	if (mapping->target.has_children)
		appendStringInfo(buf, " AND %s.tableoid OPERATOR(pg_catalog.=) d.oid", alias);
}

static void
append_target_match(StringInfo buf, const Mapping *mapping, bool by_ctid)
{
	append_row_match(buf, mapping, "t", by_ctid);
}

/* Join d with t, of those rows of the target that need to be looked at. */
static void
append_target(StringInfo buf, const Delta *delta)
{
	appendStringInfo(buf, " JOIN %s AS t ON ", delta->mapping->target.quoted);
	if (delta->target_part != NULL)
		appendStringInfo(buf, "%s AND ", delta->target_part);
}

/* ---------- looking at the delta ---------- */

/*
 * Keys to insert that the target has already.  Without a LIMIT, since as a rule
 * there are none, and a planner that hopes for a few soon would look each up.
 */
char *
deltaetl_out_of_scope_query(const Delta *delta)
{
	const Mapping *mapping = delta->mapping;
	StringInfo	buf = makeStringInfo();

	appendStringInfoString(buf, "SELECT ");
	deltaetl_append_columns(buf, "d", mapping->nkeys);
	appendStringInfoString(buf, " FROM ");
	append_delta(buf, delta, DELTA_INSERT);
	append_target(buf, delta);
	deltaetl_append_key_match(buf, mapping, "d", "t", true);
	deltaetl_append_key_order(buf, mapping);
	return buf->data;
}

/*
 * Whether a key of the source is there twice among the rows that differ, or
 * lacks a value: one row if so.
 */
char *
deltaetl_doubtful_keys_query(const Delta *delta)
{
	const Mapping *mapping = delta->mapping;
	StringInfo	buf = makeStringInfo();
	const char *separator = "";

	appendStringInfoString(buf, "SELECT FROM (");
	for (DeltaAction action = DELTA_UPDATE; action <= DELTA_INSERT; action++)
	{
		appendStringInfo(buf, "%sSELECT ", separator);
		deltaetl_append_columns(buf, "d", mapping->nkeys);
		appendStringInfoString(buf, " FROM ");
		append_delta(buf, delta, action);
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

/*
 * One row with the values of each guarded column, the source's and the
 * target's, for each row to update.
 */
char *
deltaetl_changes_query(const Delta *delta)
{
	const Mapping *mapping = delta->mapping;
	StringInfo	buf = makeStringInfo();
	const char *separator = "SELECT ";

	for (int i = 0; i < mapping->ncolumns; i++)
	{
		if (!deltaetl_is_guarded(mapping, i))
			continue;
		appendStringInfo(buf, "%sd.c%d, t.%s", separator, i + 1,
						 mapping->columns[i].quoted);
		separator = ", ";
	}
	appendStringInfoString(buf, " FROM ");
	append_delta(buf, delta, DELTA_UPDATE);
	append_target(buf, delta);
	append_target_match(buf, mapping, mapping->by_ctid);
	return buf->data;
}

/* ---------- looking at logged changes ---------- */

/* The rows of the target that have the keys of logged changes, in their order. */
char *
deltaetl_logged_rows_query(const Mapping *mapping)
{
	StringInfo	buf = deltaetl_new_query(mapping->by_ctid ? "SELECT d.number, t.tableoid, t.ctid" :
										 "SELECT d.number, NULL::pg_catalog.oid, NULL::pg_catalog.tid");

	for (int i = 0; i < mapping->ncolumns; i++)
		appendStringInfo(buf, ", t.%s", mapping->columns[i].quoted);
	appendStringInfo(buf, " FROM " LOGGED_KEYS " AS d JOIN %s AS t ON ",
					 mapping->target.quoted);
	deltaetl_append_key_match(buf, mapping, "d", "t", true);
	appendStringInfoString(buf, " ORDER BY d.number");
	return buf->data;
}

/* A row for each key that logged changes have more than once. */
char *
deltaetl_logged_twice_query(const Mapping *mapping)
{
	StringInfo	buf = deltaetl_new_query("SELECT FROM " LOGGED_KEYS " AS r");

	deltaetl_append_key_group(buf, mapping);
	appendStringInfoString(buf, " HAVING pg_catalog.count(*) OPERATOR(pg_catalog.>) 1 LIMIT 1");
	return buf->data;
}

/* ---------- showing the delta ---------- */

static void
append_changed_columns(StringInfo buf, const Mapping *mapping, const char *source,
					   const char *target)
{
	appendStringInfoString(buf, "pg_catalog.array_remove(ARRAY[");
	for (int i = 0; i < mapping->ncolumns; i++)
	{
		const MappingColumn *column = &mapping->columns[i];

		deltaetl_append_separator(buf, i);
		appendStringInfo(buf, "CASE WHEN %s.deltaetl_encode(%s.c%d) OPERATOR(pg_catalog.<>) "
						 "%s.deltaetl_encode(%s.%s) THEN %s::pg_catalog.name END",
						 mapping->schema, source, i + 1, mapping->schema, target,
						 column->quoted, quote_literal_cstr(column->name));
	}
	appendStringInfoString(buf, "], NULL)");
}

/*
 * The columns of deltaetl_diff() for a row of an action; source has columns
 * c1 .., target those of the relation.
 */
void
deltaetl_append_difference(StringInfo buf, const Mapping *mapping, DeltaAction action,
						   const char *source, const char *target)
{
	static const char *const names[] = {"delete", "update", "insert"};
	bool		is_delete = action == DELTA_DELETE;

	appendStringInfo(buf, "'%s'::pg_catalog.text, ", names[action]);
	deltaetl_append_object(buf, mapping, is_delete ? target : source, is_delete,
						   mapping->nkeys);
	appendStringInfoString(buf, ", ");
	if (action == DELTA_UPDATE)
		append_changed_columns(buf, mapping, source, target);
	else
		appendStringInfoString(buf, "NULL::pg_catalog.name[]");
	appendStringInfoString(buf, ", ");
	if (action == DELTA_INSERT)
		appendStringInfoString(buf, "NULL::pg_catalog.jsonb");
	else
		deltaetl_append_object(buf, mapping, target, true, mapping->ncolumns);
	appendStringInfoString(buf, ", ");
	if (is_delete)
		appendStringInfoString(buf, "NULL::pg_catalog.jsonb");
	else
		deltaetl_append_object(buf, mapping, source, false, mapping->ncolumns);
}

/* The rows of one action as deltaetl_diff() returns them. */
char *
deltaetl_diff_query(const Delta *delta, DeltaAction action)
{
	const Mapping *mapping = delta->mapping;
	StringInfo	buf = deltaetl_new_query("SELECT ");

	deltaetl_append_difference(buf, mapping, action, "d", "t");
	appendStringInfoString(buf, " FROM ");
	append_delta(buf, delta, action);
	if (action != DELTA_INSERT)
	{
		append_target(buf, delta);
		append_target_match(buf, mapping, mapping->by_ctid);
	}
	return buf->data;
}

/* ---------- applying the delta ---------- */

static void
append_logged(StringInfo buf, const char *alias, const LoggedColumns *logged)
{
	for (int i = 0; i < logged->count; i++)
	{
		deltaetl_append_separator(buf, i);
		appendStringInfo(buf, "%s.%s", alias, logged->quoted[i]);
	}
}

/*
 * Return what a log is to know: of an update the old row o, and t.  Nothing if
 * there is no log.
 */
static void
append_returning(StringInfo buf, const LoggedColumns *logged, DeltaAction action)
{
	bool		as_records;

	if (logged == NULL)
		return;
	as_records = deltaetl_returns_records(logged, action);
	appendStringInfoString(buf, as_records ? " RETURNING ROW(" : " RETURNING ");
	if (action == DELTA_UPDATE)
	{
		append_logged(buf, "o", logged);
		appendStringInfoString(buf, as_records ? "), ROW(" : ", ");
	}
	append_logged(buf, "t", logged);
	if (as_records)
		appendStringInfoChar(buf, ')');
}

/*
 * The target's rows as they are before an update, as o.  In one table they are
 * looked up one by one, as those of the source are: the update goes to the
 * same place right after.
 */
static void
append_old_rows(StringInfo buf, const Mapping *mapping, bool by_ctid,
				const LoggedColumns *logged)
{
	if (!by_ctid || mapping->target.has_children)
	{
		appendStringInfo(buf, ", %s AS o", mapping->target.quoted);
		return;
	}
	appendStringInfoString(buf, " CROSS JOIN LATERAL (SELECT ");
	append_logged(buf, "r", logged);
	appendStringInfo(buf, " FROM %s AS r WHERE ", mapping->target.quoted);
	append_row_match(buf, mapping, "r", true);
	appendStringInfoString(buf, " OFFSET '0') AS o");
}

/* More conditions, each after an AND, are about t; "" if there are none. */
char *
deltaetl_delete_query(const Mapping *mapping, const LoggedColumns *logged,
					  const char *conditions)
{
	StringInfo	buf = makeStringInfo();

	appendStringInfo(buf, "DELETE FROM %s AS t USING %s AS d WHERE ",
					 mapping->target.quoted, deltaetl_delta_name(DELTA_DELETE));
	append_target_match(buf, mapping, mapping->by_ctid);
	appendStringInfoString(buf, conditions);
	append_returning(buf, logged, DELTA_DELETE);
	return buf->data;
}

/*
 * Whether rows to update are where they were found.  After deletes they may
 * have moved: BEFORE triggers may have written to them.  Then the key finds
 * them, if it finds no others.
 */
bool
deltaetl_updates_by_ctid(const Delta *delta)
{
	const Mapping *mapping = delta->mapping;

	return mapping->by_ctid &&
		(delta->count[DELTA_DELETE] == 0 ||
		 !mapping->target_moves || !mapping->target.keys_unique);
}

char *
deltaetl_update_query(const Delta *delta, const LoggedColumns *logged,
					  const char *conditions)
{
	const Mapping *mapping = delta->mapping;
	StringInfo	buf = makeStringInfo();
	const char *separator = " SET ";
	bool		by_ctid = deltaetl_updates_by_ctid(delta);

	appendStringInfo(buf, "UPDATE %s AS t", mapping->target.quoted);
	for (int i = 0; i < mapping->ncolumns; i++)
	{
		const MappingColumn *column = &mapping->columns[i];

		if (!deltaetl_is_written(delta, i))
			continue;
		appendStringInfo(buf, "%s%s = d.c%d", separator, column->quoted, i + 1);
		separator = ", ";
	}
	appendStringInfoString(buf, " FROM ");
	append_delta(buf, delta, DELTA_UPDATE);
	if (logged != NULL)
		append_old_rows(buf, mapping, by_ctid, logged);
	appendStringInfoString(buf, " WHERE ");
	append_target_match(buf, mapping, by_ctid);
	if (logged != NULL && (!by_ctid || mapping->target.has_children))
	{
		appendStringInfoString(buf, " AND ");
		append_row_match(buf, mapping, "o", by_ctid);
	}
	appendStringInfoString(buf, conditions);
	append_returning(buf, logged, DELTA_UPDATE);
	return buf->data;
}

/* The rows to insert. */
char *
deltaetl_new_rows_query(const Delta *delta)
{
	StringInfo	buf = deltaetl_new_query("SELECT ");

	deltaetl_append_columns(buf, "d", delta->mapping->ncolumns);
	appendStringInfoString(buf, " FROM ");
	append_delta(buf, delta, DELTA_INSERT);
	return buf->data;
}

/* The rows of an action by value, as a delta that has values has them. */
char *
deltaetl_rows_query(const Delta *delta, DeltaAction action)
{
	StringInfo	buf = deltaetl_new_query(action == DELTA_UPDATE ? "SELECT d.oid, d.tid, " :
										 "SELECT NULL::pg_catalog.oid, NULL::pg_catalog.tid, ");

	deltaetl_append_columns(buf, "d", delta->mapping->ncolumns);
	appendStringInfoString(buf, " FROM ");
	append_delta(buf, delta, action);
	return buf->data;
}

/*
 * Where others may insert the same key meanwhile, the row is not inserted.
 * They are known by the key's index, so those of other indexes are errors.
 */
static void
append_conflict(StringInfo buf, const Mapping *mapping)
{
	if (mapping->key_is_constraint)
	{
		appendStringInfo(buf, " ON CONFLICT ON CONSTRAINT %s DO NOTHING", mapping->key_index);
		return;
	}
	appendStringInfoString(buf, " ON CONFLICT (");
	for (int i = 0; i < mapping->nkeys; i++)
	{
		deltaetl_append_separator(buf, i);
		appendStringInfoString(buf, mapping->columns[i].quoted);
		if (OidIsValid(mapping->columns[i].key_collation))
			appendStringInfo(buf, " COLLATE %s",
							 generate_collation_name(mapping->columns[i].key_collation));
	}
	appendStringInfoString(buf, ") DO NOTHING");
}

/* Identity columns get the source's values too. */
char *
deltaetl_insert_query(const Delta *delta, const LoggedColumns *logged)
{
	const Mapping *mapping = delta->mapping;
	StringInfo	buf = makeStringInfo();
	StringInfoData values;
	const char *separator = "";

	initStringInfo(&values);
	appendStringInfo(buf, "INSERT INTO %s%s (", mapping->target.quoted,
					 logged ? " AS t" : "");
	for (int i = 0; i < mapping->ncolumns; i++)
	{
		if (mapping->columns[i].generated)
			continue;
		appendStringInfo(buf, "%s%s", separator, mapping->columns[i].quoted);
		appendStringInfo(&values, "%sd.c%d", separator, i + 1);
		separator = ", ";
	}
	appendStringInfo(buf, ") OVERRIDING SYSTEM VALUE SELECT %s FROM ", values.data);
	append_delta(buf, delta, DELTA_INSERT);
	if (delta->lock_rows && !delta->last_try)
		append_conflict(buf, mapping);
	append_returning(buf, logged, DELTA_INSERT);
	return buf->data;
}
