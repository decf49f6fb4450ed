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
 * Once that has failed, the assignment is left to a function (see assign.c)
 * whose errors say where the value is.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "deltaetl.h"

#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/parsenodes.h"
#include "parser/parse_coerce.h"
#include "parser/parse_collate.h"
#include "parser/parse_expr.h"
#include "parser/parse_func.h"
#include "parser/parse_node.h"
#include "query.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

bool
deltaetl_can_assign(Oid source_type, Oid target_type)
{
	return can_coerce_type(1, &source_type, &target_type, COERCION_ASSIGNMENT);
}

/* Whether values of the source that are read are of another type. */
bool
deltaetl_assigns_values(const Mapping *mapping)
{
	bool		reads_common = mapping->scope != NULL;
	int			ncolumns = reads_common ? mapping->ncommon : mapping->ncolumns;

	if (mapping->casts_source)
		return false;
	for (int i = 0; i < ncolumns; i++)
		if ((reads_common ? mapping->common : mapping->columns)[i].recast)
			return true;
	return false;
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
	bool		with_place;		/* which errors name */
} HookState;

/* ---------- with a place ---------- */

static Const *
text_constant(const char *value)
{
	return makeConst(TEXTOID, -1, InvalidOid, -1, CStringGetTextDatum(value), false, false);
}

/* "(a, b)" */
static char *
key_names(const Mapping *mapping)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i < mapping->nkeys; i++)
		appendStringInfo(&buf, "%s%s", i > 0 ? ", " : "(", mapping->columns[i].quoted);
	appendStringInfoChar(&buf, ')');
	return buf.data;
}

static Oid
assign_function(const Mapping *mapping)
{
	static const Oid types[] = {INTERNALOID, OIDOID, INT4OID, TEXTOID, TEXTOID, ANYOID};
	List	   *names = list_make2(makeString(get_namespace_name(mapping->extension)),
								   makeString(pstrdup("deltaetl_assign")));

	return LookupFuncName(names, lengthof(types), types, false);
}

/* The source's column, not assigned to anything; the hook is out of the way. */
static Node *
plain_reference(ParseState *pstate, const char *column)
{
	ColumnRef  *ref = makeNode(ColumnRef);

	ref->fields = list_make2(makeString(pstrdup(SOURCE_ALIAS)),
							 makeString(pstrdup(column)));
	ref->location = -1;
	return transformExpr(pstate, (Node *) ref, pstate->p_expr_kind);
}

/*
 * The same assignment by a function.  What else that is given must not bear
 * upon the collation of the result.
 */
static Node *
assign_with_place(ParseState *pstate, const Mapping *mapping,
				  const MappingColumn *column, Node *value, Node *assigned)
{
	CollateExpr *collated = makeNode(CollateExpr);
	List	   *args;

	if (mapping->nkeys > MAX_COLLECTED_COLUMNS)
		return assigned;
	assign_expr_collations(pstate, assigned);
	args = list_make4(value,
					  makeConst(OIDOID, -1, InvalidOid, sizeof(Oid),
								ObjectIdGetDatum(column->type), false, true),
					  makeConst(INT4OID, -1, InvalidOid, sizeof(int32),
								Int32GetDatum(column->typmod), false, true),
					  text_constant(psprintf("column \"%s\" of \"%s\"", column->name,
											 mapping->source.name)));
	args = lappend(args, text_constant(key_names(mapping)));
	for (int i = 0; i < mapping->nkeys; i++)
		args = lappend(args, plain_reference(pstate, mapping->columns[i].name));
	collated->collOid = exprCollation(assigned);
	collated->location = -1;
	collated->arg = (Expr *) makeFuncExpr(assign_function(mapping), column->type, args,
										  InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL);
	return OidIsValid(collated->collOid) ? (Node *) collated : (Node *) collated->arg;
}

/* ---------- hooks ---------- */

static Node *
assign_column(ParseState *pstate, ColumnRef *ref)
{
	const HookState *state = pstate->p_ref_hook_state;
	const MappingColumn *column = assigned_column(state->mapping, ref);
	Node	   *value;
	Node	   *assigned;

	if (column == NULL)
		return NULL;

	pstate->p_pre_columnref_hook = NULL;
	value = transformExpr(pstate, (Node *) ref, pstate->p_expr_kind);
	assigned = coerce_to_target_type(pstate, value, exprType(value),
									 column->type, column->typmod,
									 COERCION_ASSIGNMENT, COERCE_IMPLICIT_CAST,
									 -1);
	if (assigned != NULL && state->with_place)
		assigned = assign_with_place(pstate, state->mapping, column,
									 copyObject(value), assigned);
	pstate->p_pre_columnref_hook = assign_column;
	if (assigned == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of \"%s\" can no longer be assigned to type %s",
						column->name, state->mapping->source.name,
						format_type_be(column->type)),
				 errdetail("A cast has been dropped during the run."),
				 errhint("Create the cast again, or try again to see what is missing.")));
	return assigned;
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

static HookState *
install_hooks(ParseState *pstate, const Mapping *mapping)
{
	HookState  *state = palloc0(sizeof(HookState));

	state->mapping = mapping;
	pstate->p_pre_columnref_hook = assign_column;
	pstate->p_paramref_hook = give_reference;
	pstate->p_ref_hook_state = state;
	return state;
}

/* Set up the parser so that the source's columns are coerced; arg is the mapping. */
void
deltaetl_coerce_setup(ParseState *pstate, void *arg)
{
	(void) install_hooks(pstate, arg);
}

/* The same for a query that takes a reference. */
void
deltaetl_collect_setup(ParseState *pstate, void *arg)
{
	install_hooks(pstate, arg)->give_reference = true;
}

/* The same for a query whose errors say which value could not be assigned. */
void
deltaetl_place_setup(ParseState *pstate, void *arg)
{
	install_hooks(pstate, arg)->with_place = true;
}
