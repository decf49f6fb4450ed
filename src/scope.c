/*-------------------------------------------------------------------------
 *
 * scope.c
 *	  Checking the one piece of SQL that comes from the caller.
 *
 * A scope goes into the text of queries, so it must be one expression and
 * nothing else, and a condition on the rows of both sides.  Errors in it are
 * shown in it, not in the query around it.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "deltaetl.h"

#include "access/sysattr.h"
#include "catalog/pg_proc.h"
#include "mb/pg_wchar.h"
#include "nodes/nodeFuncs.h"
#include "nodes/parsenodes.h"
#include "optimizer/optimizer.h"
#include "parser/parser.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"

typedef struct ScopeContext
{
	const char *scope;
	const char *name;			/* of the side, or NULL */
	int			offset;			/* of the scope in the query, in characters */
} ScopeContext;

static void
scope_error_context(void *arg)
{
	const ScopeContext *context = arg;
	int			position = context->name ? getinternalerrposition() : geterrposition();

	if (position > context->offset)
	{
		errposition(0);
		internalerrposition(position - context->offset);
		internalerrquery(context->scope);
	}
	if (context->name)
		errcontext("scope on rows of \"%s\"", context->name);
	else
		errcontext("scope");
}

/*
 * The grammar decides what an expression is: the text is parsed as one of
 * PL/pgSQL is, which is a SELECT without its keyword, and no other part of a
 * SELECT may then be there.
 */
static void
parse_condition(const char *scope)
{
	List	   *statements = raw_parser(scope, RAW_PARSE_PLPGSQL_EXPR);
	SelectStmt *statement = (SelectStmt *) linitial_node(RawStmt, statements)->stmt;

	if (list_length(statement->targetList) != 1 ||
		linitial_node(ResTarget, statement->targetList)->name != NULL ||
		statement->distinctClause != NIL || statement->fromClause != NIL ||
		statement->whereClause != NULL || statement->groupClause != NIL ||
		statement->havingClause != NULL || statement->windowClause != NIL ||
		statement->sortClause != NIL || statement->limitCount != NULL ||
		statement->limitOffset != NULL || statement->lockingClause != NIL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("scope must be a single SQL condition, not \"%s\"",
						scope)));
}


/* Raise an error if scope is not one expression; takes no locks. */
void
deltaetl_check_scope_syntax(const Mapping *mapping)
{
	ScopeContext context = {.scope = mapping->scope};
	ErrorContextCallback callback;

	if (mapping->scope == NULL)
		return;
	callback.callback = scope_error_context;
	callback.arg = &context;
	callback.previous = error_context_stack;
	error_context_stack = &callback;
	parse_condition(mapping->scope);
	error_context_stack = callback.previous;
}

/*
 * Whether the condition of a query on the target alone speaks of nothing but
 * columns of the key, whose values are the same wherever keys match.
 */
static bool
is_by_key(const Query *query, const Mapping *mapping)
{
	Bitmapset  *columns = NULL;

	if (query->hasSubLinks)
		return false;
	pull_varattnos(query->jointree->quals, 1, &columns);
	for (int i = 0; i < mapping->nkeys; i++)
		columns = bms_del_member(columns, mapping->columns[i].attnum -
								 FirstLowInvalidHeapAttributeNumber);
	return bms_is_empty(columns) &&
		!contain_volatile_functions(query->jointree->quals) &&
		deltaetl_is_free(deltaetl_obstacle_to_canonical_keys(mapping));
}

static bool
is_mutable(Oid function, void *context)
{
	if (func_volatile(function) == PROVOLATILE_IMMUTABLE)
		return false;
	*((Oid *) context) = function;
	return true;
}

/* Find a function of a column that settings or the node may have a say in. */
static bool
find_mutable_of_column(Node *node, void *function)
{
	if (node == NULL)
		return false;
	if (check_functions_in_node(node, is_mutable, function) && contain_var_clause(node))
		return true;
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, find_mutable_of_column, function, 0);
	return expression_tree_walker(node, find_mutable_of_column, function);
}

/* Where other nodes read rows, they compute functions of them, too. */
static void
check_functions(const Query *query)
{
	Oid			function = InvalidOid;

	if (find_mutable_of_column(query->jointree->quals, &function))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("scope calls a function for columns that is not IMMUTABLE"),
				 errdetail("Function %s may return something else on other nodes, as their settings may be others.",
						   format_procedure(function)),
				 errhint("Compare columns with values of their own types, or have a generated column or an IMMUTABLE function compute it.")));
}

static bool
test_condition(const Query *query, const Mapping *mapping)
{
	if (mapping->casts_source)
		check_functions(query);
	return is_by_key(query, mapping);
}

static bool
check_side(const Mapping *mapping, const MappingSide *side)
{
	const char *query = deltaetl_scope_query(mapping, side);
	int			before = strlen(query) - strlen(mapping->scope) - strlen("\n)");
	ScopeContext context = {.scope = mapping->scope,.name = side->name};
	ErrorContextCallback callback;
	bool		by_key;

	context.offset = pg_mbstrlen_with_len(query, before);
	callback.callback = scope_error_context;
	callback.arg = &context;
	callback.previous = error_context_stack;
	error_context_stack = &callback;
	by_key = deltaetl_spi_check(query, mapping, test_condition);
	error_context_stack = callback.previous;
	return by_key;
}

/*
 * Raise an error if scope is no condition on the rows of the sides there are,
 * which have to be locked; note whether it is one on the key.
 */
void
deltaetl_check_scope(Mapping *mapping)
{
	if (mapping->scope == NULL)
		return;
	if (mapping->source.exists)
		(void) check_side(mapping, &mapping->source);
	mapping->scope_by_key = check_side(mapping, &mapping->target);
}
