/*-------------------------------------------------------------------------
 *
 * direct.c
 *	  Writing the delta without a plan, where nothing is lost by that.
 *
 * An UPDATE by position joins the delta with both tables, and an INSERT
 * handles each row as if it were the only one.  Where the target is an
 * ordinary table without triggers of its users, its rows can be written by the
 * functions that logical replication and COPY use for that: constraints,
 * generated columns, indexes and foreign keys are the executor's work there
 * as well.  Rows to insert go in batches, as COPY has them.
 *
 * A statement that names rows of a partitioned table by their position reads
 * all partitions, or looks for each row in each of them.  So these are updated
 * and deleted here where they lie, unless an update could move them.
 *
 * Anything else (user triggers, row security, defaults to fill in) takes the
 * way of the statements in apply.c.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "deltaetl.h"

#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "batch.h"
#include "catalog/pg_class.h"
#include "changelog.h"
#include "compare.h"
#include "executor/executor.h"
#include "leaves.h"
#include "miscadmin.h"
#include "progress.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"

#include "compat.h"

/* ---------- when ---------- */

static bool
is_partitioned(Oid relid)
{
	return get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE;
}

/* The target has to be simple. */
static Obstacle
obstacle_in_target(const Mapping *mapping, Relation target)
{
	ObstacleKind kind = NO_OBSTACLE;
	bool		partitioned = is_partitioned(RelationGetRelid(target));

	if (mapping->target.is_foreign)
		kind = OBSTACLE_FOREIGN_TABLE;
	else if (!partitioned && target->rd_rel->relhassubclass)
		kind = OBSTACLE_CHILDREN;
	else if (mapping->target_has_triggers)
		kind = OBSTACLE_TRIGGERS;
	else if (partitioned && !deltaetl_is_free(mapping->target.leaves))
		return mapping->target.leaves;
	else if (!partitioned && target->rd_tableam != GetHeapamTableAmRoutine())
		kind = OBSTACLE_ACCESS_METHOD;
	else if (has_virtual_columns(RelationGetDescr(target)))
		kind = OBSTACLE_VIRTUAL;
	else if (check_enable_rls(RelationGetRelid(target), InvalidOid, true) == RLS_ENABLED)
		kind = OBSTACLE_ROW_SECURITY;
	return deltaetl_obstacle(kind, mapping->target.quoted);
}

/*
 * For updates, rows of the source are fetched by their position and used as
 * they are; for those of partitions, the values that the delta has will do.
 */
static Obstacle
obstacle_in_source(const Delta *delta)
{
	const Mapping *mapping = delta->mapping;
	const MappingSide *source = &mapping->source;
	char		relkind = get_rel_relkind(source->relid);

	for (int i = 0; i < mapping->ncolumns; i++)
		if (mapping->columns[i].recast)
			return deltaetl_obstacle(OBSTACLE_RECAST, mapping->columns[i].quoted);
	if (!delta->by_position)
		return deltaetl_obstacle(mapping->by_ctid && is_partitioned(mapping->target.relid) ?
								 NO_OBSTACLE : OBSTACLE_BY_VALUE, NULL);
	if (relkind == RELKIND_PARTITIONED_TABLE)
		return source->leaves;
	return deltaetl_obstacle(source->has_children ? OBSTACLE_CHILDREN : NO_OBSTACLE,
							 source->quoted);
}

/* For updates of a partitioned table, no row may move to another partition. */
static Obstacle
obstacle_in_partition_key(const Delta *delta)
{
	const Mapping *mapping = delta->mapping;
	const Bitmapset *columns = mapping->target.partition_columns;

	for (int i = 0; i < mapping->ncolumns; i++)
		if (deltaetl_is_written(delta, i) &&
			(bms_is_member(mapping->columns[i].attnum, columns) ||
			 bms_is_member(0, columns)))
			return deltaetl_obstacle(OBSTACLE_PARTITION_KEY, mapping->columns[i].quoted);
	return deltaetl_obstacle(NO_OBSTACLE, NULL);
}

/*
 * For inserts, partitions are chosen by the executor, and each column that
 * is stored has to get its value from the source.
 */
static Obstacle
obstacle_to_inserts(const Mapping *mapping, Relation target)
{
	const char *unmapped = deltaetl_unmapped_column(mapping, target);

	if (is_partitioned(RelationGetRelid(target)))
		return deltaetl_obstacle(OBSTACLE_PARTITIONED, mapping->target.quoted);
	return deltaetl_obstacle(unmapped ? OBSTACLE_NOT_MAPPED : NO_OBSTACLE, unmapped);
}

/* What keeps the rows of an action from being written directly. */
Obstacle
deltaetl_obstacle_to_direct(const Delta *delta, DeltaAction action)
{
	Relation	target = table_open(delta->mapping->target.relid, NoLock);
	Obstacle	obstacle = delta->lock_rows ? deltaetl_obstacle(OBSTACLE_ROW_LOCKS, NULL) :
	obstacle_in_target(delta->mapping, target);

	if (deltaetl_is_free(obstacle) && action == DELTA_DELETE)
		obstacle.kind = is_partitioned(RelationGetRelid(target)) &&
			delta->mapping->by_ctid ? NO_OBSTACLE : OBSTACLE_DELETE;
	if (deltaetl_is_free(obstacle) && action == DELTA_UPDATE)
		obstacle = obstacle_in_source(delta);
	if (deltaetl_is_free(obstacle) && action == DELTA_UPDATE)
		obstacle = obstacle_in_partition_key(delta);
	if (deltaetl_is_free(obstacle) && action == DELTA_INSERT)
		obstacle = obstacle_to_inserts(delta->mapping, target);
	table_close(target, NoLock);
	return obstacle;
}

/* Whether the rows of an action can be written directly. */
bool
deltaetl_can_apply_directly(const Delta *delta, DeltaAction action)
{
	return deltaetl_is_free(deltaetl_obstacle_to_direct(delta, action));
}

/* ---------- writing ---------- */

/* What it takes to write to the target. */
typedef struct Writer
{
	const Delta *delta;
	ChangeLog  *log;			/* of updates, or NULL */
	Relation	target;
	EState	   *estate;
	ResultRelInfo *result;
	EPQState	epqstate;
	Leaves	   *leaves;			/* that rows are updated or deleted in */
	Batch	   *batch;			/* of inserts */
	uint64		written;
} Writer;

/*
 * As logical replication does it before it writes to a table, but with the
 * rights of the caller, which are checked as for a statement.
 */
static Writer *
begin_writing(const Delta *delta, DeltaAction action, ChangeLog *log)
{
	static const AclMode rights[] = {ACL_DELETE, ACL_UPDATE, ACL_INSERT};
	const Mapping *mapping = delta->mapping;
	Writer	   *writer = palloc0(sizeof(Writer));
	Bitmapset  *columns = NULL;

	for (int i = 0; i < mapping->ncolumns && action != DELTA_DELETE; i++)
		if (action == DELTA_UPDATE ? deltaetl_is_written(delta, i) :
			!mapping->columns[i].generated)
			columns = bms_add_member(columns, mapping->columns[i].attnum -
									 FirstLowInvalidHeapAttributeNumber);

	CommandCounterIncrement();
	writer->delta = delta;
	writer->log = log;
	writer->target = table_open(mapping->target.relid, RowExclusiveLock);
	writer->estate = CreateExecutorState();
	writer->estate->es_snapshot = GetActiveSnapshot();
	writer->estate->es_output_cid = GetCurrentCommandId(true);
	init_range_table(writer->estate, writer->target, rights[action], columns);
	writer->result = makeNode(ResultRelInfo);
	InitResultRelInfo(writer->result, writer->target, 1, NULL, 0);
	writer->estate->es_opened_result_relations = list_make1(writer->result);
	init_epq_state(&writer->epqstate, writer->estate);
	return writer;
}

static void
end_writing(Writer *writer)
{
	ExecResetTupleTable(writer->estate->es_tupleTable, false);
	FreeExecutorState(writer->estate);
	table_close(writer->target, NoLock);
}

/* Do something with each row that the delta has of an action. */
static void
write_rows(Writer *writer, DeltaAction action,
		   void (*write_row) (Writer *writer, TupleTableSlot *row, void *arg), void *arg)
{
	Tuplestorestate *rows = writer->delta->rows[action];
	TupleTableSlot *row = MakeSingleTupleTableSlot(writer->delta->desc, &TTSOpsMinimalTuple);
	MemoryContext oldcontext = CurrentMemoryContext;

	writer->leaves = deltaetl_leaves_create(writer->estate, writer->result);
	tuplestore_rescan(rows);
	while (tuplestore_gettupleslot(rows, true, false, row))
	{
		CHECK_FOR_INTERRUPTS();
		MemoryContextSwitchTo(GetPerTupleMemoryContext(writer->estate));
		write_row(writer, row, arg);
		deltaetl_progress_advance(1);
		MemoryContextSwitchTo(oldcontext);
		ResetPerTupleExprContext(writer->estate);
	}
	deltaetl_leaves_close(writer->leaves);
	ExecDropSingleTupleTableSlot(row);
}

/* The table that a column of the delta names, and its row that the next one does. */
static Leaf *
fetch_row(Leaves *leaves, TupleTableSlot *row, int column)
{
	bool		isnull;
	Leaf	   *leaf = deltaetl_leaf(leaves, DatumGetObjectId(slot_getattr(row, column + 1, &isnull)));

	(void) deltaetl_leaf_fetch(leaf, (ItemPointer) DatumGetPointer(slot_getattr(row, column + 2, &isnull)));
	return leaf;
}

/* ---------- delete ---------- */

static void
delete_row(Writer *writer, TupleTableSlot *row, void *arg)
{
	Leaf	   *leaf = fetch_row(writer->leaves, row, DELTA_COLUMN_TABLEOID);

	ExecSimpleRelationDelete(leaf->result, writer->estate, &writer->epqstate, leaf->slot);
	if (writer->log != NULL)
		deltaetl_changelog_add(writer->log, DELTA_DELETE, leaf->slot, NULL);
	writer->written++;
}

/* Delete the rows that the delta names; returns how many. */
uint64
deltaetl_direct_delete(const Delta *delta, ChangeLog *log)
{
	Writer	   *writer = begin_writing(delta, DELTA_DELETE, log);

	write_rows(writer, DELTA_DELETE, delete_row, NULL);
	end_writing(writer);
	return writer->written;
}

/* ---------- update ---------- */

/*
 * The target's row with the columns that are written taken from a row of the
 * source, or of the delta if that has them.
 */
static void
merge_rows(const Delta *delta, TupleTableSlot *merged,
		   const TupleTableSlot *target, const TupleTableSlot *source)
{
	const Mapping *mapping = delta->mapping;
	int			natts = merged->tts_tupleDescriptor->natts;

	ExecClearTuple(merged);
	memcpy(merged->tts_values, target->tts_values, natts * sizeof(Datum));
	memcpy(merged->tts_isnull, target->tts_isnull, natts * sizeof(bool));
	for (int i = 0; i < mapping->ncolumns; i++)
	{
		int			to = mapping->columns[i].attnum - 1;
		int			from = delta->by_position ?
		mapping->columns[i].source_attnum - 1 : DELTA_FIRST_COLUMN + i;

		if (!deltaetl_is_written(delta, i))
			continue;
		merged->tts_values[to] = source->tts_values[from];
		merged->tts_isnull[to] = source->tts_isnull[from];
	}
	ExecStoreVirtualTuple(merged);
	merged->tts_tableOid = target->tts_tableOid;
}

static RowValues
row_values(const TupleTableSlot *slot)
{
	RowValues	row = {slot->tts_values, slot->tts_isnull};

	return row;
}

/* What it takes to update rows. */
typedef struct Update
{
	Leaves	   *sources;		/* that rows of the source are fetched from */
	RowComparer *comparer;		/* of rows that may be the same, or NULL */
	TupleTableSlot *merged;
} Update;

static void
update_row(Writer *writer, TupleTableSlot *row, void *arg)
{
	const Update *update = arg;
	Leaf	   *leaf = fetch_row(writer->leaves, row, DELTA_COLUMN_TABLEOID);
	TupleTableSlot *source = row;

	if (writer->delta->by_position)
		source = fetch_row(update->sources, row, DELTA_COLUMN_SOURCE_TABLEOID)->slot;
	else
		slot_getallattrs(row);
	if (update->comparer != NULL &&
		deltaetl_rows_are_same(update->comparer, row_values(leaf->slot),
							   row_values(source)))
		return;
	merge_rows(writer->delta, update->merged, leaf->slot, source);
	ExecSimpleRelationUpdate(leaf->result, writer->estate, &writer->epqstate,
							 leaf->slot, update->merged);
	if (writer->log != NULL)
		deltaetl_changelog_add(writer->log, DELTA_UPDATE, leaf->slot, update->merged);
	writer->written++;
}

/*
 * Update the rows that the delta names; returns how many.  If those may still
 * turn out to be the same, the delta is corrected.
 */
uint64
deltaetl_direct_update(Delta *delta, ChangeLog *log)
{
	Writer	   *writer = begin_writing(delta, DELTA_UPDATE, log);
	Update		update = {.sources = deltaetl_leaves_create(NULL, NULL)};

	if (delta->unconfirmed)
		update.comparer = deltaetl_comparer_create(RelationGetDescr(writer->target));
	update.merged = MakeSingleTupleTableSlot(RelationGetDescr(writer->target), &TTSOpsVirtual);
	write_rows(writer, DELTA_UPDATE, update_row, &update);
	if (delta->unconfirmed)
	{
		delta->count[DELTA_UPDATE] = writer->written;
		deltaetl_comparer_free(update.comparer);
	}
	ExecDropSingleTupleTableSlot(update.merged);
	deltaetl_leaves_close(update.sources);
	end_writing(writer);
	return writer->written;
}

/* ---------- insert ---------- */

/* Check a row as the executor does before it inserts it. */
static void
check_row(Writer *writer, TupleTableSlot *slot)
{
	TupleConstr *constraints = RelationGetDescr(writer->target)->constr;

	if (constraints != NULL && constraints->has_generated_stored)
		ExecComputeStoredGenerated(writer->result, writer->estate, slot, CMD_INSERT);
	if (constraints != NULL)
		ExecConstraints(writer->result, slot, writer->estate);
	if (writer->target->rd_rel->relispartition)
		ExecPartitionCheck(writer->result, slot, writer->estate, true);
}

/* Take a row of the query, which has the mapping's columns in order. */
static void
take_row(TupleTableSlot *row, void *arg)
{
	Writer	   *writer = arg;
	const Mapping *mapping = writer->delta->mapping;
	TupleTableSlot *slot = deltaetl_batch_slot(writer->batch);
	MemoryContext oldcontext;

	slot_getallattrs(row);
	for (int i = 0; i < mapping->ncolumns; i++)
	{
		int			to = mapping->columns[i].attnum - 1;

		if (mapping->columns[i].generated)
			continue;
		slot->tts_values[to] = row->tts_values[i];
		slot->tts_isnull[to] = row->tts_isnull[i];
	}
	ExecStoreVirtualTuple(slot);
	slot->tts_tableOid = RelationGetRelid(writer->target);
	oldcontext = MemoryContextSwitchTo(GetPerTupleMemoryContext(writer->estate));
	check_row(writer, slot);
	ExecMaterializeSlot(slot);
	MemoryContextSwitchTo(oldcontext);
	ResetPerTupleExprContext(writer->estate);
	deltaetl_batch_add(writer->batch, ((HeapTupleTableSlot *) slot)->tuple->t_len);
	deltaetl_progress_advance(1);
}

static void
log_inserted(TupleTableSlot *slot, void *arg)
{
	deltaetl_changelog_add(arg, DELTA_INSERT, NULL, slot);
}

/* Insert the rows of the delta; returns how many. */
uint64
deltaetl_direct_insert(const Delta *delta, ChangeLog *log)
{
	Writer	   *writer = begin_writing(delta, DELTA_INSERT, log);

	ExecOpenIndices(writer->result, false);
	writer->batch = deltaetl_batch_create(writer->result, writer->estate,
										  log ? log_inserted : NULL, log);
	deltaetl_spi_select_serially(deltaetl_new_rows_query(delta), delta->mapping,
								 take_row, writer);
	writer->written = deltaetl_batch_finish(writer->batch);
	ExecCloseIndices(writer->result);
	end_writing(writer);
	return writer->written;
}
