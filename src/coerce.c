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

#include "catalog/pg_type.h"
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

/* What the hooks need, for one statement. */
typedef struct HookState
{
	const Mapping *mapping;
	bool		give_reference; /* once more */
} HookState;

static Node *
assign_column(ParseState *pstate, ColumnRef *ref)
{
	const HookState *state = pstate->p_ref_hook_state;
	const MappingColumn *column = assigned_column(state->mapping, ref);
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
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of \"%s\" can no longer be assigned to type %s",
						column->name, state->mapping->source.name,
						format_type_be(column->type)),
				 errdetail("A cast has been dropped during the run."),
				 errhint("Create the cast again, or try again to see what is missing.")));
	return value;
}

/*
 * The reference that a query takes as a parameter, so that no function that
 * is called in it can read it in the text of the query.  Only once: that is
 * our own use of it, and scope comes later.
 */
static Node *
give_reference(ParseState *pstate, ParamRef *ref)
{
	HookState  *state = pstate->p_ref_hook_state;
	Param	   *param;

	if (ref->number != 1 || !state->give_reference)
		return NULL;
	state->give_reference = false;
	param = makeNode(Param);
	param->paramkind = PARAM_EXTERN;
	param->paramid = 1;
	param->paramtype = BYTEAOID;
	param->paramtypmod = -1;
	param->location = ref->location;
	return (Node *) param;
}

static void
install_hooks(ParseState *pstate, const Mapping *mapping, bool give_reference_once)
{
	HookState  *state = palloc0(sizeof(HookState));

	state->mapping = mapping;
	state->give_reference = give_reference_once;
	pstate->p_pre_columnref_hook = assign_column;
	pstate->p_paramref_hook = give_reference;
	pstate->p_ref_hook_state = state;
}

/* Set up the parser so that the source's columns are coerced; arg is the mapping. */
void
deltaetl_coerce_setup(ParseState *pstate, void *arg)
{
	install_hooks(pstate, arg, false);
}

/* The same for a query that takes a reference. */
void
deltaetl_collect_setup(ParseState *pstate, void *arg)
{
	install_hooks(pstate, arg, true);
}
