/*-------------------------------------------------------------------------
 *
 * lone_rows.c
 *	  Matching by SQL the rows that only one side has.
 *
 * Where equal keys need not have the same bytes, fingerprints only tell rows
 * that are on both sides from the others, and these are joined on the key by
 * its own equality operator.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "lone_rows.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "query.h"

#include "compat.h"

/* Positions of rows that only one side has, as tables for SQL to join with. */
struct LoneRows
{
	const Collection *collection;
	TupleDesc	desc;
	Tuplestorestate *rows[SET_SIDES];
	uint64		count[SET_SIDES];
};

LoneRows *
deltaetl_lone_rows_create(const Collection *collection)
{
	LoneRows   *lone = palloc0(sizeof(LoneRows));

	lone->collection = collection;
	lone->desc = CreateTemplateTupleDesc(2);
	TupleDescInitEntry(lone->desc, 1, "oid", OIDOID, -1, 0);
	TupleDescInitEntry(lone->desc, 2, "tid", TIDOID, -1, 0);
	complete_descriptor(lone->desc);
	for (int i = 0; i < SET_SIDES; i++)
		lone->rows[i] = tuplestore_begin_heap(true, false, work_mem / SET_SIDES);
	return lone;
}

void
deltaetl_lone_rows_add(LoneRows *lone, SetSide side, RowPosition position)
{
	ItemPointerData tid;
	Datum		values[2] = {ObjectIdGetDatum(deltaetl_collection_table(lone->collection, position)),
	PointerGetDatum(&tid)};
	bool		isnull[2] = {false, false};

	ItemPointerSet(&tid, position_block(position), position_offset(position));
	tuplestore_putvalues(lone->rows[side], lone->desc, values, isnull);
	lone->count[side]++;
}

static void
note_changes(Delta *delta, const TupleTableSlot *slot)
{
	const Mapping *mapping = delta->mapping;
	int			next = LONE_GUARDED;

	for (int i = 0; i < mapping->ncolumns; i++)
	{
		if (!deltaetl_is_guarded(mapping, i))
			continue;
		deltaetl_delta_note_change(delta, i, slot, next, next + 1);
		next += 2;
	}
}

static void
collect_pair(TupleTableSlot *slot, void *arg)
{
	deltaetl_take_joined(arg, slot, note_changes);
}

/*
 * Join what one side has with what the other has, which is the delta.  Frees
 * the rows.
 */
void
deltaetl_lone_rows_join(LoneRows *lone, Delta *delta)
{
	if (lone->count[SET_SOURCE] > 0 ||
		(lone->count[SET_TARGET] > 0 && delta->with_deletes))
	{
		deltaetl_spi_register(SOURCE_ROWS, lone->desc, lone->rows[SET_SOURCE],
							  lone->count[SET_SOURCE]);
		deltaetl_spi_register(TARGET_ROWS, lone->desc, lone->rows[SET_TARGET],
							  lone->count[SET_TARGET]);
		deltaetl_spi_select(deltaetl_lone_rows_query(delta->mapping),
							delta->mapping, collect_pair, delta);
	}
	for (int i = 0; i < SET_SIDES; i++)
		tuplestore_end(lone->rows[i]);
}
