/*-------------------------------------------------------------------------
 *
 * modify.c
 *	  Statements that write the delta, and the rows they return.
 *
 * SPI would keep all rows of RETURNING in memory, or else run the statement
 * under a snapshot of its own.  So a statement goes to the executor without
 * it, but as SPI does it: errors bear its text, and it sees what has been done
 * before it in the same transaction.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "execute.h"

#include "access/xact.h"
#include "commands/trigger.h"
#include "executor/execdesc.h"
#include "executor/executor.h"
#include "nodes/plannodes.h"
#include "parser/parse_node.h"
#include "parser/parser.h"
#include "progress.h"
#include "tcop/tcopprot.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "compat.h"

struct Modification
{
	MemoryContext context;		/* of all of it */
	const char *text;
	Delta	   *delta;
	const ParamType *param_types;	/* NULL: there are none */
	QueryEnvironment *environment;
	PlannedStmt *plan;
};

/*
 * From here on AFTER triggers wait, those of foreign keys among them, until
 * deltaetl_fire_triggers(), so that they act on what several statements have
 * made of the table, as if those were one.
 */
void
deltaetl_hold_triggers(void)
{
	AfterTriggerBeginQuery();
}

/* Fire the triggers that have been held.  COPY FROM does it the same way. */
void
deltaetl_fire_triggers(void)
{
	EState	   *estate = CreateExecutorState();

	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	AfterTriggerEndQuery(estate);
	PopActiveSnapshot();
	ExecResetTupleTable(estate->es_tupleTable, false);
	ExecCloseResultRelations(estate);
	FreeExecutorState(estate);
}

/* A position in the statement is no position in what the user has typed. */
static void
describe_statement(void *arg)
{
	const char *query = arg;
	int			position = geterrposition();

	if (position > 0)
	{
		errposition(0);
		internalerrposition(position);
		internalerrquery(query);
	}
	else
		errcontext("SQL statement \"%s\"", query);
}

static QueryEnvironment *
delta_environment(const Delta *delta)
{
	QueryEnvironment *environment = create_queryEnv();

	for (int i = 0; i < DELTA_STORES; i++)
		register_ENR(environment,
					 deltaetl_named_relation(deltaetl_delta_name(i), delta->desc,
											 delta->rows[i], delta->count[i]));
	return environment;
}

/*
 * A parameter of a statement.  It has a length, too, so that no function that
 * brings it to that length keeps the statement from being sent elsewhere.
 */
static Node *
give_param(ParseState *pstate, ParamRef *ref)
{
	const Modification *modification = pstate->p_ref_hook_state;
	const ParamType *type = &modification->param_types[ref->number - 1];
	Param	   *param = makeNode(Param);

	param->paramkind = PARAM_EXTERN;
	param->paramid = ref->number;
	param->paramtype = type->type;
	param->paramtypmod = type->typmod;
	param->paramcollid = get_typcollation(type->type);
	param->location = ref->location;
	return (Node *) param;
}

/* Values of the source are assigned to types of the target, or are parameters. */
static void
set_up_parser(ParseState *pstate, void *arg)
{
	Modification *modification = arg;

	if (modification->param_types == NULL)
	{
		deltaetl_coerce_setup(pstate, unconstify(Mapping *, modification->delta->mapping));
		return;
	}
	pstate->p_paramref_hook = give_param;
	pstate->p_ref_hook_state = modification;
}

/* The target has no rules, so the statement remains one. */
static Query *
analyze(Modification *modification)
{
	const Mapping *mapping = modification->delta->mapping;
	List	   *statements = raw_parser(modification->text, RAW_PARSE_DEFAULT);
	List	   *queries;

	queries = pg_analyze_and_rewrite_withcb(linitial_node(RawStmt, statements),
											modification->text, set_up_parser,
											modification, modification->environment);
	if (list_length(queries) != 1)
		elog(ERROR, "a statement on \"%s\" has become %d",
			 mapping->target.name, list_length(queries));
	return linitial_node(Query, queries);
}

/* What ExecProcNode() does for this node, and a look at the progress. */
static TupleTableSlot *
next_row(PlanState *node)
{
	TupleTableSlot *slot;

	if (node->instrument != NULL)
		InstrStartNode(node->instrument);
	slot = node->ExecProcNodeReal(node);
	if (node->instrument != NULL)
		InstrStopNode(node->instrument, TupIsNull(slot) ? 0.0 : 1.0);
	if (!TupIsNull(slot))
		deltaetl_progress_advance(1);
	return slot;
}

/*
 * See the rows pass by that a statement is about to write.  It is one call of
 * the executor that writes them all, so that nothing could be seen from outside.
 */
static void
watch_rows(QueryDesc *desc)
{
	PlanState  *rows = outerPlanState(desc->planstate);

	if (IsA(desc->planstate, ModifyTableState))
		rows->ExecProcNode = next_row;
}

/* How many rows ON CONFLICT has kept from being inserted, as EXPLAIN knows it. */
static uint64
count_conflicts(const QueryDesc *desc)
{
	const PlanState *node = desc->planstate;

	return node->instrument ? (uint64) node->instrument->ntuples2 : 0;
}

/* Returns the number of rows that were changed. */
static uint64
execute(const Modification *modification, ParamListInfo params, RowReceiver *receiver)
{
	Delta	   *delta = modification->delta;
	QueryDesc  *desc;
	uint64		changed;

	CommandCounterIncrement();
	UpdateActiveSnapshotCommandId();
	desc = CreateQueryDesc(modification->plan, modification->text, GetActiveSnapshot(),
						   InvalidSnapshot, (DestReceiver *) receiver, params,
						   modification->environment,
						   delta->lock_rows ? INSTRUMENT_ROWS : 0);
	ExecutorStart(desc, EXEC_FLAG_SKIP_TRIGGERS);
	watch_rows(desc);
	run_executor(desc);
	changed = desc->estate->es_processed;
	delta->conflicts = count_conflicts(desc);
	ExecutorFinish(desc);
	ExecutorEnd(desc);
	FreeQueryDesc(desc);
	CommandCounterIncrement();
	return changed;
}

static ErrorContextCallback
begin_errors(const Modification *modification)
{
	ErrorContextCallback callback = {error_context_stack, describe_statement,
		unconstify(char *, modification->text)
	};

	return callback;
}

static void
plan(Modification *modification)
{
	ErrorContextCallback callback = begin_errors(modification);
	const Mapping *mapping = modification->delta->mapping;
	Query	   *query;

	error_context_stack = &callback;
	query = analyze(modification);
	error_context_stack = callback.previous;
	deltaetl_check_name(&mapping->source);
	deltaetl_check_name(&mapping->target);

	error_context_stack = &callback;
	PushCopiedSnapshot(GetActiveSnapshot());
	modification->plan = plan_query(query, modification->text, CURSOR_OPT_PARALLEL_OK);
	PopActiveSnapshot();
	error_context_stack = callback.previous;
}

/*
 * Plan an INSERT, UPDATE or DELETE of the delta, to be run once or, with other
 * parameters, more often; deltaetl_modify_end() gives back its memory.  One
 * with parameters reads no values from the source itself.
 */
Modification *
deltaetl_modify_prepare(const char *text, Delta *delta,
						const ParamType *param_types)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "deltaetl statement",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext oldcontext = MemoryContextSwitchTo(context);
	Modification *modification = palloc0(sizeof(Modification));

	modification->context = context;
	modification->text = text;

	modification->delta = delta;
	modification->param_types = param_types;
	modification->environment = delta_environment(delta);
	plan(modification);
	MemoryContextSwitchTo(oldcontext);
	return modification;
}

/* Whether all that a statement does is done by one that another server gets. */
bool
deltaetl_modify_is_remote(const Modification *modification)
{
	Plan	   *top = modification->plan->planTree;

	return IsA(top, ModifyTable) &&
		!bms_is_empty(((ModifyTable *) top)->fdwDirectModifyPlans);
}

/*
 * Run a statement that has been planned, while triggers are held; returns the
 * number of rows it changed.  Those of RETURNING go to the callback, in a
 * memory context that lives as long as this call; the delta gets to know how
 * many keys were there already.  The statement sees what the run has seen, and
 * what the transaction has done since: rows of the source are where they were
 * found, and those of the target are locked.
 */
uint64
deltaetl_modify_run(Modification *modification, ParamListInfo params,
					RowCallback callback, void *arg)
{
	MemoryContext context = AllocSetContextCreate(modification->context,
												  "deltaetl statement run",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext oldcontext = MemoryContextSwitchTo(context);
	ErrorContextCallback errors = begin_errors(modification);
	RowReceiver receiver = deltaetl_receiver(callback, arg);
	uint64		changed;

	error_context_stack = &errors;
	PushCopiedSnapshot(GetActiveSnapshot());
	changed = execute(modification, params, &receiver);
	PopActiveSnapshot();
	error_context_stack = errors.previous;
	MemoryContextSwitchTo(oldcontext);
	MemoryContextDelete(context);
	return changed;
}

void
deltaetl_modify_end(Modification *modification)
{
	MemoryContextDelete(modification->context);
}

/* Plan a statement without parameters and run it once. */
uint64
deltaetl_modify(const char *text, Delta *delta, RowCallback callback, void *arg)
{
	Modification *modification = deltaetl_modify_prepare(text, delta, NULL);
	uint64		changed = deltaetl_modify_run(modification, NULL, callback, arg);

	deltaetl_modify_end(modification);
	return changed;
}
