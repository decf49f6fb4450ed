/*-------------------------------------------------------------------------
 *
 * delta.c
 *	  The delta: rows to delete, update and insert, kept in tuplestores.
 *
 * A tuplestore goes to a temporary file when it outgrows its memory, and SQL
 * can read it under a name; so the delta takes no more than work_mem, and no
 * temporary table, which would leave dead rows in the catalogs at each run.
 *
 * Rows are kept by value, or only by where they lie on either side.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "deltaetl.h"

#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "leaves.h"
#include "miscadmin.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"

#include "compat.h"

static const char *const store_names[DELTA_STORES] = {
	"deltaetl_delete", "deltaetl_update", "deltaetl_insert", "deltaetl_known"
};

const char *
deltaetl_delta_name(int store)
{
	return store_names[store];
}

static TupleDesc
value_descriptor(const Mapping *mapping)
{
	TupleDesc	desc = CreateTemplateTupleDesc(DELTA_FIRST_COLUMN + mapping->ncolumns);

	for (int i = 0; i < mapping->ncolumns; i++)
	{
		const MappingColumn *column = &mapping->columns[i];
		AttrNumber	attnum = DELTA_FIRST_COLUMN + i + 1;
		char		name[NAMEDATALEN];

		snprintf(name, sizeof(name), "c%d", i + 1);
		TupleDescInitEntry(desc, attnum, name, column->type, column->typmod, 0);
		TupleDescInitEntryCollation(desc, attnum, column->collation);
	}
	return desc;
}

static TupleDesc
position_descriptor(void)
{
	TupleDesc	desc = CreateTemplateTupleDesc(DELTA_POSITION_COLUMNS);

	TupleDescInitEntry(desc, DELTA_COLUMN_SOURCE_TABLEOID + 1, "source_oid", OIDOID, -1, 0);
	TupleDescInitEntry(desc, DELTA_COLUMN_SOURCE_CTID + 1, "source_tid", TIDOID, -1, 0);
	return desc;
}

static TupleDesc
complete(TupleDesc desc)
{
	TupleDescInitEntry(desc, DELTA_COLUMN_TABLEOID + 1, "oid", OIDOID, -1, 0);
	TupleDescInitEntry(desc, DELTA_COLUMN_CTID + 1, "tid", TIDOID, -1, 0);
	complete_descriptor(desc);
	return desc;
}

static TupleDesc
create_descriptor(const Delta *delta)
{
	return complete(delta->by_position ? position_descriptor() :
					value_descriptor(delta->mapping));
}

/*
 * An empty delta in the current memory context, within work_mem as a whole;
 * rows that only the target has belong into it if asked for.
 */
Delta *
deltaetl_delta_create(const Mapping *mapping, bool with_deletes)
{
	Delta	   *delta = palloc0(sizeof(Delta));

	delta->mapping = mapping;
	delta->with_deletes = with_deletes;
	delta->by_position = mapping->by_fingerprint;
	delta->desc = create_descriptor(delta);
	delta->changed = palloc0(mapping->ncolumns * sizeof(bool));
	for (int i = 0; i < DELTA_STORES; i++)
		delta->rows[i] = tuplestore_begin_heap(true, false,
											   work_mem / DELTA_STORES);
	return delta;
}

/* Add a row whose values are laid out as the delta's columns are. */
void
deltaetl_delta_put(Delta *delta, int store, Datum *values, bool *isnull)
{
	tuplestore_putvalues(delta->rows[store], delta->desc, values, isnull);
	delta->count[store]++;
}

/*
 * Note whether an update changes a guarded column, of which a joined row has
 * both values.  By the bytes: keys that match may still differ, such as 1.0
 * and 1.00.
 */
void
deltaetl_delta_note_change(Delta *delta, int column, const TupleTableSlot *slot,
						   int source, int target)
{
	Form_pg_attribute att = TupleDescAttr(slot->tts_tupleDescriptor, source);

	if (slot->tts_isnull[source] != slot->tts_isnull[target] ||
		(!slot->tts_isnull[source] &&
		 !datum_image_eq(slot->tts_values[source], slot->tts_values[target],
						 att->attbyval, att->attlen)))
		delta->changed[column] = true;
}

/* Make the finished delta visible to queries. */
void
deltaetl_delta_register(Delta *delta)
{
	for (int i = 0; i < DELTA_STORES; i++)
		deltaetl_spi_register(store_names[i], delta->desc, delta->rows[i],
							  delta->count[i]);
}

/* Hide it again, to make another one visible. */
void
deltaetl_delta_unregister(void)
{
	for (int i = 0; i < DELTA_STORES; i++)
		deltaetl_spi_unregister(store_names[i]);
}

/* Put other rows into a store of a delta that is visible to queries. */
void
deltaetl_delta_replace(Delta *delta, int store, Tuplestorestate *rows,
					   uint64 count)
{
	deltaetl_spi_unregister(store_names[store]);
	tuplestore_end(delta->rows[store]);
	delta->rows[store] = rows;
	delta->count[store] = count;
	deltaetl_spi_register(store_names[store], delta->desc, rows, count);
}

static void
keep_row(TupleTableSlot *slot, void *arg)
{
	tuplestore_puttupleslot(arg, slot);
}

/* From here on rows of the source are in the delta by value. */
void
deltaetl_delta_forget_positions(Delta *delta)
{
	delta->by_position = false;
	delta->insert_rest = false;
	delta->desc = create_descriptor(delta);
}

/*
 * Whether rows of a partitioned source are fetched where they lie, as they are;
 * a query would look for each in every partition, or read all of them.
 */
static bool
fetches_rows(const Delta *delta)
{
	const Mapping *mapping = delta->mapping;

	for (int i = 0; i < mapping->ncolumns; i++)
		if (mapping->columns[i].recast)
			return false;
	return delta->by_position && !delta->insert_rest &&
		get_rel_relkind(mapping->source.relid) == RELKIND_PARTITIONED_TABLE &&
		deltaetl_is_free(mapping->source.leaves);
}

/* Put the row of the source that a row of the delta names into another store. */
static void
fetch_row(const Mapping *mapping, Leaves *sources, TupleTableSlot *row,
		  TupleDesc desc, Tuplestorestate *rows)
{
	Datum	   *values = palloc(desc->natts * sizeof(Datum));
	bool	   *isnull = palloc(desc->natts * sizeof(bool));
	TupleTableSlot *fetched;
	Leaf	   *leaf;

	slot_getallattrs(row);
	memcpy(values, row->tts_values, DELTA_FIRST_COLUMN * sizeof(Datum));
	memcpy(isnull, row->tts_isnull, DELTA_FIRST_COLUMN * sizeof(bool));
	leaf = deltaetl_leaf(sources, DatumGetObjectId(row->tts_values[DELTA_COLUMN_SOURCE_TABLEOID]));
	fetched = deltaetl_leaf_fetch(leaf, (ItemPointer)
								  DatumGetPointer(row->tts_values[DELTA_COLUMN_SOURCE_CTID]));
	for (int i = 0; i < mapping->ncolumns; i++)
	{
		values[DELTA_FIRST_COLUMN + i] = fetched->tts_values[mapping->columns[i].source_attnum - 1];
		isnull[DELTA_FIRST_COLUMN + i] = fetched->tts_isnull[mapping->columns[i].source_attnum - 1];
	}
	tuplestore_putvalues(rows, desc, values, isnull);
	pfree(values);
	pfree(isnull);
}

static void
fetch_rows(const Delta *delta, DeltaAction action, Tuplestorestate *rows)
{
	TupleDesc	desc = complete(value_descriptor(delta->mapping));
	TupleTableSlot *row = MakeSingleTupleTableSlot(delta->desc, &TTSOpsMinimalTuple);
	Leaves	   *sources = deltaetl_leaves_create(NULL, NULL);

	tuplestore_rescan(delta->rows[action]);
	while (tuplestore_gettupleslot(delta->rows[action], true, false, row))
	{
		CHECK_FOR_INTERRUPTS();
		fetch_row(delta->mapping, sources, row, desc, rows);
	}
	deltaetl_leaves_close(sources);
	ExecDropSingleTupleTableSlot(row);
}

/*
 * Make of positions of the source's rows the rows themselves, before anything
 * is written: what reads the source later could see what triggers have done
 * to it meanwhile, and a scope what the run itself has done.
 */
void
deltaetl_delta_take_values(Delta *delta)
{
	Tuplestorestate *rows[DELTA_STORES] = {NULL};
	bool		fetches = fetches_rows(delta);

	for (DeltaAction action = DELTA_UPDATE; action <= DELTA_INSERT; action++)
	{
		rows[action] = tuplestore_begin_heap(true, false, work_mem / DELTA_STORES);
		if (delta->count[action] > 0 && fetches)
			fetch_rows(delta, action, rows[action]);
		else if (delta->count[action] > 0)
			deltaetl_spi_select(deltaetl_rows_query(delta, action), delta->mapping,
								keep_row, rows[action]);
	}
	deltaetl_delta_forget_positions(delta);
	for (DeltaAction action = DELTA_UPDATE; action <= DELTA_INSERT; action++)
		deltaetl_delta_replace(delta, action, rows[action], delta->count[action]);
}

/*
 * Whether rows of the source are best taken before an action that reads them
 * again by SQL, although they could be read then.
 */
bool
deltaetl_delta_fetches(const Delta *delta, DeltaAction action)
{
	return action != DELTA_DELETE && fetches_rows(delta);
}

/* Take them for an action and those after it; those before it are done. */
void
deltaetl_delta_fetch(Delta *delta, DeltaAction first)
{
	for (DeltaAction action = DELTA_UPDATE; action < first; action++)
		tuplestore_clear(delta->rows[action]);
	deltaetl_delta_take_values(delta);
}

/* Give back its temporary files, which do not go with the memory context. */
void
deltaetl_delta_free(Delta *delta)
{
	for (int i = 0; i < DELTA_STORES; i++)
		tuplestore_end(delta->rows[i]);
}
