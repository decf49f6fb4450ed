/*-------------------------------------------------------------------------
 *
 * stored_row.h
 *	  Rows as they are stored in the pages of heap tables.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#ifndef DELTAETL_STORED_ROW_H
#define DELTAETL_STORED_ROW_H

#include "postgres.h"

#include "access/htup_details.h"
#include "setdiff.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"

#include "compat.h"

/*
 * Reads rows of which a snapshot in use has shown that they are there.  It
 * keeps the last relation open and the last page pinned.
 */
typedef struct StoredRowReader
{
	Relation	rel;
	Buffer		buffer;
	BlockNumber block;
	BlockNumber nblocks;
	HeapTupleData tuple;
} StoredRowReader;

extern void deltaetl_reader_open(StoredRowReader *reader, Oid relid);
extern void deltaetl_reader_turn(StoredRowReader *reader, BlockNumber block);
extern void deltaetl_reader_close(StoredRowReader *reader);

/* The row at a position of the open relation; valid until the next call. */
static inline HeapTuple
deltaetl_read_row(StoredRowReader *reader, BlockNumber block, OffsetNumber offset)
{
	Page		page;
	ItemId		item;

	if (block != reader->block)
		deltaetl_reader_turn(reader, block);
	page = BufferGetPage(reader->buffer);
	if (unlikely(offset == InvalidOffsetNumber || offset > PageGetMaxOffsetNumber(page)))
		elog(ERROR, "there is no row (%u,%u)", block, offset);
	item = PageGetItemId(page, offset);
	if (unlikely(!ItemIdIsNormal(item)))
		elog(ERROR, "there is no row at (%u,%u)", block, offset);
	reader->tuple.t_data = (HeapTupleHeader) PageGetItem(page, item);
	reader->tuple.t_len = ItemIdGetLength(item);
	return &reader->tuple;
}

/*
 * Have some bytes at the end of a row that is read soon, on the same page, at
 * hand by then, beside its header, which the scan that names the rows has
 * looked at.  There need not be such a row.
 */
static inline void
deltaetl_prefetch_row(const StoredRowReader *reader, OffsetNumber offset, Size size)
{
	const Size	line = PG_CACHE_LINE_SIZE / 2;
	Page		page = BufferGetPage(reader->buffer);
	const char *end;
	ItemId		item;

	if (offset > PageGetMaxOffsetNumber(page))
		return;
	item = PageGetItemId(page, offset);
	end = (const char *) page + ItemIdGetOffset(item) + ItemIdGetLength(item);
	for (Size at = 1; at <= Min(size, ItemIdGetLength(item)); at += line)
		__builtin_prefetch(end - at);
}

/*
 * Whether the bytes of a row say all: none is stored elsewhere, and none left
 * out because the column is younger than the row.
 */
static inline bool
deltaetl_is_complete(HeapTuple tuple, TupleDesc desc)
{
	return !HeapTupleHasExternal(tuple) &&
		HeapTupleHeaderGetNatts(tuple->t_data) == desc->natts;
}

/*
 * The last bytes of a row, if those are all of the short value of its last
 * column, of a known size; else NULL.  A value that is not short would have a
 * header of four bytes, whose last one does not look like one of a short value.
 */
static inline const char *
deltaetl_last_bytes(HeapTuple tuple, Size size)
{
	const char *data = (const char *) tuple->t_data + tuple->t_len - size;

	if (HeapTupleHasExternal(tuple) ||
		tuple->t_len < tuple->t_data->t_hoff + size ||
		!VARATT_IS_1B(data) || VARSIZE_1B(data) != size)
		return NULL;
	return data;
}

extern bytea *deltaetl_last_value(StoredRowReader *reader, HeapTuple tuple);
extern bool deltaetl_ends_with(Oid relid, const char *column);

/* Where the layouts of two tables differ first: a column, or one of these. */
#define LAYOUT_IS_SAME 0
#define LAYOUT_IS_NO_HEAP (-1)

extern AttrNumber deltaetl_layout_difference(Oid relid, Oid other);

#endif							/* DELTAETL_STORED_ROW_H */
