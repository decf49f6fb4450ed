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
#include "utils/datum.h"

static DeltaAction
row_action(const TupleTableSlot *slot)
{
	if (slot->tts_isnull[JOIN_IN_SOURCE])
		return DELTA_DELETE;
	return slot->tts_isnull[JOIN_IN_TARGET] ? DELTA_INSERT : DELTA_UPDATE;
}

/*
 * Note which guarded columns an update changes.  By the bytes: keys that
 * match may still differ, such as 1.0 and 1.00.
 */
static void
note_changes(Delta *delta, const TupleTableSlot *slot)
{
	const Mapping *mapping = delta->mapping;
	int			next = JOIN_DELTA_ROW + DELTA_FIRST_COLUMN + mapping->ncolumns;

	for (int i = 0; i < mapping->ncolumns; i++)
	{
		Form_pg_attribute att = TupleDescAttr(delta->desc, DELTA_FIRST_COLUMN + i);
		int			source = JOIN_DELTA_ROW + DELTA_FIRST_COLUMN + i;
		int			target;

		if (!deltaetl_is_guarded(mapping, i))
			continue;
		target = next++;
		if (slot->tts_isnull[source] != slot->tts_isnull[target] ||
			(!slot->tts_isnull[source] &&
			 !datum_image_eq(slot->tts_values[source], slot->tts_values[target],
							 att->attbyval, att->attlen)))
			delta->changed[i] = true;
	}
}

/* Put a row of the join into the delta, arg. */
void
deltaetl_join_collect(TupleTableSlot *slot, void *arg)
{
	Delta	   *delta = arg;
	DeltaAction action;

	slot_getallattrs(slot);
	action = row_action(slot);
	if (action == DELTA_DELETE && !delta->with_deletes)
		return;
	if (action == DELTA_UPDATE)
		note_changes(delta, slot);
	deltaetl_delta_put(delta, action, slot->tts_values + JOIN_DELTA_ROW,
					   slot->tts_isnull + JOIN_DELTA_ROW);
}

/* Fill the delta. */
void
deltaetl_join_detect(Delta *delta)
{
	deltaetl_spi_select(deltaetl_join_query(delta->mapping, delta->with_deletes),
						delta->mapping, deltaetl_join_collect, delta);
}
