/*-------------------------------------------------------------------------
 *
 * overtaken.c
 *	  Rows of the delta that others have changed before they were locked.
 *
 * With lock_mode => 'row' others go on writing to the target.  So the rows to
 * delete and update are locked before the first one is written: a row that
 * still is as the run has seen it stays so, and anything that writes the delta
 * can rely on it.  A row that is not, has been overtaken.  It is taken out of
 * the delta, locked as it is now, and looked at again under a newer snapshot,
 * with the values that the source had in the run's.  So is a row to insert
 * whose key others have inserted, which only turns out when it is inserted.
 *
 * Since an overtaken row is locked when it is looked at, that comes to an end,
 * however often others write to it; unless they delete it and insert it again.
 *
 * A row whose key others have changed is a new one under another key.  Whether
 * the source has that one is not known, so where rows that the source lacks
 * are to be deleted, it is an error.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "deltaetl.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "query.h"
#include "utils/datum.h"
#include "utils/snapmgr.h"

/* ---------- when ---------- */

static const char *
say_obstacle(const Mapping *mapping)
{
	if (mapping->ctid_obstacle.kind == OBSTACLE_PRIVILEGE)
		return "The current user may not read all of its columns, and with them not where its rows are.";
	if (mapping->target.is_foreign)
		return "It is a foreign table.";
	if (!mapping->by_ctid)
		return "Some of its rows lie in foreign tables.";
	switch (mapping->arbiter_obstacle.kind)
	{
		case OBSTACLE_DEFERRABLE:
			return "The index of its key is deferrable, so others could insert the same keys.";
		case OBSTACLE_CHILDREN:
			return "It has children, which no index keeps from having the same keys.";
		default:
			return "It has no unique index over just the columns of the key, all of them NOT NULL, so others could insert the same keys.";
	}
}

/*
 * Raise an error if rows cannot be locked, or if others could insert a key
 * that the run inserts as well.
 */
void
deltaetl_check_row_locks(const Mapping *mapping)
{
	if (mapping->by_ctid && deltaetl_is_free(mapping->arbiter_obstacle))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("rows of \"%s\" cannot be locked one by one", mapping->target.name),
			 errdetail_internal("%s", say_obstacle(mapping)),
			 errhint("Use lock_mode => 'table'.")));
}

/* ---------- reports ---------- */

static TupleTableSlot *
create_key_slot(const Mapping *mapping)
{
	TupleDesc	desc = CreateTemplateTupleDesc(mapping->nkeys);

	for (int i = 0; i < mapping->nkeys; i++)
		TupleDescInitEntry(desc, i + 1, NULL, mapping->columns[i].type,
						   mapping->columns[i].typmod, 0);
	return MakeSingleTupleTableSlot(desc, &TTSOpsVirtual);
}

static void
report_key(const Mapping *mapping, const Datum *values, const bool *isnull)
{
	TupleTableSlot *slot = create_key_slot(mapping);
	StringInfo	key = makeStringInfo();

	memcpy(slot->tts_values, values, mapping->nkeys * sizeof(Datum));
	memcpy(slot->tts_isnull, isnull, mapping->nkeys * sizeof(bool));
	deltaetl_describe_key(key, mapping, ExecStoreVirtualTuple(slot));
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("could not serialize access to \"%s\" due to concurrent changes",
					mapping->target.name),
			 errdetail("Others have changed the row with the key %s while it was to be written.",
					   key->data),
			 errhint("Try again, or use lock_mode => 'table'.")));
}

/* Give up on rows that are overtaken again and again. */
void
deltaetl_report_overtaken(const Delta *overtaken)
{
	DeltaAction action = overtaken->count[DELTA_UPDATE] > 0 ? DELTA_UPDATE : DELTA_DELETE;
	TupleTableSlot *row = MakeSingleTupleTableSlot(overtaken->desc, &TTSOpsMinimalTuple);

	tuplestore_rescan(overtaken->rows[action]);
	if (!tuplestore_gettupleslot(overtaken->rows[action], true, false, row))
		elog(ERROR, "no row of \"%s\" has been overtaken", overtaken->mapping->target.name);
	slot_getallattrs(row);
	report_key(overtaken->mapping, row->tts_values + DELTA_FIRST_COLUMN,
			   row->tts_isnull + DELTA_FIRST_COLUMN);
}

/* ---------- locking ---------- */

/* One of the target's tables, of which rows are locked. */
typedef struct LockedTable
{
	Relation	rel;			/* NULL: none yet */
	AttrNumber *key;
	TupleTableSlot *seen;		/* a row as the run has seen it */
	TupleTableSlot *current;	/* and as it is now */
} LockedTable;

static void
close_table(LockedTable *table)
{
	if (table->rel == NULL)
		return;
	ExecDropSingleTupleTableSlot(table->seen);
	ExecDropSingleTupleTableSlot(table->current);
	pfree(table->key);
	table_close(table->rel, NoLock);
	table->rel = NULL;
}

/* Rows come table by table, as a rule. */
static void
open_table(LockedTable *table, const Mapping *mapping, Oid relid)
{
	if (table->rel != NULL && RelationGetRelid(table->rel) == relid)
		return;
	close_table(table);
	table->rel = table_open(relid, NoLock);
	table->key = palloc(mapping->nkeys * sizeof(AttrNumber));
	for (int i = 0; i < mapping->nkeys; i++)
		table->key[i] = deltaetl_column_number(table->rel, mapping->columns[i].name);
	table->seen = table_slot_create(table->rel, NULL);
	table->current = table_slot_create(table->rel, NULL);
}

/* By its bytes; whoever changes those has written to the key. */
static bool
key_has_changed(const LockedTable *table, const Mapping *mapping)
{
	for (int i = 0; i < mapping->nkeys; i++)
	{
		Form_pg_attribute att = TupleDescAttr(RelationGetDescr(table->rel), table->key[i] - 1);
		bool		isnull[2];
		Datum		seen = slot_getattr(table->seen, table->key[i], &isnull[0]);
		Datum		current = slot_getattr(table->current, table->key[i], &isnull[1]);

		if (isnull[0] != isnull[1] ||
			(!isnull[0] && !datum_image_eq(seen, current, att->attbyval, att->attlen)))
			return true;
	}
	return false;
}

static void
report_seen_key(const LockedTable *table, const Mapping *mapping)
{
	Datum	   *values = palloc(mapping->nkeys * sizeof(Datum));
	bool	   *isnull = palloc(mapping->nkeys * sizeof(bool));

	for (int i = 0; i < mapping->nkeys; i++)
		values[i] = slot_getattr(table->seen, table->key[i], &isnull[i]);
	report_key(mapping, values, isnull);
}

/*
 * Lock a row as it is now; those that others are writing to are waited for.
 * That follows its versions, which the snapshot keeps from being removed, but
 * not into other partitions.  Where the snapshot is the transaction's, the
 * first version is the last.
 */
static TM_Result
lock_tuple(LockedTable *table, ItemPointer tid, DeltaAction action)
{
	TM_FailureData failure;
	Snapshot	snapshot = GetActiveSnapshot();
	LockTupleMode mode = action == DELTA_DELETE ? LockTupleExclusive : LockTupleNoKeyExclusive;

	for (;;)
	{
		TM_Result	result = table_tuple_lock(table->rel, tid, snapshot, table->current,
											  snapshot->curcid, mode, LockWaitBlock,
											  0, &failure);

		if (result != TM_Updated || IsolationUsesXactSnapshot() ||
			ItemPointerIndicatesMovedPartitions(&failure.ctid))
			return result;
		*tid = failure.ctid;
	}
}

/* The run itself has changed a row that it has yet to write. */
static void
report_own_change(const Mapping *mapping)
{
	ereport(ERROR,
			(errcode(ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION),
			 errmsg("a row of \"%s\" has been changed before it was to be written",
					mapping->target.name),
			 errdetail("Functions that the source, the scope or the definition of the table calls have written to it meanwhile.")));
}

/* Raise an error if a row that has been overtaken cannot be looked at again. */
static void
check_overtaken(LockedTable *table, const Delta *delta, TM_Result result)
{
	const Mapping *mapping = delta->mapping;

	if (result != TM_Ok && result != TM_Updated && result != TM_Deleted)
		report_own_change(mapping);
	if (IsolationUsesXactSnapshot())
		report_seen_key(table, mapping);
	if (!delta->with_deletes || result == TM_Deleted)
		return;
	if (result == TM_Updated || key_has_changed(table, mapping))
		report_seen_key(table, mapping);
}

/* Lock a row of the target; false if it is not as the run has seen it. */
static bool
lock_row(LockedTable *table, const Delta *delta, ItemPointerData tid, DeltaAction action)
{
	ItemPointerData current = tid;
	TM_Result	result = lock_tuple(table, &current, action);

	if (result == TM_Ok && ItemPointerEquals(&current, &tid))
		return true;
	if (!table_tuple_fetch_row_version(table->rel, &tid, GetActiveSnapshot(), table->seen))
		elog(ERROR, "row (%u,%u) of \"%s\" is not where it was seen",
			 ItemPointerGetBlockNumber(&tid), ItemPointerGetOffsetNumber(&tid),
			 RelationGetRelationName(table->rel));
	check_overtaken(table, delta, result);
	return false;
}

/*
 * Add a row to delete.  By its position it may come from a delta that kept
 * something else beside that; an overtaken one is looked up by its key.
 */
static void
put_delete(const LockedTable *table, Delta *delta, Tuplestorestate *rows,
		   Datum relid, Datum tid, bool with_key)
{
	int			natts = delta->desc->natts;
	Datum	   *values = palloc0(natts * sizeof(Datum));
	bool	   *isnull = palloc(natts * sizeof(bool));

	memset(isnull, true, natts * sizeof(bool));
	values[DELTA_COLUMN_TABLEOID] = relid;
	values[DELTA_COLUMN_CTID] = tid;
	isnull[DELTA_COLUMN_TABLEOID] = isnull[DELTA_COLUMN_CTID] = false;
	for (int i = 0; with_key && i < delta->mapping->nkeys; i++)
		values[DELTA_FIRST_COLUMN + i] =
			slot_getattr(table->seen, table->key[i], &isnull[DELTA_FIRST_COLUMN + i]);
	tuplestore_putvalues(rows, delta->desc, values, isnull);
	pfree(values);
	pfree(isnull);
}

/*
 * Lock the row of the target that one of the delta is about, and put that one
 * where it belongs: to those kept, or to those overtaken.
 */
static void
sort_row(LockedTable *table, Delta *delta, DeltaAction action,
		 TupleTableSlot *row, Tuplestorestate *kept, Delta *overtaken)
{
	bool		isnull;
	Datum		relid = slot_getattr(row, DELTA_COLUMN_TABLEOID + 1, &isnull);
	Datum		tid = slot_getattr(row, DELTA_COLUMN_CTID + 1, &isnull);
	bool		keep;

	open_table(table, delta->mapping, DatumGetObjectId(relid));
	keep = lock_row(table, delta, *((ItemPointer) DatumGetPointer(tid)), action);
	if (action == DELTA_DELETE)
		put_delete(table, delta, keep ? kept : overtaken->rows[action], relid, tid, !keep);
	else
		tuplestore_puttupleslot(keep ? kept : overtaken->rows[action], row);
	if (!keep)
		overtaken->count[action]++;
	ExecClearTuple(table->seen);
	ExecClearTuple(table->current);
}

/* Lock the rows of an action; those that others have changed are overtaken. */
static void
lock_rows(Delta *delta, DeltaAction action, Delta *overtaken)
{
	Tuplestorestate *kept = tuplestore_begin_heap(true, false, work_mem / DELTA_STORES);
	TupleTableSlot *row = MakeSingleTupleTableSlot(delta->desc, &TTSOpsMinimalTuple);
	LockedTable table = {0};

	tuplestore_rescan(delta->rows[action]);
	while (tuplestore_gettupleslot(delta->rows[action], true, false, row))
	{
		CHECK_FOR_INTERRUPTS();
		sort_row(&table, delta, action, row, kept, overtaken);
	}
	close_table(&table);
	ExecDropSingleTupleTableSlot(row);
	deltaetl_delta_replace(delta, action, kept, tuplestore_tuple_count(kept));
}

static Delta *
create_delta(const Delta *like)
{
	Delta	   *delta = deltaetl_delta_create(like->mapping, like->with_deletes);

	deltaetl_delta_forget_positions(delta);
	delta->lock_rows = true;
	return delta;
}

/*
 * Lock the rows of a delta, which has them by value; those that others have
 * changed are taken out of it and returned, as rows to update or delete.
 */
Delta *
deltaetl_lock_rows(Delta *delta)
{
	Delta	   *overtaken = create_delta(delta);

	for (DeltaAction action = DELTA_DELETE; action <= DELTA_UPDATE; action++)
		if (delta->count[action] > 0)
			lock_rows(delta, action, overtaken);
	return overtaken;
}

/* ---------- looking again ---------- */

typedef struct NotInserted
{
	Delta	   *delta;
	Delta	   *overtaken;
	uint64		missing;		/* keys that are not there now */
	Tuplestorestate *missing_rows;
} NotInserted;

/*
 * A row that others have inserted has another transaction's number.  One that
 * is not there has been deleted again, or a trigger has kept it away.
 */
static void
note_not_inserted(TupleTableSlot *slot, void *arg)
{
	NotInserted *rows = arg;
	int			xmin = DELTA_FIRST_COLUMN + rows->delta->mapping->ncolumns;
	Tuplestorestate *store = rows->overtaken->rows[DELTA_UPDATE];

	slot_getallattrs(slot);
	if (slot->tts_isnull[xmin])
	{
		store = rows->missing_rows;
		rows->missing++;
	}
	else if (TransactionIdIsCurrentTransactionId(DatumGetTransactionId(slot->tts_values[xmin])))
		return;
	else
		rows->overtaken->count[DELTA_UPDATE]++;
	tuplestore_putvalues(store, rows->delta->desc, slot->tts_values, slot->tts_isnull);
}

/* Others have inserted keys, and deleted them again: they are tried once more. */
static void
take_missing(NotInserted *rows)
{
	TupleTableSlot *row = MakeSingleTupleTableSlot(rows->delta->desc, &TTSOpsMinimalTuple);

	while (tuplestore_gettupleslot(rows->missing_rows, true, false, row))
		tuplestore_puttupleslot(rows->overtaken->rows[DELTA_UPDATE], row);
	rows->overtaken->count[DELTA_UPDATE] += rows->missing;
	ExecDropSingleTupleTableSlot(row);
}

/*
 * Some rows of the delta have not been inserted, because that many of their keys
 * were there.  Take those that others have inserted for overtaken.
 */
void
deltaetl_note_not_inserted(Delta *delta, Delta *overtaken, uint64 conflicts)
{
	uint64		before = overtaken->count[DELTA_UPDATE];
	NotInserted rows = {.delta = delta,.overtaken = overtaken};
	uint64		found;

	if (conflicts == 0)
		return;
	rows.missing_rows = tuplestore_begin_heap(true, false, work_mem / DELTA_STORES);
	deltaetl_spi_select(deltaetl_not_inserted_query(delta->mapping), delta->mapping,
						note_not_inserted, &rows);
	found = overtaken->count[DELTA_UPDATE] - before;
	if (found + rows.missing < conflicts)
		ereport(ERROR,
				(errcode(ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION),
				 errmsg("rows of \"%s\" were not inserted because the run itself has written their keys",
						delta->mapping->target.name),
				 errdetail("Triggers of the table have inserted rows with these keys, or given them to others.")));
	if (found < conflicts)
		take_missing(&rows);
	delta->count[DELTA_INSERT] -= overtaken->count[DELTA_UPDATE] - before;
	tuplestore_end(rows.missing_rows);
}

/* A row that is out of scope now stays an error, when the run is tried again. */
static void
take_row(TupleTableSlot *slot, void *arg)
{
	Delta	   *delta = arg;
	int			in_scope = slot->tts_tupleDescriptor->natts - 1;
	const Datum *values;

	slot_getallattrs(slot);
	values = slot->tts_values + JOIN_DELTA_ROW + DELTA_FIRST_COLUMN;
	if (!slot->tts_isnull[JOIN_IN_TARGET] &&
		(slot->tts_isnull[in_scope] || !DatumGetBool(slot->tts_values[in_scope])))
		report_key(delta->mapping, values,
				   slot->tts_isnull + JOIN_DELTA_ROW + DELTA_FIRST_COLUMN);
	deltaetl_take_joined(delta, slot, deltaetl_note_joined);
}

/*
 * Make of overtaken rows the delta under the current snapshot, which queries
 * see in place of the one before; NULL if there are none.
 */
Delta *
deltaetl_look_again(Delta *overtaken)
{
	Delta	   *delta;

	if (overtaken->count[DELTA_DELETE] + overtaken->count[DELTA_UPDATE] == 0)
	{
		deltaetl_delta_free(overtaken);
		return NULL;
	}
	delta = create_delta(overtaken);
	deltaetl_delta_unregister();
	deltaetl_delta_register(overtaken);
	for (DeltaAction action = DELTA_DELETE; action <= DELTA_UPDATE; action++)
		if (overtaken->count[action] > 0)
			deltaetl_spi_select(deltaetl_overtaken_query(overtaken->mapping, action),
								overtaken->mapping, take_row, delta);
	deltaetl_delta_unregister();
	deltaetl_delta_free(overtaken);
	deltaetl_delta_register(delta);
	return delta;
}
