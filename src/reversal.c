/*-------------------------------------------------------------------------
 *
 * reversal.c
 *	  The delta that takes the changes of a run back.
 *
 * Rows that the run has inserted are deleted, those that it has updated or
 * deleted get the values they had; but only where the row still is what the
 * run has left.  The target's rows are found by the key of the run, by the
 * same equality as in a sync, in one query.
 *
 * Images of rows are read in the caller's name and twice: first their keys, as
 * a table for that query, then, in step with what it returns, all of them.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "reversal.h"

#include "access/table.h"
#include "catalog/pg_type.h"
#include "compare.h"
#include "image.h"
#include "miscadmin.h"
#include "query.h"
#include "utils/datum.h"
#include "utils/memutils.h"

#include "compat.h"

/* A row, by the places of columns in the target. */
typedef struct LoggedRow
{
	int			ncolumns;
	Datum	   *values;
	bool	   *isnull;
	bool	   *present;
} LoggedRow;

typedef struct Reversal
{
	const Mapping *mapping;
	LoggedRun  *run;
	Delta	   *delta;
	Conflicts  *conflicts;
	Relation	target;
	MemoryContext context;		/* of all of it */
	MemoryContext scratch;		/* reset after each change */
	RowImager  *imager;
	RowComparer *comparer;
	TupleTableSlot *change;		/* the current one */
	int64		number;			/* of it */
	LoggedRow	left;			/* what the run has left, or has deleted */
	LoggedRow	before;			/* what was there before an update */
	LoggedRow	found;			/* what the target has */
	TupleTableSlot *key;		/* for messages */
} Reversal;

/* ---------- rows ---------- */

static LoggedRow
make_row(TupleDesc desc)
{
	LoggedRow	row = {.ncolumns = desc->natts};

	row.values = palloc0(desc->natts * sizeof(Datum));
	row.isnull = palloc0(desc->natts * sizeof(bool));
	row.present = palloc0(desc->natts * sizeof(bool));
	memset(row.isnull, true, desc->natts * sizeof(bool));
	return row;
}

static RowValues
row_values(LoggedRow row)
{
	RowValues	values = {row.values, row.isnull};

	return values;
}

/* Read one of the two images that a change has. */
static void
read_image(RowImager *imager, TupleTableSlot *change, bool is_new, LoggedRow row)
{
	int			column = is_new ? CHANGE_NEW_ROW : CHANGE_OLD_ROW;
	int			text_column = is_new ? CHANGE_NEW_TEXT : CHANGE_OLD_TEXT;

	slot_getallattrs(change);
	if (change->tts_isnull[column])
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("a logged change has no row")));
	memset(row.isnull, true, row.ncolumns * sizeof(bool));
	deltaetl_image_read(imager, DatumGetJsonbP(change->tts_values[column]),
						change->tts_isnull[text_column] ? NULL :
						DatumGetJsonbP(change->tts_values[text_column]),
						row.values, row.isnull, row.present);
}

/* The row by which the target's is found: what the run left, or has deleted. */
static void
read_left(RowImager *imager, TupleTableSlot *change, LoggedRow row)
{
	read_image(imager, change, deltaetl_logged_action(change) != DELTA_DELETE, row);
}

static RowImager *
create_imager(const Mapping *mapping, TupleDesc desc, int ncolumns)
{
	bool	   *include = palloc0(desc->natts * sizeof(bool));

	for (int i = 0; i < ncolumns; i++)
		include[mapping->columns[i].attnum - 1] = true;
	return deltaetl_imager_create(desc, include);
}

/* ---------- keys ---------- */

static TupleDesc
key_descriptor(const Mapping *mapping)
{
	TupleDesc	desc = CreateTemplateTupleDesc(mapping->nkeys + 1);

	for (int i = 0; i < mapping->nkeys; i++)
	{
		const MappingColumn *column = &mapping->columns[i];
		char		name[NAMEDATALEN];

		snprintf(name, sizeof(name), "c%d", i + 1);
		TupleDescInitEntry(desc, i + 1, name, column->type, column->typmod, 0);
		TupleDescInitEntryCollation(desc, i + 1, column->collation);
	}
	TupleDescInitEntry(desc, mapping->nkeys + 1, "number", INT8OID, -1, 0);
	complete_descriptor(desc);
	return desc;
}

static void
store_key(const Mapping *mapping, TupleTableSlot *key, LoggedRow row, int64 number)
{
	ExecClearTuple(key);
	for (int i = 0; i < mapping->nkeys; i++)
	{
		int			place = mapping->columns[i].attnum - 1;

		key->tts_values[i] = row.values[place];
		key->tts_isnull[i] = row.isnull[place];
	}
	key->tts_values[mapping->nkeys] = Int64GetDatum(number);
	key->tts_isnull[mapping->nkeys] = false;
	ExecStoreVirtualTuple(key);
}

/* The keys of the changes, with their numbers, from 1 in their order. */
static Tuplestorestate *
collect_keys(Reversal *reversal)
{
	const Mapping *mapping = reversal->mapping;
	Tuplestorestate *keys = tuplestore_begin_heap(true, false, work_mem);
	RowImager  *imager = create_imager(mapping, RelationGetDescr(reversal->target),
									   mapping->nkeys);
	int64		number = 0;

	tuplestore_rescan(reversal->run->changes);
	while (tuplestore_gettupleslot(reversal->run->changes, true, false, reversal->change))
	{
		MemoryContext oldcontext = MemoryContextSwitchTo(reversal->scratch);

		CHECK_FOR_INTERRUPTS();
		read_left(imager, reversal->change, reversal->left);
		store_key(mapping, reversal->key, reversal->left, ++number);
		tuplestore_puttupleslot(keys, reversal->key);
		MemoryContextSwitchTo(oldcontext);
		MemoryContextReset(reversal->scratch);
	}
	deltaetl_imager_free(imager);
	return keys;
}

/* ---------- changes ---------- */

static void
note_conflict(Reversal *reversal, const char *what)
{
	Conflicts  *conflicts = reversal->conflicts;

	if (conflicts->count++ >= KEYS_SHOWN)
		return;
	if (conflicts->text.len > 0)
		appendStringInfoString(&conflicts->text, ", ");
	store_key(reversal->mapping, reversal->key, reversal->left, 0);
	deltaetl_describe_key(&conflicts->text, reversal->mapping, reversal->key);
	appendStringInfo(&conflicts->text, " %s", what);
}

/*
 * Add a row to the delta: the one of the target that was found, NULL if there
 * is none, and the values that it is to get.
 */
static void
put_row(Reversal *reversal, DeltaAction action, TupleTableSlot *found, LoggedRow row)
{
	const Mapping *mapping = reversal->mapping;
	int			ncolumns = DELTA_FIRST_COLUMN + mapping->ncolumns;
	Datum	   *values = palloc0(ncolumns * sizeof(Datum));
	bool	   *isnull = palloc0(ncolumns * sizeof(bool));

	for (int i = 0; i < DELTA_FIRST_COLUMN; i++)
	{
		isnull[i] = found == NULL || found->tts_isnull[LOGGED_ROW + i];
		if (!isnull[i])
			values[i] = found->tts_values[LOGGED_ROW + i];
	}
	for (int i = 0; i < mapping->ncolumns; i++)
	{
		values[DELTA_FIRST_COLUMN + i] = row.values[mapping->columns[i].attnum - 1];
		isnull[DELTA_FIRST_COLUMN + i] = row.isnull[mapping->columns[i].attnum - 1];
	}
	deltaetl_delta_put(reversal->delta, action, values, isnull);
}

/* Note which columns the update of the row that was found has to set. */
static void
note_changes(Reversal *reversal)
{
	const Mapping *mapping = reversal->mapping;
	TupleDesc	desc = RelationGetDescr(reversal->target);
	const LoggedRow *a = &reversal->found;
	const LoggedRow *b = &reversal->before;

	for (int i = 0; i < mapping->ncolumns; i++)
	{
		int			place = mapping->columns[i].attnum - 1;
		Form_pg_attribute att = TupleDescAttr(desc, place);

		if (a->isnull[place] != b->isnull[place] ||
			(!a->isnull[place] &&
			 !datum_image_eq(a->values[place], b->values[place],
							 att->attbyval, att->attlen)))
			reversal->delta->changed[i] = true;
	}
}

static void
take_update_back(Reversal *reversal, TupleTableSlot *found)
{
	read_image(reversal->imager, reversal->change, false, reversal->before);
	if (deltaetl_rows_are_same(reversal->comparer, row_values(reversal->found),
							   row_values(reversal->before)))
		return;
	note_changes(reversal);
	put_row(reversal, DELTA_UPDATE, found, reversal->before);
}

/* Take a change back whose row, if found is not NULL, the target has. */
static void
take_back(Reversal *reversal, TupleTableSlot *found)
{
	DeltaAction action = deltaetl_logged_action(reversal->change);

	read_left(reversal->imager, reversal->change, reversal->left);
	if (action == DELTA_DELETE && found != NULL)
		note_conflict(reversal, "is there already");
	else if (action == DELTA_DELETE)
		put_row(reversal, DELTA_INSERT, NULL, reversal->left);
	else if (found == NULL)
		note_conflict(reversal, "is gone");
	else if (!deltaetl_rows_are_same(reversal->comparer, row_values(reversal->found),
									 row_values(reversal->left)))
		note_conflict(reversal, "has been changed since");
	else if (action == DELTA_INSERT)
		put_row(reversal, DELTA_DELETE, found, reversal->left);
	else
		take_update_back(reversal, found);
}

static void
take_current_back(Reversal *reversal, TupleTableSlot *found)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(reversal->scratch);

	CHECK_FOR_INTERRUPTS();
	take_back(reversal, found);
	MemoryContextSwitchTo(oldcontext);
	MemoryContextReset(reversal->scratch);
}

/* The slot may own its row, and outlives the query that calls this. */
static bool
next_change(Reversal *reversal)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(reversal->context);
	bool		found = tuplestore_gettupleslot(reversal->run->changes, true, false,
												reversal->change);

	MemoryContextSwitchTo(oldcontext);
	reversal->number++;
	return found;
}

static void
take_found(Reversal *reversal, const TupleTableSlot *slot)
{
	const Mapping *mapping = reversal->mapping;

	for (int i = 0; i < mapping->ncolumns; i++)
	{
		int			place = mapping->columns[i].attnum - 1;

		reversal->found.values[place] = slot->tts_values[LOGGED_FIRST_COLUMN + i];
		reversal->found.isnull[place] = slot->tts_isnull[LOGGED_FIRST_COLUMN + i];
	}
}

/* A row of the target with the key of a change; they come in its order. */
static void
match_change(TupleTableSlot *slot, void *arg)
{
	Reversal   *reversal = arg;
	int64		number;

	slot_getallattrs(slot);
	number = DatumGetInt64(slot->tts_values[LOGGED_NUMBER]);
	while (next_change(reversal) && reversal->number < number)
		take_current_back(reversal, NULL);
	if (reversal->number != number)
		elog(ERROR, "rows of \"%s\" do not match the logged changes",
			 reversal->mapping->target.name);
	take_found(reversal, slot);
	take_current_back(reversal, slot);
}

static void
note_row(TupleTableSlot *slot, void *arg)
{
	*((bool *) arg) = true;
}

/*
 * A sync changes a row once, but what a trigger has made of its key may be
 * that of another one.
 */
static void
check_logged_once(const Reversal *reversal)
{
	bool		twice = false;

	if (!reversal->mapping->target_has_triggers)
		return;
	deltaetl_spi_select(deltaetl_logged_twice_query(reversal->mapping),
						reversal->mapping, note_row, &twice);
	if (twice)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot revert run " INT64_FORMAT, reversal->run->run_id),
				 errdetail("It has changed rows of \"%s\" more than once, since triggers have given other rows the same keys.",
						   reversal->mapping->target.name)));
}

static void
match_changes(Reversal *reversal, Tuplestorestate *keys, TupleDesc desc)
{
	const Mapping *mapping = reversal->mapping;

	deltaetl_spi_register(LOGGED_KEYS, desc, keys,
						  tuplestore_tuple_count(keys));
	check_logged_once(reversal);
	tuplestore_rescan(reversal->run->changes);
	deltaetl_spi_select(deltaetl_logged_rows_query(mapping), mapping,
						match_change, reversal);
	while (next_change(reversal))
		take_current_back(reversal, NULL);
	deltaetl_spi_unregister(LOGGED_KEYS);
}

static void
begin_reversal(Reversal *reversal, const Mapping *mapping, LoggedRun *run)
{
	TupleDesc	desc;

	reversal->mapping = mapping;
	reversal->run = run;
	reversal->target = table_open(mapping->target.relid, NoLock);
	desc = RelationGetDescr(reversal->target);
	reversal->context = CurrentMemoryContext;
	reversal->scratch = AllocSetContextCreate(CurrentMemoryContext, "deltaetl reversal",
											  ALLOCSET_DEFAULT_SIZES);
	reversal->imager = create_imager(mapping, desc, mapping->ncolumns);
	reversal->comparer = deltaetl_comparer_create(desc);
	reversal->change = MakeSingleTupleTableSlot(run->desc, &TTSOpsMinimalTuple);
	reversal->left = make_row(desc);
	reversal->before = make_row(desc);
	reversal->found = make_row(desc);
	reversal->delta = deltaetl_delta_create(mapping, true);
	reversal->delta->only_changed = true;
}

/*
 * The delta that takes a run back, visible to queries; and which rows are not
 * in it, since they are no longer what the run has left.  Raises an error if
 * keys of the target identify no row.
 */
Delta *
deltaetl_reverse_run(const Mapping *mapping, LoggedRun *run, Conflicts *conflicts)
{
	Reversal	reversal = {.conflicts = conflicts};
	TupleDesc	desc = key_descriptor(mapping);
	Tuplestorestate *keys;

	if (!deltaetl_keys_are_proven(mapping, &mapping->target))
		deltaetl_check_keys(mapping, &mapping->target);
	begin_reversal(&reversal, mapping, run);
	reversal.key = MakeSingleTupleTableSlot(desc, &TTSOpsVirtual);
	initStringInfo(&conflicts->text);

	keys = collect_keys(&reversal);
	match_changes(&reversal, keys, desc);
	tuplestore_end(keys);

	ExecDropSingleTupleTableSlot(reversal.change);
	ExecDropSingleTupleTableSlot(reversal.key);
	deltaetl_comparer_free(reversal.comparer);
	deltaetl_imager_free(reversal.imager);
	table_close(reversal.target, NoLock);
	deltaetl_delta_register(reversal.delta);
	return reversal.delta;
}
