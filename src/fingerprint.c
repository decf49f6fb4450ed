/*-------------------------------------------------------------------------
 *
 * fingerprint.c
 *	  Detection by the set difference of fingerprints.
 *
 * Each side is scanned once, in parallel, and of each row no more is kept
 * than a fingerprint of its key, one of its content, and where it lies.  The
 * difference of the two sets then says of each row whether it is there on
 * both sides, alike or not, or only on one, and whether a key is there twice.
 * No wide row is carried through a join, and unchanged rows, which as a rule
 * are most, cost no more than that.
 *
 * Content is, in this order:
 *
 *	- the stored hash of the row, where that saves time;
 *	- the bytes of the row as they are stored, where both sides have the same
 *	  columns in the same places; nothing is taken apart then.  Rows whose
 *	  bytes differ are compared once more by their values;
 *	- the encoding of the columns.
 *
 * Where equal keys may have different bytes, fingerprints cover whole rows,
 * and those that only one side has are joined on the key by SQL.
 *
 * Both sides have to be tables whose rows have a position to come back to
 * under the same snapshot.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "deltaetl.h"

#include "access/relation.h"
#include "catalog/pg_class.h"
#include "fingerprint.h"
#include "lone_rows.h"
#include "miscadmin.h"
#include "optimizer/plancat.h"
#include "positions.h"
#include "progress.h"
#include "query.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"

#include "compat.h"

struct FingerprintRun
{
	Collection *collection;
	bool		canonical_keys;
	ContentChoice choice;
	bool		load;			/* the target is empty */
	bool		note_known;		/* and not rows to insert */
	PositionLists *positions;
	LoneRows   *lone;
	Delta	   *delta;
	double		expected_rows[SET_SIDES];
};

/* ---------- when ---------- */

static Obstacle
obstacle_to_positions(const MappingSide *side)
{
	char		relkind = get_rel_relkind(side->relid);
	ObstacleKind kind = NO_OBSTACLE;

	if (side->placement.kind != PLACED_HERE)
		kind = OBSTACLE_ELSEWHERE;
	else if (relkind == RELKIND_FOREIGN_TABLE)
		kind = OBSTACLE_FOREIGN_TABLE;
	else if (relkind != RELKIND_RELATION && relkind != RELKIND_MATVIEW &&
			 relkind != RELKIND_PARTITIONED_TABLE)
		kind = OBSTACLE_VIEW;
	else if (deltaetl_has_foreign_children(side->relid))
		kind = OBSTACLE_FOREIGN_PART;
	else if (pg_class_aclcheck(side->relid, GetUserId(), ACL_SELECT) != ACLCHECK_OK)
		kind = OBSTACLE_PRIVILEGE;
	else if (check_enable_rls(side->relid, InvalidOid, true) == RLS_ENABLED)
		kind = OBSTACLE_ROW_SECURITY;
	return deltaetl_obstacle(kind, side->quoted);
}

/* A column that is called like what is read beside the columns. */
static Obstacle
obstacle_to_names(const Mapping *mapping)
{
	for (int i = 0; i < mapping->ncommon; i++)
		if (strncmp(mapping->common[i].name, RESERVED_PREFIX, strlen(RESERVED_PREFIX)) == 0)
			return deltaetl_obstacle(OBSTACLE_RESERVED_NAME, mapping->common[i].quoted);
	return deltaetl_obstacle(NO_OBSTACLE, NULL);
}

/* A hash that is believed and may be wrong does not tell keys. */
static Obstacle
obstacle_to_belief(const Mapping *mapping)
{
	if (!mapping->source_hash_believed ||
		deltaetl_is_free(deltaetl_obstacle_to_canonical_keys(mapping)))
		return deltaetl_obstacle(NO_OBSTACLE, NULL);
	return deltaetl_obstacle(OBSTACLE_HASH_BELIEVED, mapping->source_hash);
}

/*
 * What keeps the rows of both sides, which have to be locked, from being read
 * whole, and again by their position.
 */
Obstacle
deltaetl_obstacle_to_fingerprints(const Mapping *mapping)
{
	Obstacle	obstacle;

	if (deltaetl_detection == DETECT_JOIN)
		return deltaetl_obstacle(OBSTACLE_SETTING, "join");
	obstacle = obstacle_to_positions(&mapping->source);
	if (deltaetl_is_free(obstacle))
		obstacle = obstacle_to_positions(&mapping->target);
	if (deltaetl_is_free(obstacle))
		obstacle = obstacle_to_names(mapping);
	if (deltaetl_is_free(obstacle))
		obstacle = obstacle_to_belief(mapping);
	if (deltaetl_is_free(obstacle) &&
		list_length(mapping->source.tree) + list_length(mapping->target.tree) >
		MAX_COLLECTED_TABLES)
		obstacle.kind = OBSTACLE_MANY_TABLES;
	return obstacle;
}

/* What keeps fingerprints, where they can be had, from telling keys. */
Obstacle
deltaetl_obstacle_to_key_fingerprints(const Mapping *mapping)
{
	if (mapping->nkeys > MAX_COLLECTED_COLUMNS)
		return deltaetl_obstacle(OBSTACLE_KEY_WIDTH, NULL);
	return deltaetl_obstacle_to_canonical_keys(mapping);
}

/* By the size of the table, and how dense rows were when last analyzed. */
static double
estimate_rows(Oid relid)
{
	Relation	rel = relation_open(relid, NoLock);
	BlockNumber pages;
	double		rows = 0;
	double		visible;

	if (RELKIND_HAS_TABLE_AM(rel->rd_rel->relkind))
		estimate_rel_size(rel, NULL, &pages, &rows, &visible);
	relation_close(rel, NoLock);
	return rows;
}

/*
 * A guess that is good enough to choose a number of partitions by; 0 for what
 * is not a table, or has no rows.
 */
double
deltaetl_estimate_rows(const MappingSide *side)
{
	double		rows = 0;
	ListCell   *cell;

	foreach(cell, side->tree)
		rows += estimate_rows(lfirst_oid(cell));
	return rows;
}

static void
note_row(TupleTableSlot *slot, void *arg)
{
	*((bool *) arg) = true;
}

/* Whether the target has no rows at all; with a scope that is not looked for. */
static bool
target_is_empty(const Mapping *mapping)
{
	bool		found = mapping->scope != NULL;

	if (!found)
		deltaetl_spi_select(deltaetl_any_row_query(&mapping->target), mapping,
							note_row, &found);
	return !found;
}

/* What keeps content from being taken from rows as they are stored. */
static Obstacle
obstacle_to_stored_rows(const Mapping *mapping, bool load)
{
	if (load)
		return deltaetl_obstacle(OBSTACLE_LOAD, NULL);
	if (deltaetl_detection == DETECT_ENCODED)
		return deltaetl_obstacle(OBSTACLE_SETTING, "encoded");
	return deltaetl_obstacle_to_key_fingerprints(mapping);
}

/*
 * Choose what of a row is its content; load is for an empty target.
 *
 * Stored hashes save hashing where both sides have them, and reading values
 * that lie out of line where one has.  Else the bytes of rows are the fastest
 * to hash, where they can be compared.  An unreliable hash of the source is
 * used if the caller wants it to.
 */
ContentChoice
deltaetl_choose_content(const Mapping *mapping, bool load)
{
	Obstacle	stored = obstacle_to_stored_rows(mapping, load);
	ContentChoice choice = {.content = CONTENT_COLUMNS,.last_hashes = stored,.bytes = stored};
	bool		has_hash = mapping->hash != NULL;

	if (deltaetl_is_free(stored))
		choice.last_hashes = deltaetl_obstacle_to_last_hashes(mapping);
	if (deltaetl_is_free(choice.last_hashes))
		choice.stored = STORED_HASH;
	else if (has_hash && mapping->source_hash_believed)
		choice.content = CONTENT_HASH;
	else if (has_hash && deltaetl_has_toast(&mapping->target))
	{
		choice.content = CONTENT_HASH;
		choice.for_toast = true;
	}
	else
	{
		if (deltaetl_is_free(stored))
			choice.bytes = deltaetl_obstacle_to_stored_bytes(mapping);
		if (deltaetl_is_free(choice.bytes))
			choice.stored = STORED_BYTES;
		else if (has_hash && mapping->source_hash != NULL)
			choice.content = CONTENT_HASH;
	}
	if (choice.stored != STORED_NOT)
		choice.content = CONTENT_NONE;
	return choice;
}

static FingerprintRun *
begin_run(Delta *delta)
{
	const Mapping *mapping = delta->mapping;
	FingerprintRun *run = palloc0(sizeof(FingerprintRun));
	CollectOptions options = {0};

	run->delta = delta;
	run->canonical_keys =
		deltaetl_is_free(deltaetl_obstacle_to_key_fingerprints(mapping));
	run->load = target_is_empty(mapping);
	run->choice = deltaetl_choose_content(mapping, run->load);
	run->expected_rows[SET_SOURCE] = deltaetl_estimate_rows(&mapping->source);
	run->expected_rows[SET_TARGET] = run->load ? 0 : deltaetl_estimate_rows(&mapping->target);

	options.tables = list_concat_copy(mapping->source.tree, mapping->target.tree);
	options.nkeys = run->canonical_keys ? mapping->nkeys : 0;
	options.stored = run->choice.stored;
	options.expected_rows = Max(run->expected_rows[SET_SOURCE],
								run->expected_rows[SET_TARGET]);
	options.memory_limit = get_hash_memory_limit();
	run->collection = deltaetl_collection_create(&options);
	return run;
}

/* ---------- reading ---------- */

static const MappingSide *
mapping_side(const Mapping *mapping, SetSide side)
{
	return side == SET_SOURCE ? &mapping->source : &mapping->target;
}

/* How many rows are in scope nobody knows, but of a side that has been read. */
static void
expect_rows(const FingerprintRun *run, SetSide side)
{
	const Delta *delta = run->delta;
	double		source_rows = side == SET_SOURCE ?
	run->expected_rows[SET_SOURCE] : (double) delta->source_rows;

	deltaetl_progress_expect(delta->mapping->scope ? 0 :
							 source_rows + run->expected_rows[SET_TARGET], true);
}

static uint64
read_side(const FingerprintRun *run, SetSide side, RowContent content)
{
	const Mapping *mapping = run->delta->mapping;
	const char *query;

	query = deltaetl_fingerprints_query(mapping, mapping_side(mapping, side),
										run->canonical_keys, content);
	expect_rows(run, side);
	deltaetl_spi_collect(query, mapping,
						 deltaetl_collection_open(run->collection, side));
	deltaetl_collection_close(run->collection);
	return deltaetl_setdiff_rows(deltaetl_collection_set(run->collection), side);
}

static bool
assigns_values(const Mapping *mapping)
{
	for (int i = 0; i < mapping->ncolumns; i++)
		if (mapping->columns[i].recast)
			return true;
	return false;
}

/*
 * Where all rows are new, only the keys are of interest, and those only if
 * they could be wrong; and whether all values can be assigned.
 */
static void
read_new_rows(FingerprintRun *run)
{
	Delta	   *delta = run->delta;
	const Mapping *mapping = delta->mapping;
	bool		assigns = assigns_values(mapping);

	if (assigns || (run->canonical_keys &&
					!deltaetl_keys_are_proven(mapping, &mapping->source)))
		delta->source_rows = read_side(run, SET_SOURCE,
									   assigns ? CONTENT_COLUMNS : CONTENT_NONE);
	else
		delta->source_rows = deltaetl_take_census(mapping, &mapping->source);
	if (assigns && !run->canonical_keys)
		(void) deltaetl_take_census(mapping, &mapping->source);
	delta->count[DELTA_INSERT] = delta->source_rows;
	delta->insert_rest = true;
}

/* Read the source's fingerprints and count its rows. */
void
deltaetl_fingerprint_source(Delta *delta)
{
	FingerprintRun *run = delta->fingerprints = begin_run(delta);

	if (run->load)
		read_new_rows(run);
	else
		delta->source_rows = read_side(run, SET_SOURCE, run->choice.content);
}

/* Whether fingerprints are of keys, and so tell of those that are wrong. */
bool
deltaetl_fingerprints_tell_keys(const Delta *delta)
{
	return delta->fingerprints != NULL && delta->fingerprints->canonical_keys;
}

/* ---------- difference ---------- */

/* With keys that fingerprints tell, the difference is the delta. */
static void
take_difference(RowDifference difference, const Fingerprint *source,
				const Fingerprint *target, void *arg)
{
	FingerprintRun *run = arg;

	if (run->note_known && source != NULL && target != NULL)
		deltaetl_positions_add(run->positions, DELTA_KNOWN, source, target);
	switch (difference)
	{
		case ROW_SAME:
			break;
		case ROW_CHANGED:
			deltaetl_positions_add(run->positions, DELTA_UPDATE, source, target);
			break;
		case ROW_ONLY_SOURCE:
			if (run->note_known)
				run->delta->count[DELTA_INSERT]++;
			else
				deltaetl_positions_add(run->positions, DELTA_INSERT, source, NULL);
			break;
		case ROW_ONLY_TARGET:
			if (run->delta->with_deletes)
				deltaetl_positions_add(run->positions, DELTA_DELETE, NULL, target);
			break;
	}
}

/* Without, it says which rows are to be matched. */
static void
take_lone_row(RowDifference difference, const Fingerprint *source,
			  const Fingerprint *target, void *arg)
{
	FingerprintRun *run = arg;

	if (difference == ROW_SAME)
		return;
	if (source != NULL)
		deltaetl_lone_rows_add(run->lone, SET_SOURCE, source->position);
	if (target != NULL)
		deltaetl_lone_rows_add(run->lone, SET_TARGET, target->position);
}

/* Where all rows are new, it is only of interest whether keys are there twice. */
static void
ignore_difference(RowDifference difference, const Fingerprint *source,
				  const Fingerprint *target, void *arg)
{
}

static void
take_all_differences(FingerprintRun *run, SetDiff *set)
{
	Delta	   *delta = run->delta;
	bool		by_bytes = run->choice.stored == STORED_BYTES;

	if (run->canonical_keys)
	{
		run->note_known = delta->target_rows < delta->source_rows / MIN_NEW_SHARE;
		delta->insert_rest = run->note_known;
		delta->unconfirmed = by_bytes && delta->confirm_late &&
			deltaetl_can_apply_directly(delta, DELTA_UPDATE);
		run->positions = deltaetl_positions_create(delta, run->collection,
												   by_bytes && !delta->unconfirmed);
		deltaetl_setdiff_finish(set, take_difference, run);
		deltaetl_positions_finish(run->positions);
	}
	else
	{
		run->lone = deltaetl_lone_rows_create(run->collection);
		deltaetl_setdiff_finish(set, take_lone_row, run);
		deltaetl_lone_rows_join(run->lone, delta);
	}
}

/*
 * Where fingerprints have found a key twice or without a value, a census of
 * that side names it.
 */
static void
check_keys(const FingerprintRun *run, const bool *repeats, const bool *null_keys)
{
	const Mapping *mapping = run->delta->mapping;

	for (SetSide side = SET_SOURCE; side <= SET_TARGET; side++)
		if (repeats[side] || (null_keys[side] && !mapping->nulls_match))
			deltaetl_check_keys(mapping, mapping_side(mapping, side));
	if (repeats[SET_SOURCE] || repeats[SET_TARGET])
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("different rows have the same fingerprint"),
				 errhint("Try again, fingerprints are then drawn anew.")));
}

/* Fill the delta, after deltaetl_fingerprint_source(). */
void
deltaetl_fingerprint_detect(Delta *delta)
{
	FingerprintRun *run = delta->fingerprints;
	SetDiff    *set = deltaetl_collection_set(run->collection);
	bool		repeats[SET_SIDES];
	bool		null_keys[SET_SIDES];

	if (run->load)
		deltaetl_setdiff_finish(set, ignore_difference, NULL);
	else
	{
		delta->target_rows = read_side(run, SET_TARGET, run->choice.content);
		deltaetl_progress_expect((double) delta->source_rows + delta->target_rows, true);
		take_all_differences(run, set);
	}
	for (SetSide side = SET_SOURCE; side <= SET_TARGET; side++)
	{
		repeats[side] = deltaetl_setdiff_repeats(set, side);
		null_keys[side] = deltaetl_setdiff_null_keys(set, side);
	}
	deltaetl_collection_free(run->collection);
	check_keys(run, repeats, null_keys);
}
