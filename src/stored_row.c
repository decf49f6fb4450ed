/*-------------------------------------------------------------------------
 *
 * stored_row.c
 *	  Rows as they are stored in the pages of heap tables.
 *
 * Where two tables have the same columns in the same places, rows whose bytes
 * are equal are equal, and there is no need to take them apart.  The reverse
 * does not hold: a value may be compressed in one and not in the other.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "stored_row.h"

#include "access/heapam.h"
#include "access/relation.h"
#include "access/tableam.h"
#include "utils/snapmgr.h"

/*
 * Open a relation, which has to be locked, unless it is open.  A reader that
 * is all zeros is one that has none open.
 */
void
deltaetl_reader_open(StoredRowReader *reader, Oid relid)
{
	if (reader->rel != NULL && RelationGetRelid(reader->rel) == relid)
		return;
	deltaetl_reader_close(reader);
	reader->rel = relation_open(relid, NoLock);
	if (!RELKIND_HAS_TABLE_AM(reader->rel->rd_rel->relkind) ||
		reader->rel->rd_tableam != GetHeapamTableAmRoutine())
		elog(ERROR, "relation \"%s\" is not a heap table",
			 RelationGetRelationName(reader->rel));
	reader->block = InvalidBlockNumber;
	reader->nblocks = RelationGetNumberOfBlocks(reader->rel);
	reader->tuple.t_tableOid = relid;
}

/*
 * Turn to another page.  Rows in it that a snapshot sees stay where they are
 * for as long as the page is pinned, but not while it is only about to be:
 * having locked it once, we know that nobody is moving them.
 */
void
deltaetl_reader_turn(StoredRowReader *reader, BlockNumber block)
{
	if (block >= reader->nblocks)
		elog(ERROR, "there is no page %u", block);
	reader->buffer = ReleaseAndReadBuffer(reader->buffer, reader->rel, block);
	LockBuffer(reader->buffer, BUFFER_LOCK_SHARE);
	check_old_snapshot(reader->rel, BufferGetPage(reader->buffer));
	LockBuffer(reader->buffer, BUFFER_LOCK_UNLOCK);
	reader->block = block;
}

void
deltaetl_reader_close(StoredRowReader *reader)
{
	if (BufferIsValid(reader->buffer))
		ReleaseBuffer(reader->buffer);
	reader->buffer = InvalidBuffer;
	if (reader->rel != NULL)
		relation_close(reader->rel, NoLock);
	reader->rel = NULL;
}

/* The value of a row's last column, a bytea; NULL if it is. */
bytea *
deltaetl_last_value(StoredRowReader *reader, HeapTuple tuple)
{
	TupleDesc	desc = RelationGetDescr(reader->rel);
	bool		isnull;
	Datum		value = heap_getattr(tuple, desc->natts, desc, &isnull);

	return isnull ? NULL : DatumGetByteaPP(value);
}

/* ---------- layout ---------- */

static bool
is_heap(Relation rel)
{
	return RELKIND_HAS_TABLE_AM(rel->rd_rel->relkind) &&
		rel->rd_tableam == GetHeapamTableAmRoutine();
}

/* Whether a table, which has to be locked, is a heap whose last column is it. */
bool
deltaetl_ends_with(Oid relid, const char *column)
{
	Relation	rel = relation_open(relid, NoLock);
	TupleDesc	desc = RelationGetDescr(rel);
	Form_pg_attribute last = desc->natts > 0 ? TupleDescAttr(desc, desc->natts - 1) : NULL;
	bool		ends = is_heap(rel) &&
	last != NULL && !last->attisdropped && strcmp(NameStr(last->attname), column) == 0;

	relation_close(rel, NoLock);
	return ends;
}

static bool
same_column(Form_pg_attribute a, Form_pg_attribute b)
{
	if (a->attisdropped || b->attisdropped)
		return a->attisdropped && b->attisdropped &&
			a->attlen == b->attlen && a->attalign == b->attalign;
	return strcmp(NameStr(a->attname), NameStr(b->attname)) == 0 &&
		a->atttypid == b->atttypid && a->atttypmod == b->atttypmod &&
		a->attlen == b->attlen && a->attbyval == b->attbyval &&
		a->attalign == b->attalign && a->attgenerated == b->attgenerated;
}

static AttrNumber
first_different_column(TupleDesc a, TupleDesc b)
{
	for (int i = 0; i < Max(a->natts, b->natts); i++)
		if (i >= a->natts || i >= b->natts ||
			!same_column(TupleDescAttr(a, i), TupleDescAttr(b, i)))
			return i + 1;
	return LAYOUT_IS_SAME;
}

/*
 * Whether two tables, which have to be locked, are heap tables with the same
 * columns in the same places: LAYOUT_IS_SAME, or the first column that is not.
 */
AttrNumber
deltaetl_layout_difference(Oid relid, Oid other)
{
	Relation	a = relation_open(relid, NoLock);
	Relation	b = relation_open(other, NoLock);
	AttrNumber	difference = LAYOUT_IS_NO_HEAP;

	if (is_heap(a) && is_heap(b))
		difference = first_different_column(RelationGetDescr(a), RelationGetDescr(b));
	relation_close(b, NoLock);
	relation_close(a, NoLock);
	return difference;
}
