/*-------------------------------------------------------------------------
 *
 * key_proof.c
 *	  Whether indexes and constraints prove keys to be unique and not NULL.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "key.h"

#include "access/xact.h"
#include "catalog/pg_class.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "compat.h"

/*
 * Whether equality under one collation implies equality under another.
 * Equal under a deterministic one means equal bytes, so equal under any.
 */
static bool
equality_implies(Oid collation, Oid other)
{
	return collation == other || get_collation_isdeterministic(collation);
}

/*
 * What lets two rows have equal keys in spite of an index: it is not over some
 * of the key's columns alone, or does not call equal what the key calls equal,
 * or is only checked later.
 */
static Obstacle
obstacle_to_index(const Mapping *mapping, const KeyIndex *key, bool is_source)
{
	Obstacle	obstacle = {.kind = NO_OBSTACLE};
	int			covered = 0;

	if (!key->immediate)
		obstacle = deltaetl_obstacle(OBSTACLE_DEFERRABLE, quote_identifier(key->name));
	for (int i = 0; i < mapping->nkeys; i++)
	{
		const MappingColumn *column = &mapping->columns[i];
		AttrNumber	attnum = is_source ? column->source_attnum : column->attnum;

		if (!bms_is_member(attnum, key->columns))
			continue;
		if (is_source && column->recast)
			obstacle = deltaetl_obstacle(OBSTACLE_RECAST, quote_identifier(column->name));
		else if (OidIsValid(column->key_collation) &&
				 !equality_implies(column->key_collation, deltaetl_index_collation(key, attnum)))
			obstacle = deltaetl_obstacle(OBSTACLE_COLLATION, quote_identifier(column->name));
		covered++;
	}
	return covered == key->ncolumns ? obstacle : deltaetl_obstacle(OBSTACLE_NO_INDEX, NULL);
}

/*
 * A unique index of a parent does not see the rows of its children; that of a
 * partitioned table does.
 */
static bool
indexes_see_all_rows(Relation rel)
{
	return rel->rd_rel->relkind != RELKIND_RELATION ||
		!rel->rd_rel->relhassubclass;
}

/* Find an index that proves that keys are unique, or why none does. */
static void
find_unique_index(const Mapping *mapping, MappingSide *side, List *indexes,
				  bool is_source)
{
	ListCell   *cell;

	side->duplicates = deltaetl_obstacle(OBSTACLE_NO_INDEX, NULL);
	foreach(cell, indexes)
	{
		KeyIndex   *key = lfirst(cell);
		Obstacle	obstacle = obstacle_to_index(mapping, key, is_source);

		if (obstacle.kind != OBSTACLE_NO_INDEX)
			side->duplicates = obstacle;
		if (!deltaetl_is_free(obstacle))
			continue;
		side->unique_index = quote_identifier(key->name);
		return;
	}
}

/*
 * Find out whether keys are unique.  An older snapshot may show rows from
 * before an index.
 */
static void
prove_unique(const Mapping *mapping, MappingSide *side, Relation rel,
			 List *indexes, bool is_source)
{
	if (!indexes_see_all_rows(rel))
		side->duplicates = deltaetl_obstacle(OBSTACLE_CHILDREN, side->quoted);
	else if (IsolationUsesXactSnapshot())
		side->duplicates = deltaetl_obstacle(OBSTACLE_SNAPSHOT, NULL);
	else
		find_unique_index(mapping, side, indexes, is_source);
	side->keys_unique = deltaetl_is_free(side->duplicates);
}

/*
 * What lets NULLs into the key.  Constraints of a foreign table are a promise
 * that nobody enforces, those of a parent may not be its children's, and an
 * older snapshot shows rows from before a constraint.
 */
static Obstacle
find_nulls(const Mapping *mapping, const MappingSide *side, Relation rel,
		   bool is_source)
{
	if (rel->rd_rel->relkind == RELKIND_FOREIGN_TABLE)
		return deltaetl_obstacle(OBSTACLE_FOREIGN_TABLE, side->quoted);
	if (!indexes_see_all_rows(rel))
		return deltaetl_obstacle(OBSTACLE_CHILDREN, side->quoted);
	if (IsolationUsesXactSnapshot())
		return deltaetl_obstacle(OBSTACLE_SNAPSHOT, NULL);
	for (int i = 0; i < mapping->nkeys; i++)
	{
		const MappingColumn *column = &mapping->columns[i];
		AttrNumber	attnum = is_source ? column->source_attnum : column->attnum;

		if (!column_is_not_null(RelationGetDescr(rel), attnum - 1))
			return deltaetl_obstacle(OBSTACLE_NULLABLE,
									 quote_identifier(column->name));
	}
	return deltaetl_obstacle(NO_OBSTACLE, NULL);
}

/* Find out what constraints and indexes of a side say of its keys. */
void
deltaetl_prove_keys(const Mapping *mapping, MappingSide *side, Relation rel,
					List *indexes)
{
	bool		is_source = side == &mapping->source;

	prove_unique(mapping, side, rel, indexes, is_source);
	side->nulls = find_nulls(mapping, side, rel, is_source);
	side->keys_not_null = deltaetl_is_free(side->nulls);
}

/*
 * Find out what the source's own constraints say of its keys, so that what
 * they prove need not be looked for in the rows.
 */
void
deltaetl_prove_source_keys(Mapping *mapping, Relation source)
{
	deltaetl_prove_keys(mapping, &mapping->source, source,
						deltaetl_usable_indexes(source));
}
