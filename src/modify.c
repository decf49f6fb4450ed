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
#include "parser/parser.h"
#include "progress.h"
#include "tcop/tcopprot.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "compat.h"

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

/* The target has no rules, so the statement remains one. */
static Query *
analyze(const char *text, const Mapping *mapping, QueryEnvironment *environment)
{
	List	   *statements = raw_parser(text, RAW_PARSE_DEFAULT);
	List	   *queries;

	queries = pg_analyze_and_rewrite_withcb(linitial_node(RawStmt, statements), text,
											deltaetl_coerce_setup,
											unconstify(Mapping *, mapping), environment);
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
execute(PlannedStmt *plan, const char *text, QueryEnvironment *environment,
		RowReceiver *receiver, Delta *delta)
{
	QueryDesc  *desc;
	uint64		changed;

	CommandCounterIncrement();
	UpdateActiveSnapshotCommandId();
	desc = CreateQueryDesc(plan, text, GetActiveSnapshot(), InvalidSnapshot,
						   (DestReceiver *) receiver, NULL, environment,
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

/*
 * Run an INSERT, UPDATE or DELETE of the delta while triggers are held;
 * returns the number of rows it changed.  Those of RETURNING go to the
 * callback, in a memory context that lives as long as the statement; the delta
 * gets to know how many keys were there already.  The statement sees
 * what the run has seen, and what the transaction has done since: rows of the
 * source are where they were found, and those of the target are locked.
 */
uint64
deltaetl_modify(const char *text, Delta *delta, RowCallback callback, void *arg)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "deltaetl statement",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext oldcontext = MemoryContextSwitchTo(context);
	ErrorContextCallback error_context = {error_context_stack, describe_statement,
		unconstify(char *, text)
	};
	RowReceiver receiver = deltaetl_receiver(callback, arg);
	QueryEnvironment *environment = delta_environment(delta);
	Query	   *query;
	PlannedStmt *plan;
	uint64		changed;

	error_context_stack = &error_context;
	query = analyze(text, delta->mapping, environment);
	error_context_stack = error_context.previous;
	deltaetl_check_name(&delta->mapping->source);
	deltaetl_check_name(&delta->mapping->target);

	error_context_stack = &error_context;
	PushCopiedSnapshot(GetActiveSnapshot());
	plan = plan_query(query, text, CURSOR_OPT_PARALLEL_OK);
	changed = execute(plan, text, environment, &receiver, delta);
	PopActiveSnapshot();
	error_context_stack = error_context.previous;
	MemoryContextSwitchTo(oldcontext);
	MemoryContextDelete(context);
	return changed;
}
