/*-------------------------------------------------------------------------
 *
 * delta.c
 *	  The delta: rows to delete, update and insert, kept in tuplestores.
 *
 * A tuplestore goes to a temporary file when it outgrows its memory, and SQL
 * can read it under a name; so the delta takes no more than work_mem, and no
 * temporary table, which would leave dead rows in the catalogs at each run.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "deltaetl.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"

static const char *const delta_names[DELTA_ACTIONS] = {
	"deltaetl_delete", "deltaetl_update", "deltaetl_insert"
};

const char *
deltaetl_delta_name(DeltaAction action)
{
	return delta_names[action];
}

static TupleDesc
delta_descriptor(const Mapping *mapping)
{
	TupleDesc	desc = CreateTemplateTupleDesc(DELTA_FIRST_COLUMN + mapping->ncolumns);

	TupleDescInitEntry(desc, DELTA_COLUMN_TABLEOID + 1, "oid", OIDOID, -1, 0);
	TupleDescInitEntry(desc, DELTA_COLUMN_CTID + 1, "tid", TIDOID, -1, 0);
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
	delta->desc = delta_descriptor(mapping);
	delta->changed = palloc0(mapping->ncolumns * sizeof(bool));
	for (int i = 0; i < DELTA_ACTIONS; i++)
		delta->rows[i] = tuplestore_begin_heap(true, false,
											   work_mem / DELTA_ACTIONS);
	return delta;
}

/* Add a row whose values are laid out as the delta's columns are. */
void
deltaetl_delta_put(Delta *delta, DeltaAction action, Datum *values,
				   bool *isnull)
{
	tuplestore_putvalues(delta->rows[action], delta->desc, values, isnull);
	delta->count[action]++;
}

/* Make the finished delta visible to queries. */
void
deltaetl_delta_register(Delta *delta)
{
	for (int i = 0; i < DELTA_ACTIONS; i++)
		deltaetl_spi_register(delta_names[i], delta->desc, delta->rows[i],
							  delta->count[i]);
}

/* Give back its temporary files, which do not go with the memory context. */
void
deltaetl_delta_free(Delta *delta)
{
	for (int i = 0; i < DELTA_ACTIONS; i++)
		tuplestore_end(delta->rows[i]);
}
