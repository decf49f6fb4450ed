/*-------------------------------------------------------------------------
 *
 * coerce.c
 *	  Source values brought to the target's types as an INSERT would.
 *
 * No SQL expression has the rules of assignment: a cast to varchar(3) cuts
 * what INSERT refuses.  So, as INSERT itself does, the coercion is added
 * while the query is parsed, by a hook of the parser that PostgreSQL offers
 * to procedural languages: a column reference through the alias SOURCE_ALIAS
 * becomes that column, assigned to the type of the target's column.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "deltaetl.h"

#include "nodes/nodeFuncs.h"
#include "nodes/parsenodes.h"
#include "parser/parse_coerce.h"
#include "parser/parse_expr.h"
#include "parser/parse_node.h"
#include "query.h"
#include "utils/builtins.h"

bool
deltaetl_can_assign(Oid source_type, Oid target_type)
{
	return can_coerce_type(1, &source_type, &target_type, COERCION_ASSIGNMENT);
}

static const MappingColumn *
find_column(const Mapping *mapping, const char *name)
{
	for (int i = 0; i < mapping->ncommon; i++)
		if (strcmp(mapping->common[i].name, name) == 0)
			return &mapping->common[i];
	return NULL;
}

/* The column of the target that a reference is to be assigned to, or NULL. */
static const MappingColumn *
assigned_column(const Mapping *mapping, const ColumnRef *ref)
{
	if (list_length(ref->fields) != 2 || !IsA(lsecond(ref->fields), String) ||
		strcmp(strVal(linitial(ref->fields)), SOURCE_ALIAS) != 0)
		return NULL;
	return find_column(mapping, strVal(lsecond(ref->fields)));
}

static Node *
assign_column(ParseState *pstate, ColumnRef *ref)
{
	const Mapping *mapping = pstate->p_ref_hook_state;
	const MappingColumn *column = assigned_column(mapping, ref);
	Node	   *value;

	if (column == NULL)
		return NULL;

	pstate->p_pre_columnref_hook = NULL;
	value = transformExpr(pstate, (Node *) ref, pstate->p_expr_kind);
	pstate->p_pre_columnref_hook = assign_column;

	value = coerce_to_target_type(pstate, value, exprType(value),
								  column->type, column->typmod,
								  COERCION_ASSIGNMENT, COERCE_IMPLICIT_CAST,
								  -1);
	if (value == NULL)
		elog(ERROR, "column \"%s\" cannot be assigned", column->name);
	return value;
}

static void
install_hook(ParseState *pstate, void *arg)
{
	pstate->p_pre_columnref_hook = assign_column;
	pstate->p_ref_hook_state = arg;
}

/* Parameters, none, with which a query's source columns are coerced. */
ParamListInfo
deltaetl_coercing_params(const Mapping *mapping)
{
	ParamListInfo params = makeParamList(0);

	params->parserSetup = install_hook;
	params->parserSetupArg = unconstify(Mapping *, mapping);
	return params;
}
