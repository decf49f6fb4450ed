/*-------------------------------------------------------------------------
 *
 * spi.c
 *	  The only file that talks to SPI: a query, its rows to a callback.
 *
 * Between deltaetl_spi_begin() and deltaetl_spi_end() all reading is done
 * under one snapshot, taken at the beginning.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "execute.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "nodes/extensible.h"
#include "nodes/plannodes.h"
#include "utils/guc.h"
#include "utils/plancache.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"

/*
 * Begin a run.  The current memory context becomes one that lives until
 * deltaetl_spi_end(), which takes what is returned here.  The transaction's
 * own changes are seen.
 *
 * Queries are not compiled: their expressions do little but call our hash
 * function, and for a target of many partitions compiling can take a hundred
 * times longer than running.
 */
int
deltaetl_spi_begin(void)
{
	int			nestlevel;

	SPI_connect();
	nestlevel = NewGUCNestLevel();
	(void) set_config_option("jit", "off", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	return nestlevel;
}

void
deltaetl_spi_end(int nestlevel)
{
	PopActiveSnapshot();
	AtEOXact_GUC(true, nestlevel);
	SPI_finish();
}

/*
 * Begin a procedure that ends transactions, which is not called in a block of
 * one.  The current memory context becomes one that lives until
 * deltaetl_spi_end_procedure(), transactions come and go.
 */
void
deltaetl_spi_begin_procedure(void)
{
	SPI_connect_ext(SPI_OPT_NONATOMIC);
}

void
deltaetl_spi_end_procedure(void)
{
	SPI_finish();
}

/* Commit the transaction and begin another, also if the commit fails. */
void
deltaetl_spi_commit(void)
{
	SPI_commit();
}

/* Make sure that names in a prepared query mean what they are to mean. */
static void
check_plan(SPIPlanPtr plan, const Mapping *mapping)
{
	ListCell   *cell;

	deltaetl_check_name(&mapping->source);
	deltaetl_check_name(&mapping->target);
	foreach(cell, SPI_plan_get_plan_sources(plan))
		deltaetl_check_calls(((CachedPlanSource *) lfirst(cell))->query_list,
							 mapping->extension);
}

static SPIPlanPtr
prepare(const char *query, const Mapping *mapping, ParserSetupHook setup,
		int cursor_options)
{
	SPIPrepareOptions options = {0};
	SPIPlanPtr	plan;

	options.parserSetup = setup;
	options.parserSetupArg = unconstify(Mapping *, mapping);
	options.cursorOptions = cursor_options;
	plan = SPI_prepare_extended(query, &options);
	if (plan == NULL)
		elog(ERROR, "SPI_prepare_extended failed: %s",
			 SPI_result_code_string(SPI_result));
	check_plan(plan, mapping);
	return plan;
}

/*
 * Analyze a query without running it, to find its errors; outside of a run.
 * Returns what another function, if there is one, finds in it.
 */
bool
deltaetl_spi_check(const char *query, const Mapping *mapping, QueryTest test)
{
	SPIPlanPtr	plan;
	CachedPlanSource *source;
	bool		result;

	SPI_connect();
	plan = prepare(query, mapping, deltaetl_coerce_setup, 0);
	source = linitial(SPI_plan_get_plan_sources(plan));
	result = test != NULL && test(linitial_node(Query, source->query_list), mapping);
	SPI_finish();
	return result;
}

static void
select_rows(const char *query, const Mapping *mapping, ParserSetupHook setup,
			ParamListInfo params, int cursor_options, RowReceiver *receiver)
{
	SPIPlanPtr	plan = prepare(query, mapping, setup, cursor_options);
	SPIExecuteOptions options = {0};
	int			result;

	options.params = params;
	options.read_only = true;
	options.dest = (DestReceiver *) receiver;
	result = SPI_execute_plan_extended(plan, &options);
	if (result != SPI_OK_SELECT)
		elog(ERROR, "SPI_execute_plan_extended failed: %s",
			 SPI_result_code_string(result));
	SPI_freeplan(plan);
}

/* ---------- values that cannot be assigned ---------- */

static bool
may_be_of_a_value(const ErrorData *error)
{
	int			category = ERRCODE_TO_CATEGORY(error->sqlerrcode);

	return category == ERRCODE_DATA_EXCEPTION || category == ERRCODE_PLPGSQL_ERROR ||
		category == ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION;
}

/*
 * A query has failed: raise the error of the first value that cannot be
 * assigned, which says where that is, or else the query's own.
 */
static void
raise_with_place(ErrorData *error, const Mapping *mapping)
{
	RowReceiver receiver = deltaetl_receiver(NULL, NULL);

	if (may_be_of_a_value(error))
		select_rows(deltaetl_assigned_query(mapping), mapping, deltaetl_place_setup,
					NULL, 0, &receiver);
	ReThrowError(error);
}

/*
 * Run a query that reads, in a subtransaction: after an error in it, queries
 * can still be run.
 */
static void
select_or_raise_with_place(const char *query, const Mapping *mapping, ParserSetupHook setup,
						   ParamListInfo params, int cursor_options, RowReceiver *receiver)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		select_rows(query, mapping, setup, params, cursor_options, receiver);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	if (error != NULL)
		raise_with_place(error, mapping);
}

static void
read_rows(const char *query, const Mapping *mapping, ParserSetupHook setup,
		  ParamListInfo params, RowReceiver *receiver)
{
	if (deltaetl_assigns_values(mapping))
		select_or_raise_with_place(query, mapping, setup, params,
								   CURSOR_OPT_PARALLEL_OK, receiver);
	else
		select_rows(query, mapping, setup, params, CURSOR_OPT_PARALLEL_OK, receiver);
}

/* ---------- queries ---------- */

/*
 * Run a query and hand each row to the callback.  Not through a cursor, so
 * that the planner may use parallel workers.
 */
void
deltaetl_spi_select(const char *query, const Mapping *mapping,
					RowCallback callback, void *arg)
{
	RowReceiver receiver = deltaetl_receiver(callback, arg);

	read_rows(query, mapping, deltaetl_coerce_setup, NULL, &receiver);
}

/* The same for a callback that writes, which it cannot do while workers read. */
void
deltaetl_spi_select_serially(const char *query, const Mapping *mapping,
							 RowCallback callback, void *arg)
{
	RowReceiver receiver = deltaetl_receiver(callback, arg);

	select_rows(query, mapping, deltaetl_coerce_setup, NULL, 0, &receiver);
}

/* Run a query that collects fingerprints, with the reference as its $1. */
void
deltaetl_spi_collect(const char *query, const Mapping *mapping,
					 bytea *reference)
{
	ParamListInfo params = deltaetl_params_create(1);
	RowReceiver receiver = deltaetl_receiver(NULL, NULL);

	deltaetl_params_add(params, BYTEAOID, PointerGetDatum(reference), false);
	read_rows(query, mapping, deltaetl_collect_setup, params, &receiver);
}

/* ---------- other servers ---------- */

/*
 * To group rows here is to be the worse choice, whatever the planner believes of
 * what another server has.
 */
static int
prefer_shipping(void)
{
	int			nestlevel = NewGUCNestLevel();

	(void) set_config_option("enable_hashagg", "off", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	(void) set_config_option("enable_sort", "off", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	return nestlevel;
}

/* The same for a query that another server is to answer as a whole. */
void
deltaetl_spi_select_shipped(const char *query, const Mapping *mapping,
							RowCallback callback, void *arg)
{
	int			nestlevel = prefer_shipping();

	deltaetl_spi_select(query, mapping, callback, arg);
	AtEOXact_GUC(true, nestlevel);
}

/* Whether nothing of a query but its LIMIT is left to do here. */
static bool
is_shipped(SPIPlanPtr plan)
{
	CachedPlan *cached = SPI_plan_get_cached_plan(plan);
	Plan	   *top = linitial_node(PlannedStmt, cached->stmt_list)->planTree;
	bool		shipped;

	if (IsA(top, Limit))
		top = outerPlan(top);
	shipped = IsA(top, ForeignScan) && top->qual == NIL;
	ReleaseCachedPlan(cached, NULL);
	return shipped;
}

static bool
plan_and_run(const char *query, const Mapping *mapping, bool run)
{
	SPIPlanPtr	plan = prepare(query, mapping, deltaetl_coerce_setup, 0);
	bool		shipped = is_shipped(plan);
	RowReceiver receiver = deltaetl_receiver(NULL, NULL);

	SPI_freeplan(plan);
	if (shipped && run)
		select_rows(query, mapping, deltaetl_coerce_setup, NULL, 0, &receiver);
	return shipped;
}

/* What another server has said, or why it could not be asked; unless it was us. */
static char *
take_error(MemoryContext context)
{
	ErrorData  *error;

	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	if (ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION ||
		ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_INSUFFICIENT_RESOURCES)
		PG_RE_THROW();
	FlushErrorState();
	return error->message;
}

/*
 * Whether another server can answer a query as a whole, which is run if that is
 * asked for; outside of a run.  If there is an error, false, and its message in
 * the current memory context.
 */
bool
deltaetl_spi_probe(const char *query, const Mapping *mapping, bool run, char **error)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool shipped = false;

	*error = NULL;
	BeginInternalSubTransaction(NULL);
	PG_TRY();
	{
		SPI_connect();
		PushActiveSnapshot(GetTransactionSnapshot());
		(void) prefer_shipping();
		shipped = plan_and_run(query, mapping, run);
		PopActiveSnapshot();
		SPI_finish();
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		*error = take_error(context);
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return shipped && *error == NULL;
}

/* ---------- statements ---------- */

/*
 * Run a statement with parameters, outside of a run or beside it; what it
 * returns goes to the callback, if there is one.  Returns how many rows it has
 * returned or changed.
 */
uint64
deltaetl_spi_execute(const char *query, ParamListInfo params,
					 RowCallback callback, void *arg)
{
	RowReceiver receiver = deltaetl_receiver(callback, arg);
	SPIExecuteOptions options = {0};
	uint64		rows;
	int			result;

	SPI_connect();
	options.params = params;
	options.dest = (DestReceiver *) &receiver;
	result = SPI_execute_extended(query, &options);
	if (result < 0)
		elog(ERROR, "SPI_execute_extended failed: %s",
			 SPI_result_code_string(result));
	rows = SPI_processed;
	SPI_finish();
	return rows;
}

/*
 * Plan a statement without running it; returns the name of the node at the top
 * if that is an extension's, else NULL.
 */
const char *
deltaetl_spi_plan(const char *query, const Mapping *mapping)
{
	MemoryContext context = CurrentMemoryContext;
	const char *name = NULL;
	CachedPlan *plan;
	Plan	   *top;

	SPI_connect();
	plan = SPI_plan_get_cached_plan(prepare(query, mapping, deltaetl_coerce_setup, 0));
	top = linitial_node(PlannedStmt, plan->stmt_list)->planTree;
	if (IsA(top, CustomScan))
		name = MemoryContextStrdup(context, ((CustomScan *) top)->methods->CustomName);
	ReleaseCachedPlan(plan, NULL);
	SPI_finish();
	return name;
}

/* Run a statement that writes; returns how many rows it has changed. */
uint64
deltaetl_spi_modify(const char *query, const Mapping *mapping)
{
	SPIPlanPtr	plan = prepare(query, mapping, deltaetl_coerce_setup, 0);
	SPIExecuteOptions options = {0};
	int			result = SPI_execute_plan_extended(plan, &options);

	if (result < 0)
		elog(ERROR, "SPI_execute_plan_extended failed: %s",
			 SPI_result_code_string(result));
	SPI_freeplan(plan);
	return SPI_processed;
}

/*
 * Run a command that changes the definition of a relation; outside of a run.
 * The caller has locked the relation but does not have it open, since a
 * relation in use is not altered.
 */
void
deltaetl_spi_define(const char *command, const MappingSide *side)
{
	int			result;

	SPI_connect();
	result = SPI_execute(command, false, 0);
	if (result != SPI_OK_UTILITY)
		elog(ERROR, "SPI_execute failed: %s", SPI_result_code_string(result));
	deltaetl_check_name(side);
	SPI_finish();
}

/* Let the queries of this run see a tuplestore as a table. */
void
deltaetl_spi_register(const char *name, TupleDesc desc, Tuplestorestate *rows,
					  uint64 count)
{
	int			result;

	result = SPI_register_relation(deltaetl_named_relation(name, desc, rows, count));
	if (result != SPI_OK_REL_REGISTER)
		elog(ERROR, "SPI_register_relation failed: %s",
			 SPI_result_code_string(result));
}

void
deltaetl_spi_unregister(const char *name)
{
	int			result = SPI_unregister_relation(name);

	if (result != SPI_OK_REL_UNREGISTER)
		elog(ERROR, "SPI_unregister_relation failed: %s",
			 SPI_result_code_string(result));
}
