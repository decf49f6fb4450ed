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

#include "encode.h"
#include "miscadmin.h"
#include "stored_row.h"
#include "utils/datum.h"
#include "utils/memutils.h"

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

	/* for comparing */
	MemoryContext scratch;
	StoredRowReader readers[SET_SIDES];
	Datum	   *values[SET_SIDES];
	bool	   *isnull[SET_SIDES];
	FieldEncoder *encoders;
	EncodeBuffer bytes[SET_SIDES];
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
	lists->scratch = AllocSetContextCreate(CurrentMemoryContext,
										   "deltaetl comparison",
										   ALLOCSET_DEFAULT_SIZES);
	return lists;
}

/* ---------- comparing two stored rows ---------- */

static void
prepare_comparison(PositionLists *lists, TupleDesc desc)
{
	MemoryContext context = GetMemoryChunkContext(lists);
	MemoryContext oldcontext = MemoryContextSwitchTo(context);

	for (int side = 0; side < SET_SIDES; side++)
	{
		lists->values[side] = palloc(desc->natts * sizeof(Datum));
		lists->isnull[side] = palloc(desc->natts * sizeof(bool));
		deltaetl_buffer_init(&lists->bytes[side], context);
	}
	lists->encoders = palloc0(desc->natts * sizeof(FieldEncoder));
	for (int i = 0; i < desc->natts; i++)
		if (!TupleDescAttr(desc, i)->attisdropped)
			deltaetl_encoder_init(&lists->encoders[i],
								  TupleDescAttr(desc, i)->atttypid, context);
	MemoryContextSwitchTo(oldcontext);
}

/* Whether a column of the rows at hand has the same encoding in both. */
static bool
same_encoding(PositionLists *lists, int column)
{
	for (int side = 0; side < SET_SIDES; side++)
	{
		deltaetl_buffer_reset(&lists->bytes[side]);
		encode_field(&lists->encoders[column], lists->values[side][column],
					 lists->isnull[side][column], &lists->bytes[side]);
	}
	return lists->bytes[SET_SOURCE].len == lists->bytes[SET_TARGET].len &&
		memcmp(lists->bytes[SET_SOURCE].data, lists->bytes[SET_TARGET].data,
			   lists->bytes[SET_SOURCE].len) == 0;
}

static bool
same_column(PositionLists *lists, Form_pg_attribute att)
{
	int			column = att->attnum - 1;

	if (att->attisdropped || att->attgenerated)
		return true;
	if (lists->isnull[SET_SOURCE][column] != lists->isnull[SET_TARGET][column])
		return false;
	return lists->isnull[SET_SOURCE][column] ||
		datum_image_eq(lists->values[SET_SOURCE][column],
					   lists->values[SET_TARGET][column],
					   att->attbyval, att->attlen) ||
		same_encoding(lists, column);
}

static void
fetch(PositionLists *lists, SetSide side, RowPosition position)
{
	StoredRowReader *reader = &lists->readers[side];
	HeapTuple	tuple;

	deltaetl_reader_open(reader, deltaetl_collection_table(lists->collection, position));
	tuple = deltaetl_read_row(reader, position_block(position),
							  position_offset(position));
	if (lists->encoders == NULL)
		prepare_comparison(lists, RelationGetDescr(reader->rel));
	heap_deform_tuple(tuple, RelationGetDescr(reader->rel),
					  lists->values[side], lists->isnull[side]);
}

/* Both tables have the same columns in the same places. */
static bool
rows_are_same(PositionLists *lists, const PositionPair *pair)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(lists->scratch);
	TupleDesc	desc;
	bool		same = true;

	fetch(lists, SET_TARGET, pair->order);
	fetch(lists, SET_SOURCE, pair->other);
	desc = RelationGetDescr(lists->readers[SET_TARGET].rel);
	for (int i = 0; same && i < desc->natts; i++)
		same = same_column(lists, TupleDescAttr(desc, i));
	MemoryContextSwitchTo(oldcontext);
	MemoryContextReset(lists->scratch);
	return same;
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
			!rows_are_same(lists, &batch->pairs[i]))
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
	MemoryContextDelete(lists->scratch);
	pfree(lists);
}
