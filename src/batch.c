/*-------------------------------------------------------------------------
 *
 * batch.c
 *	  Inserting rows into a table in batches, as COPY does.
 *
 * The caller has opened the table and its indexes, and has checked what there
 * is to check of a row before it is added.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "batch.h"

#include "access/heapam.h"
#include "access/tableam.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "miscadmin.h"

#include "compat.h"

/* As many rows as COPY inserts at a time, and bytes. */
#define BATCH_ROWS 1000
#define BATCH_BYTES 65535

struct Batch
{
	ResultRelInfo *result;
	EState	   *estate;
	RowCallback inserted;		/* told of each row, or NULL */
	void	   *arg;
	BulkInsertState bulk;
	MemoryContext context;		/* of its slots */
	uint64		written;
	int			rows;
	Size		bytes;
	TupleTableSlot *slots[BATCH_ROWS];
};

/*
 * A batch for a table and its indexes, in the current memory context.  Rows
 * are written as of the executor state's command.
 */
Batch *
deltaetl_batch_create(ResultRelInfo *result, EState *estate, RowCallback inserted,
					  void *arg)
{
	Batch	   *batch = palloc0(sizeof(Batch));

	batch->result = result;
	batch->estate = estate;
	batch->inserted = inserted;
	batch->arg = arg;
	batch->bulk = GetBulkInsertState();
	batch->context = CurrentMemoryContext;
	return batch;
}

/* The slot for the next row, empty, with every column NULL. */
TupleTableSlot *
deltaetl_batch_slot(Batch *batch)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(batch->context);
	TupleTableSlot *slot = batch->slots[batch->rows];

	if (slot == NULL)
		slot = table_slot_create(batch->result->ri_RelationDesc, NULL);
	MemoryContextSwitchTo(oldcontext);
	batch->slots[batch->rows] = slot;
	ExecClearTuple(slot);
	memset(slot->tts_isnull, true, slot->tts_tupleDescriptor->natts * sizeof(bool));
	return slot;
}

static void
finish_row(Batch *batch, TupleTableSlot *slot)
{
	List	   *recheck = NIL;

	if (batch->result->ri_NumIndices > 0)
		recheck = insert_index_tuples(batch->result, slot, batch->estate);
	ExecARInsertTriggers(batch->estate, batch->result, slot, recheck, NULL);
	list_free(recheck);
	if (batch->inserted != NULL)
		batch->inserted(slot, batch->arg);
	ResetPerTupleExprContext(batch->estate);
}

static void
flush(Batch *batch)
{
	EState	   *estate = batch->estate;
	MemoryContext oldcontext;

	if (batch->rows == 0)
		return;
	oldcontext = MemoryContextSwitchTo(GetPerTupleMemoryContext(estate));
	table_multi_insert(batch->result->ri_RelationDesc, batch->slots, batch->rows,
					   estate->es_output_cid, 0, batch->bulk);
	for (int i = 0; i < batch->rows; i++)
	{
		CHECK_FOR_INTERRUPTS();
		finish_row(batch, batch->slots[i]);
		ExecClearTuple(batch->slots[i]);
	}
	MemoryContextSwitchTo(oldcontext);
	batch->written += batch->rows;
	batch->rows = 0;
	batch->bytes = 0;
}

/* Add the row that the slot has been given, which takes about that many bytes. */
void
deltaetl_batch_add(Batch *batch, Size bytes)
{
	ExecMaterializeSlot(batch->slots[batch->rows]);
	batch->bytes += bytes;
	if (++batch->rows == BATCH_ROWS || batch->bytes > BATCH_BYTES)
		flush(batch);
}

/* Write what is left; returns how many rows have been written in all. */
uint64
deltaetl_batch_finish(Batch *batch)
{
	flush(batch);
	FreeBulkInsertState(batch->bulk);
	for (int i = 0; i < BATCH_ROWS && batch->slots[i] != NULL; i++)
		ExecDropSingleTupleTableSlot(batch->slots[i]);
	table_finish_bulk_insert(batch->result->ri_RelationDesc, 0);
	return batch->written;
}
