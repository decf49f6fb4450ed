/*-------------------------------------------------------------------------
 *
 * ship.c
 *	  Whether other servers can compute what detection across servers needs.
 *
 * That a foreign table lies in PostgreSQL with deltaetl is not to be seen here.
 * So its server is asked, once a run: for the types of its columns, which must be
 * those that are declared, as else equal digests would say nothing of the values
 * that are read.  Anything that it has to say to that is a reason to read the
 * rows instead, as is a plan that computes things here.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "remote.h"

/* Whether the target's side of the digests is its stored hash. */
bool
deltaetl_digests_stored_hash(const Mapping *mapping)
{
	return mapping->hash != NULL && strcmp(mapping->hash->algorithm, "sha256") == 0 &&
		mapping->ncolumns <= MAX_HASH_ARGUMENTS && !mapping->target.is_foreign;
}

/* What keeps rows of both sides from having the same hash, wherever computed. */
static Obstacle
obstacle_to_values(const Mapping *mapping)
{
	bool		all = mapping->scope != NULL;
	const MappingColumn *columns = all ? mapping->common : mapping->columns;

	for (int i = 0; i < (all ? mapping->ncommon : mapping->ncolumns); i++)
		if (columns[i].recast)
			return deltaetl_obstacle(OBSTACLE_RECAST, columns[i].quoted);
	if (mapping->source_hash_believed)
		return deltaetl_obstacle(OBSTACLE_BELIEF, mapping->source_hash);
	if (mapping->nkeys > MAX_BUCKET_COLUMNS)
		return deltaetl_obstacle(OBSTACLE_BUCKET_WIDTH, NULL);
	return deltaetl_obstacle_to_canonical_keys(mapping);
}

/* Which column keeps the types from being looked at on the server. */
static Obstacle
obstacle_in_columns(const Mapping *mapping, const MappingSide *side)
{
	Obstacle	obstacle = deltaetl_obstacle(OBSTACLE_NOT_SENT, side->quoted);
	int			refused = 0;
	char	   *error;

	for (int i = mapping->ncolumns - 1; i >= 0; i--)
	{
		Mapping    *narrow = deltaetl_narrow(mapping, deltaetl_types_condition(mapping, side, i, i + 1));
		char	   *query = deltaetl_a_row_query(narrow, side == &mapping->source ?
												 &narrow->source : &narrow->target);

		if (deltaetl_spi_probe(query, narrow, false, &error))
			continue;
		obstacle.name = psprintf("%s of %s", mapping->columns[i].quoted, side->quoted);
		refused++;
	}
	if (refused == mapping->ncolumns)
		return deltaetl_obstacle(OBSTACLE_NOT_SENT, side->quoted);
	obstacle.kind = OBSTACLE_COLUMN_NOT_SENT;
	return obstacle;
}

static Obstacle
obstacle_from_server(const MappingSide *side, const char *error)
{
	return deltaetl_obstacle(OBSTACLE_SERVER, psprintf("%s fails: %s", side->quoted, error));
}

/* What keeps a side's server from looking at the types of all columns. */
static Obstacle
obstacle_to_types(const Mapping *mapping, const MappingSide *side)
{
	Mapping		whole = *mapping;
	Mapping    *narrow;
	char	   *error;
	char	   *query;

	whole.scope = NULL;
	narrow = deltaetl_narrow(&whole, deltaetl_all_types_condition(mapping, side));
	query = deltaetl_a_row_query(narrow, side == &mapping->source ?
								 &narrow->source : &narrow->target);
	if (deltaetl_spi_probe(query, narrow, true, &error))
		return deltaetl_obstacle(NO_OBSTACLE, NULL);
	if (error != NULL)
		return obstacle_from_server(side, error);
	return obstacle_in_columns(&whole, side == &mapping->source ? &whole.source : &whole.target);
}

/* Whether the server of a foreign table has the values that are read of it. */
bool
deltaetl_has_declared_types(const Mapping *mapping, const MappingSide *side)
{
	return deltaetl_is_free(obstacle_to_types(mapping, side));
}

/* And from adding up what is in scope. */
static Obstacle
obstacle_to_sums(const Mapping *mapping, const MappingSide *side)
{
	char	   *error;

	if (deltaetl_spi_probe(deltaetl_buckets_query(mapping, side, FIRST_BITS), mapping,
						   false, &error))
		return deltaetl_obstacle(NO_OBSTACLE, NULL);
	if (error != NULL)
		return obstacle_from_server(side, error);
	if (deltaetl_spi_probe(deltaetl_a_row_query(mapping, side), mapping, false, &error))
		return deltaetl_obstacle(OBSTACLE_SUMS_NOT_SENT, side->quoted);
	return deltaetl_obstacle(OBSTACLE_SCOPE_NOT_SENT, side->quoted);
}

static Obstacle
obstacle_in_side(const Mapping *mapping, const MappingSide *side)
{
	Obstacle	obstacle;

	if (!side->is_foreign)
		return deltaetl_obstacle(deltaetl_has_foreign_children(side->relid) ?
								 OBSTACLE_FOREIGN_PART : NO_OBSTACLE, side->quoted);
	if (list_length(side->tree) > 1)
		return deltaetl_obstacle(OBSTACLE_CHILDREN, side->quoted);
	obstacle = obstacle_to_types(mapping, side);
	return deltaetl_is_free(obstacle) ? obstacle_to_sums(mapping, side) : obstacle;
}

static Obstacle
obstacle_to_digests(const Mapping *mapping)
{
	Obstacle	obstacle;

	if (deltaetl_detection == DETECT_JOIN)
		return deltaetl_obstacle(OBSTACLE_SETTING, "join");
	obstacle = obstacle_to_values(mapping);
	if (deltaetl_is_free(obstacle))
		obstacle = obstacle_in_side(mapping, &mapping->source);
	if (deltaetl_is_free(obstacle))
		obstacle = obstacle_in_side(mapping, &mapping->target);
	return obstacle;
}

/* Find out whether a mapping's sides, which have to be locked, are compared by digests. */
void
deltaetl_resolve_remote(Mapping *mapping)
{
	mapping->across_servers = mapping->source.exists &&
		(mapping->source.is_foreign || mapping->target.is_foreign);
	if (!mapping->across_servers)
		return;
	mapping->digest_obstacle = obstacle_to_digests(mapping);
	mapping->by_digest = deltaetl_is_free(mapping->digest_obstacle);
}
