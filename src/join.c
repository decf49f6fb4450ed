/*-------------------------------------------------------------------------
 *
 * join.c
 *	  Detection by an ordinary SQL join on the key.
 *
 * The general way: works for whatever a query can read, views, foreign tables
 * and row security included.  One query finds the whole delta, under one
 * snapshot, each side read once.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "deltaetl.h"

#include "query.h"

static DeltaAction
joined_action(const TupleTableSlot *slot)
{
	if (slot->tts_isnull[JOIN_IN_SOURCE])
		return DELTA_DELETE;
	return slot->tts_isnull[JOIN_IN_TARGET] ? DELTA_INSERT : DELTA_UPDATE;
}

/*
 * Put a joined row (JOIN_*) into the delta; if it is one to update, the callback
 * notes which guarded columns that changes.
 */
void
deltaetl_take_joined(Delta *delta, TupleTableSlot *slot,
					 ChangeCallback note_changes)
{
	DeltaAction action;

	slot_getallattrs(slot);
	action = joined_action(slot);
	if (action == DELTA_DELETE && !delta->with_deletes)
		return;
	if (action == DELTA_UPDATE)
		note_changes(delta, slot);
	deltaetl_delta_put(delta, action, slot->tts_values + JOIN_DELTA_ROW,
					   slot->tts_isnull + JOIN_DELTA_ROW);
}

/* Note which guarded columns a joined row with all of the source's values changes. */
void
deltaetl_note_joined(Delta *delta, const TupleTableSlot *slot)
{
	const Mapping *mapping = delta->mapping;
	int			first = JOIN_DELTA_ROW + DELTA_FIRST_COLUMN;
	int			next = first + mapping->ncolumns;

	for (int i = 0; i < mapping->ncolumns; i++)
		if (deltaetl_is_guarded(mapping, i))
			deltaetl_delta_note_change(delta, i, slot, first + i, next++);
}

static void
collect_row(TupleTableSlot *slot, void *arg)
{
	deltaetl_take_joined(arg, slot, deltaetl_note_joined);
}

/* Fill the delta from the rows of its mapping, or of a narrower one. */
void
deltaetl_join_detect(Delta *delta, const Mapping *extent)
{
	deltaetl_spi_select(deltaetl_join_query(extent, delta->with_deletes),
						extent, collect_row, delta);
}
