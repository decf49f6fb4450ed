/*-------------------------------------------------------------------------
 *
 * query_foreign.c
 *	  The text of the statements that write the delta to a foreign table.
 *
 * The same rules as in query.c.  A foreign-data wrapper sends a statement as a
 * whole if it is about its table alone, and all in it is known to both servers.
 * So the rows of the delta come as parameters, an array for each column, in
 * which the place of a key is the place of its values:
 *
 *		UPDATE t SET a = ($2)[array_position($1, t.id)] WHERE t.id = ANY ($1)
 *
 * NULLs are left out of the values, as the other server may not know them from
 * strings (array_nulls), and then another array has the places of the others.
 * Where the key has several columns, a row's code says where in the arrays each
 * of them is found first, and its place is that of the code in another array.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "foreign.h"

#include "catalog/pg_type.h"
#include "changelog.h"
#include "commands/defrem.h"
#include "encode.h"
#include "foreign/foreign.h"
#include "query.h"
#include "utils/lsyscache.h"

/*
 * As many rows at a time.  The other server looks for the place of a key in
 * each row and for each column, one by one.
 */
#define ROWS_AT_A_TIME 100

/* Where there is nothing to look for. */
#define KEYS_AT_A_TIME 1000

/* A code of more would not fit into a bigint. */
#define MAX_CODED_KEYS 9

/* Of more keys than this the target may as well be read. */
#define MAX_NARROWED_ROWS 100000

/* ---------- parameters ---------- */

static ForeignStatement *
create_statement(const Mapping *mapping)
{
	int			most = mapping->nkeys + 1 + 2 * mapping->ncolumns;
	ForeignStatement *statement = palloc0(sizeof(ForeignStatement));

	statement->params = palloc0(most * sizeof(ForeignParam));
	statement->types = palloc0(most * sizeof(ParamType));
	return statement;
}

/* Whether values can be the elements of an array, each of them one element. */
static bool
fits_array(Oid type)
{
	return OidIsValid(get_array_type(type)) && !OidIsValid(get_base_element_type(type));
}

/* Returns the number of the parameter. */
static int
add_param(ForeignStatement *statement, ForeignParamKind kind, int column, Oid element,
		  int32 typmod, bool is_array)
{
	ParamType  *type = &statement->types[statement->nparams];
	ForeignParam *param = &statement->params[statement->nparams];

	param->kind = kind;
	param->column = column;
	param->element = element;
	param->is_array = is_array;
	type->type = is_array ? get_array_type(element) : element;
	type->typmod = typmod;
	return ++statement->nparams;
}

static bool
keys_fit_arrays(const Mapping *mapping)
{
	for (int i = 0; i < mapping->nkeys; i++)
		if (!fits_array(deltaetl_operand_type(&mapping->columns[i])))
			return false;
	return mapping->nkeys <= MAX_CODED_KEYS;
}

static int
rows_at_a_time(const Delta *delta, DeltaAction action)
{
	const Mapping *mapping = delta->mapping;

	if (!keys_fit_arrays(mapping))
		return 1;
	if (action == DELTA_DELETE)
		return mapping->nkeys == 1 ? KEYS_AT_A_TIME : ROWS_AT_A_TIME;
	for (int i = 0; i < mapping->ncolumns; i++)
		if (deltaetl_is_written(delta, i) &&
			!fits_array(getBaseType(mapping->columns[i].type)))
			return 1;
	return ROWS_AT_A_TIME;
}

/* ---------- keys ---------- */

static char *
key_reference(const MappingColumn *column, const char *alias)
{
	return deltaetl_key_operand(column, psprintf("%s.%s", alias, column->quoted));
}

/*
 * "t.key = ANY ($n)".  Without the collation that other statements name, which
 * keeps a condition from being sent: the other server compares by its own.
 */
static void
append_key_condition(StringInfo buf, const MappingColumn *column, const char *alias,
					 int number, bool is_array)
{
	appendStringInfo(buf, is_array ? "%s %s ANY ($%d)" : "%s %s $%d",
					 key_reference(column, alias), deltaetl_qualified_operator(column->equality),
					 number);
}

/*
 * The code of a row of the target.  Places are counted from 1, so that no code
 * is that of two combinations.
 */
static char *
code_expression(const Mapping *mapping)
{
	char	   *code = NULL;

	for (int i = 0; i < mapping->nkeys; i++)
	{
		char	   *place = psprintf("pg_catalog.array_position($%d, %s)", i + 1,
									 key_reference(&mapping->columns[i], "t"));

		code = code == NULL ? psprintf("%s::pg_catalog.int8", place) :
			psprintf("(%s OPERATOR(pg_catalog.*) %d) OPERATOR(pg_catalog.+) %s", code,
					 ROWS_AT_A_TIME, place);
	}
	return code;
}

/*
 * Add the parameters of the keys, and of their codes if there are several rows
 * and columns; returns the number of the one that has a place for each row.
 */
static int
add_keys(ForeignStatement *statement, const Mapping *mapping)
{
	bool		is_array = statement->rows > 1;

	for (int i = 0; i < mapping->nkeys; i++)
		(void) add_param(statement, PARAM_VALUES, i, deltaetl_operand_type(&mapping->columns[i]), -1,
						 is_array);
	return mapping->nkeys > 1 && is_array ?
		add_param(statement, PARAM_CODES, -1, INT8OID, -1, true) : 1;
}

static void
append_keys(StringInfo buf, const ForeignStatement *statement,
			const Mapping *mapping, int places)
{
	for (int i = 0; i < mapping->nkeys; i++)
	{
		appendStringInfoString(buf, i > 0 ? " AND " : " WHERE ");
		append_key_condition(buf, &mapping->columns[i], "t", i + 1, statement->rows > 1);
	}
	if (places > 1)
		appendStringInfo(buf, " AND (%s) OPERATOR(pg_catalog.=) ANY ($%d)",
						 code_expression(mapping), places);
}

/* ---------- statements ---------- */

/* The new value of a column, by the place of a row's key. */
static void
append_value(StringInfo buf, ForeignStatement *statement, const Mapping *mapping,
			 int column, const char *place, bool has_nulls)
{
	bool		is_array = statement->rows > 1;
	int			number = add_param(statement, PARAM_VALUES, column,
								   getBaseType(mapping->columns[column].type),
								   mapping->columns[column].typmod, is_array);

	if (!is_array)
		appendStringInfo(buf, "$%d", number);
	else if (!has_nulls)
		appendStringInfo(buf, "($%d)[%s]", number, place);
	else
		appendStringInfo(buf, "($%d)[($%d)[%s]]", number,
						 add_param(statement, PARAM_PLACES, column, INT4OID, -1, true), place);
}

/* "SET a = ($n)[place of the key], ..." */
static void
append_set(StringInfo buf, ForeignStatement *statement, const Delta *delta, int places,
		   const bool *has_nulls)
{
	const Mapping *mapping = delta->mapping;
	const char *separator = " SET ";
	char	   *place = psprintf("pg_catalog.array_position($%d, %s)", places,
								 places == 1 ? key_reference(&mapping->columns[0], "t") :
								 code_expression(mapping));

	for (int i = 0; i < mapping->ncolumns; i++)
	{
		const MappingColumn *column = &mapping->columns[i];

		if (!deltaetl_is_written(delta, i))
			continue;
		appendStringInfo(buf, "%s%s = ", separator, column->quoted);
		append_value(buf, statement, mapping, i, place, has_nulls != NULL && has_nulls[i]);
		separator = ", ";
	}
}

static void
append_returning(StringInfo buf, const LoggedColumns *logged)
{
	for (int i = 0; logged != NULL && i < logged->count; i++)
		appendStringInfo(buf, "%st.%s", i > 0 ? ", " : " RETURNING ", logged->quoted[i]);
}

/*
 * A DELETE or UPDATE that another server can do on its own.  Of deletes it
 * returns what a log is to know.  New values of some columns may be NULL.
 */
ForeignStatement *
deltaetl_foreign_statement(const Delta *delta, DeltaAction action,
						   const LoggedColumns *logged, const bool *has_nulls)
{
	const Mapping *mapping = delta->mapping;
	ForeignStatement *statement = create_statement(mapping);
	StringInfo	buf = deltaetl_new_query(action == DELTA_DELETE ? "DELETE FROM " : "UPDATE ");
	int			places;

	statement->rows = rows_at_a_time(delta, action);
	places = add_keys(statement, mapping);
	appendStringInfo(buf, "%s AS t", mapping->target.quoted);
	if (action == DELTA_UPDATE)
		append_set(buf, statement, delta, places, has_nulls);
	append_keys(buf, statement, mapping, places);
	append_returning(buf, logged);
	statement->text = buf->data;
	return statement;
}

/*
 * The statement that writes by a join with the delta, about all of its rows at
 * once, with conditions on the key that are sent along: of the foreign table
 * only rows that have one of these values in each column are read.
 */
ForeignStatement *
deltaetl_narrowed_statement(const Delta *delta, DeltaAction action,
							const LoggedColumns *logged)
{
	const Mapping *mapping = delta->mapping;
	ForeignStatement *statement = create_statement(mapping);
	StringInfo	conditions = makeStringInfo();

	statement->rows = (int) Min(delta->count[action], MAX_NARROWED_ROWS);
	for (int i = 0; i < mapping->nkeys; i++)
	{
		const MappingColumn *column = &mapping->columns[i];
		Oid			operand = deltaetl_operand_type(column);
		int			number;

		if (delta->count[action] > MAX_NARROWED_ROWS || !fits_array(operand))
			continue;
		number = add_param(statement, PARAM_VALUES, i, operand, -1, true);
		appendStringInfoString(conditions, " AND ");
		append_key_condition(conditions, column, "t", number, true);
		if (action == DELTA_DELETE || logged == NULL)
			continue;
		appendStringInfoString(conditions, " AND ");
		append_key_condition(conditions, column, "o", number, true);
	}
	statement->text = action == DELTA_DELETE ?
		deltaetl_delete_query(mapping, logged, conditions->data) :
		deltaetl_update_query(delta, logged, conditions->data);
	return statement;
}

static const char *
table_option(const ForeignTable *table, const char *name, const char *otherwise)
{
	ListCell   *cell;

	foreach(cell, table->options)
	{
		if (strcmp(lfirst_node(DefElem, cell)->defname, name) == 0)
			return defGetString(lfirst(cell));
	}
	return otherwise;
}

/* In UTF-8 and as bytes, which have no collation that keeps them from being sent. */
static void
append_name(StringInfo buf, const char *name)
{
	Size		len = strlen(name);
	const char *utf8 = deltaetl_to_utf8(name, &len);

	appendStringInfoString(buf, "'\\x");
	for (Size i = 0; i < len; i++)
		appendStringInfo(buf, "%02x", (unsigned char) utf8[i]);
	appendStringInfoString(buf, "'::pg_catalog.bytea, ");
}

/* The target's server is to say that the table there has no partitions. */
char *
deltaetl_lone_table_query(const Mapping *mapping)
{
	Oid			relid = mapping->target.relid;
	const ForeignTable *table = GetForeignTable(relid);
	StringInfo	buf = deltaetl_new_query("SELECT 1 FROM ");

	appendStringInfo(buf, "%s AS t WHERE %s.deltaetl_check_table(", mapping->target.quoted,
					 mapping->schema);
	append_name(buf, table_option(table, "schema_name",
								  get_namespace_name(get_rel_namespace(relid))));
	append_name(buf, table_option(table, "table_name", get_rel_name(relid)));
	appendStringInfoString(buf, "t.ctid) LIMIT 1");
	return buf->data;
}

/* A row if rows of the target share their ctid with others. */
char *
deltaetl_shared_places_query(const Mapping *mapping)
{
	return psprintf("SELECT FROM %s AS t HAVING pg_catalog.count(t.ctid)"
					" OPERATOR(pg_catalog.<>) pg_catalog.count(DISTINCT t.ctid)",
					mapping->target.quoted);
}
