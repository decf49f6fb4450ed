/*-------------------------------------------------------------------------
 *
 * remote.c
 *	  Detection across servers: by digests of buckets of keys.
 *
 * Where a side is a foreign table, its server adds up the hashes of the rows in
 * each bucket of keys, and only what differs is looked at closer: first smaller
 * buckets, as long as that is cheaper than rows, and then the rows, by the same
 * join as elsewhere.  What is asked for is plain SQL over the foreign table, of
 * the kind that its wrapper sends as a whole.
 *
 * All that is read of a server is of one snapshot, as that of ours is:
 * postgres_fdw reads in a transaction that is REPEATABLE READ at least.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "remote.h"

#include "progress.h"
#include "query.h"

/* What the census has found out, for detection. */
struct BucketRun
{
	BucketList *source;
	BucketList *target;			/* NULL: a side is empty, and the other is
								 * read */
};

/* ---------- keys ---------- */

static bool
is_source(const Mapping *mapping, const MappingSide *side)
{
	return side == &mapping->source;
}

/* The side whose keys are all looked at, if nothing proves those of either. */
static bool
is_looked_at_whole(const Mapping *mapping, const MappingSide *side)
{
	bool		by_target = mapping->source.is_foreign &&
	!mapping->target.is_foreign;

	return is_source(mapping, side) != by_target;
}

/*
 * How wrong keys of a side are found.  A bucket that is the same on both sides
 * has as many of each key on both; so where those of one side are good, others
 * are in buckets that differ.
 */
KeyCheck
deltaetl_remote_key_check(const Mapping *mapping, const MappingSide *side)
{
	const MappingSide *other = is_source(mapping, side) ? &mapping->target : &mapping->source;

	if (deltaetl_keys_are_proven(mapping, side))
		return KEYS_PROVEN;
	if (deltaetl_keys_are_proven(mapping, other) || !is_looked_at_whole(mapping, side))
		return KEYS_BY_BUCKET;
	return side->is_foreign ? KEYS_BY_SERVER : KEYS_BY_CENSUS;
}

static void
note_row(TupleTableSlot *slot, void *arg)
{
	*((bool *) arg) = true;
}

/* Look for wrong keys of a side; those of a foreign table are not read for that. */
static void
look_at_keys(const Mapping *mapping, const MappingSide *side)
{
	bool		found = !side->is_foreign;

	if (side->is_foreign)
		deltaetl_spi_select_shipped(deltaetl_a_wrong_key_query(mapping, side), mapping,
									note_row, &found);
	if (found)
		deltaetl_check_keys(mapping, side);
}

static void
check_keys(const Mapping *mapping, const MappingSide *side, KeyCheck check)
{
	if (deltaetl_remote_key_check(mapping, side) == check)
		look_at_keys(mapping, side);
}

/* See deltaetl_censuses_whole_target(). */
static void
check_whole_target(const Mapping *mapping)
{
	Mapping		whole = *mapping;

	whole.scope = NULL;
	look_at_keys(&whole, &whole.target);
}

/* ---------- census ---------- */

static void
collect_count(TupleTableSlot *slot, void *arg)
{
	bool		isnull;

	*((uint64 *) arg) = (uint64) DatumGetInt64(slot_getattr(slot, 1, &isnull));
}

static uint64
count_rows(const Mapping *mapping, const MappingSide *side)
{
	uint64		rows = 0;

	deltaetl_spi_select_shipped(deltaetl_shipped_count_query(mapping, side), mapping,
								collect_count, &rows);
	return rows;
}

/*
 * The buckets of both sides; if the first that is read, a local one if there is
 * one, has no rows, only the other's rows are counted.
 */
static BucketRun *
read_first_buckets(Delta *delta)
{
	const Mapping *mapping = delta->mapping;
	bool		target_first = !is_looked_at_whole(mapping, &mapping->source);
	const MappingSide *first = target_first ? &mapping->target : &mapping->source;
	const MappingSide *second = target_first ? &mapping->source : &mapping->target;
	BucketRun  *run = palloc0(sizeof(BucketRun));
	BucketList *one = deltaetl_read_buckets(mapping, first, FIRST_BITS);
	BucketList *two = one->count == 0 ? NULL :
	deltaetl_read_buckets(mapping, second, FIRST_BITS);
	uint64		rows = two == NULL ? count_rows(mapping, second) : two->rows;

	delta->source_rows = target_first ? rows : one->rows;
	delta->target_rows = target_first ? one->rows : rows;
	if (two != NULL)
	{
		run->source = target_first ? two : one;
		run->target = target_first ? one : two;
	}
	return run;
}

/* Count both sides, and look at those keys that are looked at whole. */
void
deltaetl_remote_census(Delta *delta, bool count_target)
{
	const Mapping *mapping = delta->mapping;

	deltaetl_progress_expect(0, false);
	delta->buckets = read_first_buckets(delta);
	for (int i = KEYS_BY_CENSUS; i <= KEYS_BY_SERVER; i++)
		check_keys(mapping, &mapping->source, i);
	if (deltaetl_censuses_whole_target(mapping))
		check_whole_target(mapping);
	for (int i = KEYS_BY_CENSUS; i <= KEYS_BY_SERVER; i++)
		check_keys(mapping, &mapping->target, i);
}

/* ---------- detection ---------- */

static Mapping *
narrow_to(const Mapping *mapping, const Difference *difference)
{
	return deltaetl_narrow(mapping,
						   deltaetl_bucket_condition(mapping, ROW_ALIAS, difference));
}

static Difference *
divide(const Mapping *mapping, const Difference *difference, int bits)
{
	Mapping    *narrow = narrow_to(mapping, difference);
	BucketList *source = deltaetl_read_buckets(narrow, &narrow->source, bits);
	BucketList *target = deltaetl_read_buckets(narrow, &narrow->target, bits);

	return deltaetl_compare_buckets(source, target, bits);
}

/* The smallest buckets that are worth looking at, of those that differ. */
static Difference *
find_difference(const Delta *delta)
{
	const Mapping *mapping = delta->mapping;
	uint64		rows = Max(delta->source_rows, delta->target_rows);
	double		width = deltaetl_row_width(delta);
	Difference *difference = deltaetl_compare_buckets(delta->buckets->source,
													  delta->buckets->target, FIRST_BITS);
	int			bits;

	for (;;)
	{
		ereport(DEBUG1,
				(errmsg_internal("%d of %d buckets of %d bits differ, with " UINT64_FORMAT " rows",
								 difference->count, difference->compared, difference->bits,
								 difference->rows)));
		bits = difference->count == 0 ? 0 : deltaetl_next_bits(difference, width, rows);
		if (bits == 0)
			return difference;
		difference = divide(mapping, difference, bits);
	}
}

/* Look for wrong keys among rows that differ, and put those into the delta. */
static void
detect_in(Delta *delta, const Mapping *extent)
{
	check_keys(extent, &extent->source, KEYS_BY_BUCKET);
	check_keys(extent, &extent->target, KEYS_BY_BUCKET);
	deltaetl_join_detect(delta, extent);
}

/* Fill the delta and make it visible to queries. */
void
deltaetl_remote_detect(Delta *delta)
{
	const Mapping *mapping = delta->mapping;
	Difference *difference;

	if (delta->buckets->target == NULL)
		detect_in(delta, mapping);
	else
	{
		difference = find_difference(delta);
		if (difference->count > 0)
			detect_in(delta, narrow_to(mapping, difference));
		if (mapping->target.is_foreign)
			delta->target_part = deltaetl_bucket_condition(mapping, "t", difference);
	}
	deltaetl_check_trees(mapping);
	deltaetl_delta_register(delta);
	if (mapping->scope != NULL && !mapping->scope_by_key)
		deltaetl_check_known_keys(delta);
}
