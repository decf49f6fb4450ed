/*-------------------------------------------------------------------------
 *
 * calls.c
 *	  Making sure that queries call the functions that they mean.
 *
 * A name with its schema is not enough: ours take arguments of any type, and
 * who may create functions in the schema of the extension can make one of the
 * same name that fits the types of a table better.  It would run with the
 * rights of whoever syncs that table.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "execute.h"

#include "catalog/dependency.h"
#include "catalog/pg_proc.h"
#include "commands/extension.h"
#include "nodes/nodeFuncs.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"

typedef struct CallCheck
{
	Oid			schema;			/* of the extension */
	List	   *seen;			/* functions that have been looked at */
} CallCheck;

/* Those of any arguments that queries call. */
static const char *const own_names[] = {
	"deltaetl_row_hash", "deltaetl_encode", "deltaetl_fingerprints",
	"deltaetl_bucket", "deltaetl_check_types"
};

static bool
is_own_name(const char *name)
{
	for (int i = 0; i < lengthof(own_names); i++)
		if (strcmp(name, own_names[i]) == 0)
			return true;
	return false;
}

static bool
is_impostor(Oid function, Oid schema)
{
	char	   *name = get_func_name(function);

	return name != NULL && is_own_name(name) &&
		get_func_namespace(function) == schema &&
		getExtensionOfObject(ProcedureRelationId, function) !=
		get_extension_oid("deltaetl", false);
}

static void
check_function(CallCheck *check, Oid function)
{
	if (list_member_oid(check->seen, function))
		return;
	check->seen = lappend_oid(check->seen, function);
	if (is_impostor(function, check->schema))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("function %s is not one of deltaetl", format_procedure(function)),
				 errdetail("It has the name of one and fits better, so it would be called instead."),
				 errhint("Drop that function, or move the extension to a schema of its own.")));
}

static bool
check_node(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, check_node, context, 0);
	if (IsA(node, FuncExpr))
		check_function(context, ((FuncExpr *) node)->funcid);
	if (IsA(node, Aggref))
		check_function(context, ((Aggref *) node)->aggfnoid);
	return expression_tree_walker(node, check_node, context);
}

/*
 * Raise an error if analyzed queries call a function that is in the schema of
 * the extension, and has a name of its functions, but is none of them.
 */
void
deltaetl_check_calls(List *queries, Oid schema)
{
	CallCheck	check = {.schema = schema};
	ListCell   *cell;

	foreach(cell, queries)
		(void) check_node(lfirst(cell), &check);
}
