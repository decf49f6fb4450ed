/*-------------------------------------------------------------------------
 *
 * assign.c
 *	  Assigning a value of the source, with an error that says which one.
 *
 * The query that reads the source runs in one go, partly in workers, so that
 * nobody around it knows at which column of which row a value has failed to
 * be assigned.  Functions around each value would know, but cost a tenth of
 * the time it takes to find the delta.  So they are only used to look for the
 * value once more when the query has failed.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "deltaetl.h"

#include "access/transam.h"
#include "executor/executor.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "parser/parse_collate.h"
#include "query.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "compat.h"

enum AssignArgument
{
	ARG_VALUE,
	ARG_TYPE,
	ARG_TYPMOD,
	ARG_PLACE,
	ARG_KEY_NAMES,
	ARG_KEY						/* and those that follow */
};

/* Kept from row to row. */
typedef struct Assignment
{
	ExprState  *expression;		/* of what stands for the value */
	ExprContext *context;
	bool		shows_key;
	FmgrInfo   *outputs;		/* of the key's columns, if they are shown */
	bool		in_description; /* of a row, which may itself fail */
} Assignment;

/* ---------- once a query ---------- */

/* What the parser would have made of it in the place of the function. */
static Node *
assignment_of(const Node *value, Oid type, int32 typmod)
{
	CaseTestExpr *placeholder = makeNode(CaseTestExpr);
	Node	   *assigned;

	placeholder->typeId = exprType(value);
	placeholder->typeMod = exprTypmod(value);
	placeholder->collation = exprCollation(value);
	assigned = coerce_to_target_type(NULL, (Node *) placeholder, placeholder->typeId,
									 type, typmod, COERCION_ASSIGNMENT,
									 COERCE_IMPLICIT_CAST, -1);
	if (assigned == NULL)
		elog(ERROR, "type %u cannot be assigned to type %u", placeholder->typeId, type);
	assign_expr_collations(NULL, assigned);
	return assigned;
}

/* Not what code of users would have to print, nor anything that nests. */
static bool
can_show(Oid type, FmgrInfo *output)
{
	Oid			function;
	bool		isvarlena;

	getTypeOutputInfo(type, &function, &isvarlena);
	if (function >= FirstNormalObjectId || OidIsValid(get_element_type(type)) ||
		type_is_rowtype(getBaseType(type)))
		return false;
	fmgr_info(function, output);
	return true;
}

static void
prepare_key(Assignment *assignment, FunctionCallInfo fcinfo)
{
	int			nkeys = PG_NARGS() - ARG_KEY;

	assignment->outputs = palloc0(Max(nkeys, 1) * sizeof(FmgrInfo));
	assignment->shows_key = true;
	for (int i = 0; i < nkeys; i++)
		assignment->shows_key &= can_show(get_fn_expr_argtype(fcinfo->flinfo, ARG_KEY + i),
										  &assignment->outputs[i]);
}

static Assignment *
create_assignment(FunctionCallInfo fcinfo)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
	Assignment *assignment = palloc0(sizeof(Assignment));
	FuncExpr   *call = (FuncExpr *) fcinfo->flinfo->fn_expr;
	Node	   *assigned;

	if (call == NULL || !IsA(call, FuncExpr) || PG_ARGISNULL(ARG_TYPE) ||
		PG_ARGISNULL(ARG_TYPMOD) || PG_ARGISNULL(ARG_PLACE) || PG_ARGISNULL(ARG_KEY_NAMES) ||
		exprType(linitial(call->args)) == INTERNALOID)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("deltaetl_assign() is not meant to be called by hand")));
	assigned = assignment_of(linitial(call->args), PG_GETARG_OID(ARG_TYPE),
							 PG_GETARG_INT32(ARG_TYPMOD));
	assignment->expression = ExecInitExpr(expression_planner((Expr *) assigned), NULL);
	assignment->context = CreateStandaloneExprContext();
	prepare_key(assignment, fcinfo);
	fcinfo->flinfo->fn_extra = assignment;
	MemoryContextSwitchTo(oldcontext);
	return assignment;
}

/* ---------- an error ---------- */

static bool
key_is_at_hand(FunctionCallInfo fcinfo, const Assignment *assignment)
{
	FuncExpr   *call = (FuncExpr *) fcinfo->flinfo->fn_expr;

	for (int i = ARG_KEY; i < PG_NARGS(); i++)
		if (!PG_ARGISNULL(i) && get_typlen(exprType(list_nth(call->args, i))) == -1 &&
			VARATT_IS_EXTERNAL(DatumGetPointer(PG_GETARG_DATUM(i))))
			return false;
	return assignment->shows_key;
}

static char *
key_values(FunctionCallInfo fcinfo, const Assignment *assignment)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = ARG_KEY; i < PG_NARGS(); i++)
	{
		FmgrInfo   *output = &assignment->outputs[i - ARG_KEY];

		deltaetl_append_separator(&buf, i - ARG_KEY);
		if (PG_ARGISNULL(i))
			appendStringInfoString(&buf, "null");
		else
			deltaetl_append_clipped(&buf, OutputFunctionCall(output, PG_GETARG_DATUM(i)));
	}
	return buf.data;
}

/* Where memory has run out, or somebody has, none is taken for more words. */
static void
describe_row(void *arg)
{
	FunctionCallInfo fcinfo = arg;
	Assignment *assignment = fcinfo->flinfo->fn_extra;
	int			category = ERRCODE_TO_CATEGORY(geterrcode());
	char	   *place;

	if (assignment->in_description || category == ERRCODE_INSUFFICIENT_RESOURCES ||
		category == ERRCODE_OPERATOR_INTERVENTION)
		return;
	assignment->in_description = true;
	place = text_to_cstring(DatumGetTextPP(PG_GETARG_DATUM(ARG_PLACE)));
	if (key_is_at_hand(fcinfo, assignment))
		errcontext("%s, row %s=(%s)", place,
				   text_to_cstring(DatumGetTextPP(PG_GETARG_DATUM(ARG_KEY_NAMES))),
				   key_values(fcinfo, assignment));
	else
		errcontext("%s", place);
	assignment->in_description = false;
}

/* ---------- SQL functions ---------- */

PG_FUNCTION_INFO_V1(deltaetl_assign);

/*
 * deltaetl_assign(internal, type oid, typmod integer, place text,
 *				   key_names text, VARIADIC "any") returns internal
 *
 * A value of the source, of whatever type, assigned to another type.  What
 * follows says where it is: in words, and by the columns of the key.
 */
Datum
deltaetl_assign(PG_FUNCTION_ARGS)
{
	Assignment *assignment = fcinfo->flinfo->fn_extra;
	ErrorContextCallback error_context;
	ExprContext *context;
	Datum		value;

	if (unlikely(assignment == NULL))
		assignment = create_assignment(fcinfo);
	context = assignment->context;
	if (unlikely(!context->ecxt_per_tuple_memory->isReset))
		ResetExprContext(context);
	context->caseValue_datum = fcinfo->args[ARG_VALUE].value;
	context->caseValue_isNull = fcinfo->args[ARG_VALUE].isnull;
	error_context.previous = error_context_stack;
	error_context.callback = describe_row;
	error_context.arg = fcinfo;
	error_context_stack = &error_context;
	value = ExecEvalExpr(assignment->expression, context, &fcinfo->isnull);
	error_context_stack = error_context.previous;
	return value;
}
