/*-------------------------------------------------------------------------
 *
 * difference.c
 *	  Buckets of two sides, and how far to divide those that differ.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "remote.h"

#include <math.h>

#include "access/relation.h"
#include "storage/bufmgr.h"
#include "utils/lsyscache.h"

#include "compat.h"

/*
 * Costs, in bytes on the wire: a bucket of the answer, a bucket of the question,
 * and what looking at a row of the table once more is worth.
 */
#define BUCKET_BYTES 100.0
#define NUMBER_BYTES 20.0
#define LOOK_BYTES 10.0

/* Of a row, beside its values. */
#define ROW_BYTES 7.0
#define VALUE_BYTES 4.0

/* ---------- reading ---------- */

static void
collect_bucket(TupleTableSlot *slot, void *arg)
{
	BucketList *list = arg;
	Bucket	   *bucket;
	bytea	   *digest;

	slot_getallattrs(slot);
	if (list->count == list->max)
	{
		list->max *= 2;
		list->buckets = repalloc_huge(list->buckets, list->max * sizeof(Bucket));
	}
	bucket = &list->buckets[list->count++];
	bucket->number = DatumGetInt64(slot->tts_values[BUCKET_NUMBER]);
	bucket->rows = (uint64) DatumGetInt64(slot->tts_values[BUCKET_ROWS]);
	digest = DatumGetByteaPP(slot->tts_values[BUCKET_DIGEST]);
	memcpy(bucket->digest, VARDATA_ANY(digest), DIGEST_LENGTH);
	list->rows += bucket->rows;
}

static int
compare_numbers(const void *a, const void *b)
{
	int64		left = ((const Bucket *) a)->number;
	int64		right = ((const Bucket *) b)->number;

	return left < right ? -1 : left > right;
}

/* The buckets of a side's rows in scope; in the current memory context. */
BucketList *
deltaetl_read_buckets(const Mapping *mapping, const MappingSide *side, int bits)
{
	BucketList *list = palloc0(sizeof(BucketList));
	char	   *query = deltaetl_buckets_query(mapping, side, bits);

	list->max = 1 << FIRST_BITS;
	list->buckets = palloc(list->max * sizeof(Bucket));
	if (side->is_foreign)
		deltaetl_spi_select_shipped(query, mapping, collect_bucket, list);
	else
		deltaetl_spi_select(query, mapping, collect_bucket, list);
	qsort(list->buckets, list->count, sizeof(Bucket), compare_numbers);
	return list;
}

/* ---------- comparing ---------- */

static void
note_difference(Difference *difference, int64 number, uint64 source_rows,
				uint64 target_rows)
{
	difference->numbers[difference->count++] = number;
	difference->rows += Max(source_rows, target_rows);
	difference->surplus += Max(source_rows, target_rows) - Min(source_rows, target_rows);
}

static bool
buckets_differ(const Bucket *source, const Bucket *target)
{
	return source->rows != target->rows ||
		memcmp(source->digest, target->digest, DIGEST_LENGTH) != 0;
}

/* Which of the buckets of two sides are not the same. */
Difference *
deltaetl_compare_buckets(const BucketList *source, const BucketList *target, int bits)
{
	static const Bucket none = {0};
	Difference *difference = palloc0(sizeof(Difference));
	int			s = 0;
	int			t = 0;

	difference->bits = bits;
	difference->numbers = MemoryContextAllocHuge(CurrentMemoryContext,
												 ((Size) source->count + target->count + 1) * sizeof(int64));
	while (s < source->count || t < target->count)
	{
		const Bucket *left = s < source->count ? &source->buckets[s] : NULL;
		const Bucket *right = t < target->count ? &target->buckets[t] : NULL;
		int			order = left == NULL ? 1 : right == NULL ? -1 :
		compare_numbers(left, right);
		int64		number = order <= 0 ? left->number : right->number;

		left = order <= 0 ? left : &none;
		right = order >= 0 ? right : &none;
		if (buckets_differ(left, right))
			note_difference(difference, number, left->rows, right->rows);
		s += order <= 0;
		t += order >= 0;
		difference->compared++;
	}
	return difference;
}

/* ---------- how far to go ---------- */

/*
 * How many rows may differ, by how many buckets have been hit: where few were
 * missed, some have been hit often.
 */
static double
estimate_changes(const Difference *difference)
{
	double		buckets = difference->compared;
	double		missed = buckets - difference->count;
	double		changes = buckets * log(buckets / Max(missed, 0.5));

	changes = Max(changes, (double) difference->count);
	return Max(changes, (double) difference->surplus);
}

/* What it costs to divide each bucket that differs by 2^n, and read then. */
static double
cost_of_dividing(const Difference *difference, int n, double row_width,
				 uint64 all_rows)
{
	double		rows = difference->rows;
	double		buckets = Min(ldexp(difference->count, n), rows);
	double		rows_in_each = Max(rows / ldexp(difference->count, n), 1.0);
	double		left = Min(estimate_changes(difference) * rows_in_each, rows);

	return buckets * BUCKET_BYTES + difference->count * NUMBER_BYTES +
		all_rows * LOOK_BYTES + left * row_width;
}

/*
 * The bits of the next, smaller buckets to look at, or 0 if it is better to
 * read those that differ.  Dividing them has to save half of that, as no more
 * than a guess says that it does.
 */
int
deltaetl_next_bits(const Difference *difference, double row_width, uint64 all_rows)
{
	double		best = difference->rows * row_width / 2;
	int			bits = 0;

	for (int n = 1; difference->bits + n <= LAST_BITS; n++)
	{
		double		cost = cost_of_dividing(difference, n, row_width, all_rows);

		if (cost < best)
		{
			best = cost;
			bits = difference->bits + n;
		}
	}
	return bits;
}

/* By the statistics of its columns; values out of line count for little there. */
static double
width_of_columns(const Mapping *mapping, const MappingSide *side)
{
	double		width = ROW_BYTES;

	for (int i = 0; i < mapping->ncolumns; i++)
	{
		const MappingColumn *column = &mapping->columns[i];
		AttrNumber	attnum = side == &mapping->source ? column->source_attnum : column->attnum;
		int32		average = get_attavgwidth(side->relid, attnum);

		width += VALUE_BYTES;
		width += average > 0 ? average : get_typavgwidth(column->type, column->typmod);
	}
	return width;
}

/* The bytes of a table and of what lies out of line. */
static double
stored_bytes(Oid relid)
{
	Relation	rel = relation_open(relid, NoLock);
	double		blocks = 0;

	if (RELKIND_HAS_TABLE_AM(rel->rd_rel->relkind))
		blocks = RelationGetNumberOfBlocks(rel);
	if (OidIsValid(rel->rd_rel->reltoastrelid))
	{
		Relation	toast = relation_open(rel->rd_rel->reltoastrelid, AccessShareLock);

		blocks += RelationGetNumberOfBlocks(toast);
		relation_close(toast, AccessShareLock);
	}
	relation_close(rel, NoLock);
	return blocks * BLCKSZ;
}

static double
width_of_side(const Mapping *mapping, const MappingSide *side, uint64 rows)
{
	double		bytes = 0;
	ListCell   *cell;

	if (mapping->scope == NULL)
		foreach(cell, side->tree)
			bytes += stored_bytes(lfirst_oid(cell));
	return Max(width_of_columns(mapping, side), bytes / Max(rows, 1));
}

/* About the bytes of a row on the wire, as far as anything here tells. */
double
deltaetl_row_width(const Delta *delta)
{
	const Mapping *mapping = delta->mapping;

	return Max(width_of_side(mapping, &mapping->source, delta->source_rows),
			   width_of_side(mapping, &mapping->target, delta->target_rows));
}
