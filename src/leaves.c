/*-------------------------------------------------------------------------
 *
 * leaves.c
 *	  The tables that the rows of a relation lie in, to read and write rows.
 *
 * Where a row is known by its table and its place in it, a statement on a
 * partitioned table looks for it in each partition, or reads all of them.
 * Here each partition is opened when the first of its rows is needed, and the
 * others are not touched.
 *
 * Rows are laid out as those of the relation itself: it is looked at once,
 * when the relation has been locked, whether all of its partitions are.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "leaves.h"

#include "access/heapam.h"
#include "access/relation.h"
#include "access/tableam.h"
#include "access/tupconvert.h"
#include "catalog/pg_class.h"
#include "executor/executor.h"
#include "optimizer/optimizer.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/partcache.h"
#include "utils/snapmgr.h"

#include "compat.h"

struct Leaves
{
	HTAB	   *table;			/* of those that are open, by OID */
	Leaf	   *last;
	EState	   *estate;			/* for writing, or NULL */
	ResultRelInfo *root;		/* of the relation, or NULL */
};

/* ---------- whether ---------- */

static Obstacle
obstacle_in_table(Relation rel, Relation root)
{
	ObstacleKind kind = NO_OBSTACLE;

	if (rel->rd_rel->relkind == RELKIND_RELATION)
	{
		if (rel->rd_tableam != GetHeapamTableAmRoutine())
			kind = OBSTACLE_ACCESS_METHOD;
		else if (has_virtual_columns(RelationGetDescr(rel)))
			kind = OBSTACLE_VIRTUAL;
	}
	else if (rel->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		kind = OBSTACLE_FOREIGN_TABLE;
	if (kind == NO_OBSTACLE &&
		convert_tuples_by_name(RelationGetDescr(rel), RelationGetDescr(root)) != NULL)
		kind = OBSTACLE_LAYOUT;
	return deltaetl_obstacle(kind, kind == NO_OBSTACLE ? NULL :
							 deltaetl_quote_relation(RelationGetRelid(rel)));
}

/* The columns that say which partition a row belongs to; 0 for any. */
static Bitmapset *
partition_columns(Relation rel)
{
	PartitionKey key = RelationGetPartitionKey(rel);
	Bitmapset  *columns = NULL;
	Bitmapset  *offset = NULL;
	int			next = -1;

	for (int i = 0; i < get_partition_natts(key); i++)
		if (AttributeNumberIsValid(get_partition_col_attnum(key, i)))
			columns = bms_add_member(columns, get_partition_col_attnum(key, i));
	pull_varattnos((Node *) get_partition_exprs(key), 1, &offset);
	while ((next = bms_next_member(offset, next)) >= 0)
		columns = bms_add_member(columns,
								 Max(next + FirstLowInvalidHeapAttributeNumber, 0));
	return columns;
}

/*
 * Note of a side, which has to be locked, what keeps its partitions from being
 * read and written on their own, and which columns the partitions are by.
 */
void
deltaetl_note_leaves(MappingSide *side)
{
	Relation	root = relation_open(side->relid, NoLock);
	bool		partitioned = root->rd_rel->relkind == RELKIND_PARTITIONED_TABLE;
	ListCell   *cell;

	foreach(cell, partitioned ? side->tree : NIL)
	{
		Relation	rel = relation_open(lfirst_oid(cell), NoLock);

		if (deltaetl_is_free(side->leaves))
			side->leaves = obstacle_in_table(rel, root);
		if (rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
			side->partition_columns = bms_add_members(side->partition_columns,
													  partition_columns(rel));
		relation_close(rel, NoLock);
	}
	relation_close(root, NoLock);
}

/* ---------- opening ---------- */

/*
 * A set in the current memory context, of which none is open yet; to write to
 * them give the executor's state and what it knows of the relation.
 */
Leaves *
deltaetl_leaves_create(EState *estate, ResultRelInfo *root)
{
	Leaves	   *leaves = palloc0(sizeof(Leaves));
	HASHCTL		control = {0};

	control.keysize = sizeof(Oid);
	control.entrysize = sizeof(Leaf);
	control.hcxt = CurrentMemoryContext;
	leaves->table = hash_create("deltaetl leaves", 64, &control,
								HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	leaves->estate = estate;
	leaves->root = root;
	return leaves;
}

/* As the executor opens a partition that a row is routed to. */
static ResultRelInfo *
open_result(const Leaves *leaves, Relation rel)
{
	ResultRelInfo *result = leaves->root;

	if (RelationGetRelid(rel) != RelationGetRelid(leaves->root->ri_RelationDesc))
	{
		result = makeNode(ResultRelInfo);
		InitResultRelInfo(result, rel, 0, leaves->root, 0);
	}
	ExecOpenIndices(result, false);
	return result;
}

static void
open_leaf(const Leaves *leaves, Leaf *leaf)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(GetMemoryChunkContext((void *) leaves));

	leaf->rel = relation_open(leaf->relid, NoLock);
	leaf->slot = table_slot_create(leaf->rel, NULL);
	leaf->result = leaves->root ? open_result(leaves, leaf->rel) : NULL;
	MemoryContextSwitchTo(oldcontext);
}

/*
 * A table, which has to be locked; opened if it is not yet.  The row of the one
 * before is let go: it pins a buffer, and there may be more tables than buffers.
 */
Leaf *
deltaetl_leaf(Leaves *leaves, Oid relid)
{
	bool		found;

	if (leaves->last != NULL && leaves->last->relid == relid)
		return leaves->last;
	if (leaves->last != NULL)
		ExecClearTuple(leaves->last->slot);
	leaves->last = hash_search(leaves->table, &relid, HASH_ENTER, &found);
	if (!found)
		open_leaf(leaves, leaves->last);
	return leaves->last;
}

/* A row that the active snapshot sees, in the table's slot. */
TupleTableSlot *
deltaetl_leaf_fetch(Leaf *leaf, ItemPointer tid)
{
	if (!table_tuple_fetch_row_version(leaf->rel, tid, GetActiveSnapshot(), leaf->slot))
		elog(ERROR, "row (%u,%u) of \"%s\" has gone",
			 ItemPointerGetBlockNumber(tid), ItemPointerGetOffsetNumber(tid),
			 RelationGetRelationName(leaf->rel));
	slot_getallattrs(leaf->slot);
	return leaf->slot;
}

void
deltaetl_leaves_close(Leaves *leaves)
{
	HASH_SEQ_STATUS status;
	Leaf	   *leaf;

	hash_seq_init(&status, leaves->table);
	while ((leaf = hash_seq_search(&status)) != NULL)
	{
		ExecDropSingleTupleTableSlot(leaf->slot);
		if (leaf->result != NULL)
			ExecCloseIndices(leaf->result);
		relation_close(leaf->rel, NoLock);
	}
	hash_destroy(leaves->table);
}
