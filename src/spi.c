/*-------------------------------------------------------------------------
 *
 * spi.c
 *	  The only file that talks to SPI: a query, its rows to a callback.
 *
 * Between deltaetl_spi_begin() and deltaetl_spi_end() all reading is done
 * under one snapshot, taken at the beginning.  Statements that modify take a
 * newer one, as any statement does.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "deltaetl.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "tcop/dest.h"
#include "utils/snapmgr.h"

typedef struct RowReceiver
{
	DestReceiver pub;
	RowCallback callback;
	void	   *arg;
} RowReceiver;

static bool
receive_row(TupleTableSlot *slot, DestReceiver *self)
{
	RowReceiver *receiver = (RowReceiver *) self;

	receiver->callback(slot, receiver->arg);
	return true;
}

static void
receiver_startup(DestReceiver *self, int operation, TupleDesc desc)
{
}

static void
receiver_shutdown(DestReceiver *self)
{
}

/*
 * Begin a run.  The current memory context becomes one that lives until
 * deltaetl_spi_end().  The transaction's own changes are seen.
 */
void
deltaetl_spi_begin(void)
{
	SPI_connect();
	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
}

void
deltaetl_spi_end(void)
{
	PopActiveSnapshot();
	SPI_finish();
}

/* Analyze a query without running it, to find its errors; outside of a run. */
void
deltaetl_spi_check(const char *query, const Mapping *mapping)
{
	SPIPrepareOptions options = {0};
	ParamListInfo params = deltaetl_coercing_params(mapping);
	SPIPlanPtr	plan;

	SPI_connect();
	options.parserSetup = params->parserSetup;
	options.parserSetupArg = params->parserSetupArg;
	plan = SPI_prepare_extended(query, &options);
	if (plan == NULL)
		elog(ERROR, "SPI_prepare_extended failed: %s",
			 SPI_result_code_string(SPI_result));
	SPI_finish();
}

/*
 * Run a query and hand each row to the callback.  Not through a cursor, so
 * that the planner may use parallel workers.
 */
void
deltaetl_spi_select(const char *query, const Mapping *mapping,
					RowCallback callback, void *arg)
{
	SPIExecuteOptions options = {0};
	RowReceiver receiver = {0};
	int			result;

	receiver.pub.receiveSlot = receive_row;
	receiver.pub.rStartup = receiver_startup;
	receiver.pub.rShutdown = receiver_shutdown;
	receiver.pub.rDestroy = receiver_shutdown;
	receiver.pub.mydest = DestTuplestore;
	receiver.callback = callback;
	receiver.arg = arg;

	options.params = deltaetl_coercing_params(mapping);
	options.read_only = true;
	options.dest = (DestReceiver *) &receiver;
	result = SPI_execute_extended(query, &options);
	if (result != SPI_OK_SELECT)
		elog(ERROR, "SPI_execute_extended failed: %s",
			 SPI_result_code_string(result));
}

/* Run an INSERT, UPDATE or DELETE; returns the number of rows it changed. */
uint64
deltaetl_spi_modify(const char *query)
{
	SPIExecuteOptions options = {0};
	int			result = SPI_execute_extended(query, &options);

	if (result != SPI_OK_INSERT && result != SPI_OK_UPDATE &&
		result != SPI_OK_DELETE)
		elog(ERROR, "SPI_execute_extended failed: %s",
			 SPI_result_code_string(result));
	return SPI_processed;
}

/* Let the queries of this run see a tuplestore as a table. */
void
deltaetl_spi_register(const char *name, TupleDesc desc, Tuplestorestate *rows,
					  uint64 count)
{
	EphemeralNamedRelation relation = palloc0(sizeof(EphemeralNamedRelationData));
	int			result;

	relation->md.name = pstrdup(name);
	relation->md.reliddesc = InvalidOid;
	relation->md.tupdesc = desc;
	relation->md.enrtype = ENR_NAMED_TUPLESTORE;
	relation->md.enrtuples = (double) count;
	relation->reldata = rows;
	result = SPI_register_relation(relation);
	if (result != SPI_OK_REL_REGISTER)
		elog(ERROR, "SPI_register_relation failed: %s",
			 SPI_result_code_string(result));
}
