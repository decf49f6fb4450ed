/*-------------------------------------------------------------------------
 *
 * positions.c
 *	  Rows of the delta, by where they lie, on their way into it.
 *
 * The set difference finds rows in no order that helps.  They are sorted, in
 * batches, as they lie in the table, so that reading and writing them goes
 * through the table from front to back.
 *
 * Rows that were found to differ by their stored bytes may have equal values
 * nevertheless; here they are looked at once more.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "positions.h"

#include "access/relation.h"
#include "compare.h"
#include "miscadmin.h"
#include "stored_row.h"

#include "compat.h"

typedef struct PositionPair
{
	RowPosition order;			/* what the store is sorted by, ... */
	RowPosition other;			/* ... and the other side's position */
} PositionPair;

#define ST_SORT sort_pairs
#define ST_ELEMENT_TYPE PositionPair
#define ST_COMPARE(a, b) ((a)->order < (b)->order ? -1 : (a)->order > (b)->order)
#define ST_SCOPE static
#define ST_CHECK_FOR_INTERRUPTS
#define ST_DEFINE
#include "lib/sort_template.h"

#define MIN_BATCH 1024

typedef struct PositionBatch
{
	PositionPair *pairs;
	uint32		count;
	uint32		max;
} PositionBatch;

struct PositionLists
{
	Delta	   *delta;
	const Collection *collection;
	bool		compare;		/* rows to update, before they are believed */
	uint32		max_batch;
	PositionBatch batches[DELTA_STORES];

	MemoryContext context;

	/* for comparing */
	RowComparer *comparer;
	StoredRowReader readers[SET_SIDES];
	Datum	   *values[SET_SIDES];
	bool	   *isnull[SET_SIDES];
};

/* Lists in the current memory context, within a part of work_mem. */
PositionLists *
deltaetl_positions_create(Delta *delta, const Collection *collection,
						  bool compare)
{
	PositionLists *lists = palloc0(sizeof(PositionLists));
	Size		memory = Min((Size) work_mem * 1024, MaxAllocSize) / DELTA_STORES;

	lists->delta = delta;
	lists->collection = collection;
	lists->compare = compare;
	lists->max_batch = Max(MIN_BATCH, memory / sizeof(PositionPair));
	for (int i = 0; i < DELTA_STORES; i++)
	{
		lists->batches[i].max = MIN_BATCH;
		lists->batches[i].pairs = palloc(MIN_BATCH * sizeof(PositionPair));
	}
	lists->context = CurrentMemoryContext;
	return lists;
}

/* ---------- comparing two stored rows ---------- */

static RowValues
fetch(PositionLists *lists, SetSide side, RowPosition position)
{
	StoredRowReader *reader = &lists->readers[side];
	RowValues	row = {lists->values[side], lists->isnull[side]};

	deltaetl_reader_open(reader, deltaetl_collection_table(lists->collection, position));
	heap_deform_tuple(deltaetl_read_row(reader, position_block(position),
										position_offset(position)),
					  RelationGetDescr(reader->rel),
					  lists->values[side], lists->isnull[side]);
	return row;
}

static void
prepare_comparison(PositionLists *lists, RowPosition position)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(lists->context);
	Relation	rel = relation_open(deltaetl_collection_table(lists->collection, position), NoLock);
	TupleDesc	desc = CreateTupleDescCopyConstr(RelationGetDescr(rel));

	relation_close(rel, NoLock);
	lists->comparer = deltaetl_comparer_create(desc);
	for (int side = 0; side < SET_SIDES; side++)
	{
		lists->values[side] = palloc(desc->natts * sizeof(Datum));
		lists->isnull[side] = palloc(desc->natts * sizeof(bool));
	}
	MemoryContextSwitchTo(oldcontext);
}

/* Both tables have the same columns in the same places. */
static bool
pair_is_same(PositionLists *lists, const PositionPair *pair)
{
	if (lists->comparer == NULL)
		prepare_comparison(lists, pair->order);
	return deltaetl_rows_are_same(lists->comparer,
								  fetch(lists, SET_TARGET, pair->order),
								  fetch(lists, SET_SOURCE, pair->other));
}

/* ---------- batches ---------- */

static void
set_position(const PositionLists *lists, RowPosition position,
			 ItemPointer tid, Datum *values, bool *isnull)
{
	ItemPointerSet(tid, position_block(position), position_offset(position));
	values[0] = ObjectIdGetDatum(deltaetl_collection_table(lists->collection, position));
	values[1] = PointerGetDatum(tid);
	isnull[0] = isnull[1] = false;
}

static void
put_pair(PositionLists *lists, int store, const PositionPair *pair)
{
	bool		by_target = store == DELTA_DELETE || store == DELTA_UPDATE;
	Datum		values[DELTA_POSITION_COLUMNS];
	bool		isnull[DELTA_POSITION_COLUMNS] = {true, true, true, true};
	ItemPointerData target;
	ItemPointerData source;

	if (by_target)
		set_position(lists, pair->order, &target, values + DELTA_COLUMN_TABLEOID,
					 isnull + DELTA_COLUMN_TABLEOID);
	if (store != DELTA_DELETE)
		set_position(lists, by_target ? pair->other : pair->order, &source,
					 values + DELTA_COLUMN_SOURCE_TABLEOID,
					 isnull + DELTA_COLUMN_SOURCE_TABLEOID);
	deltaetl_delta_put(lists->delta, store, values, isnull);
}

static void
flush(PositionLists *lists, int store)
{
	PositionBatch *batch = &lists->batches[store];

	sort_pairs(batch->pairs, batch->count);
	for (uint32 i = 0; i < batch->count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (store != DELTA_UPDATE || !lists->compare ||
			!pair_is_same(lists, &batch->pairs[i]))
			put_pair(lists, store, &batch->pairs[i]);
	}
	batch->count = 0;
}

static void
grow(PositionLists *lists, int store)
{
	PositionBatch *batch = &lists->batches[store];

	if (batch->max >= lists->max_batch)
	{
		flush(lists, store);
		return;
	}
	batch->max = Min(batch->max * 2, lists->max_batch);
	batch->pairs = repalloc(batch->pairs, batch->max * sizeof(PositionPair));
}

/* Add a row; rows of the target are to be deleted or updated, of the source the rest. */
void
deltaetl_positions_add(PositionLists *lists, int store,
					   const Fingerprint *source, const Fingerprint *target)
{
	PositionBatch *batch = &lists->batches[store];
	PositionPair *pair;

	if (batch->count == batch->max)
		grow(lists, store);
	pair = &batch->pairs[batch->count++];
	if (store == DELTA_DELETE || store == DELTA_UPDATE)
	{
		pair->order = target->position;
		pair->other = source ? source->position : 0;
	}
	else
		pair->order = source->position;
}

/* Put what is left into the delta, and free the lists. */
void
deltaetl_positions_finish(PositionLists *lists)
{
	for (int store = 0; store < DELTA_STORES; store++)
	{
		flush(lists, store);
		pfree(lists->batches[store].pairs);
	}
	deltaetl_reader_close(&lists->readers[SET_SOURCE]);
	deltaetl_reader_close(&lists->readers[SET_TARGET]);
	if (lists->comparer != NULL)
		deltaetl_comparer_free(lists->comparer);
	pfree(lists);
}
