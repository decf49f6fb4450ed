/*-------------------------------------------------------------------------
 *
 * layout.c
 *	  What of a mapping can be taken from the bytes of its rows.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "deltaetl.h"

#include "access/relation.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "storage/bufmgr.h"
#include "stored_row.h"
#include "utils/lsyscache.h"

/*
 * Whether text is equal just if its UTF-8 is.  Some encodings of several bytes
 * have characters that become the same one.
 */
static bool
encoding_is_canonical(void)
{
	return GetDatabaseEncoding() == PG_UTF8 || pg_database_encoding_max_length() == 1;
}

static bool
has_canonical_text(const MappingColumn *column)
{
	return encoding_is_canonical() &&
		get_collation_isdeterministic(column->key_collation);
}

/*
 * Whether values of a type are equal just if their encodings are.  Not so for
 * numeric without a scale (1.0 and 1.00), floats (0 and -0), interval, or
 * char(n) without a length.
 */
bool
deltaetl_has_canonical_bytes(const MappingColumn *column)
{
	switch (getBaseType(column->type))
	{
		case BOOLOID:
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case OIDOID:
		case DATEOID:
		case TIMEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
		case UUIDOID:
		case BYTEAOID:
			return true;
		case TEXTOID:
		case VARCHAROID:
		case NAMEOID:
			return has_canonical_text(column);
		case BPCHAROID:
			return column->typmod >= 0 && column->type == BPCHAROID &&
				has_canonical_text(column);
		case NUMERICOID:
			return column->typmod >= 0 && column->type == NUMERICOID;
		default:
			return encoding_is_canonical() &&
				get_typtype(getBaseType(column->type)) == TYPTYPE_ENUM;
	}
}

/* What keeps keys from being equal just if their encodings are. */
Obstacle
deltaetl_obstacle_to_canonical_keys(const Mapping *mapping)
{
	for (int i = 0; i < mapping->nkeys; i++)
		if (!deltaetl_has_canonical_bytes(&mapping->columns[i]))
			return deltaetl_obstacle(OBSTACLE_KEY_BYTES, mapping->columns[i].quoted);
	return deltaetl_obstacle(NO_OBSTACLE, NULL);
}

/*
 * Every column that is stored has to be compared, or to follow from those that
 * are.
 */
static Obstacle
obstacle_to_whole_rows(const Mapping *mapping)
{
	Relation	target;
	const char *unmapped;

	for (int i = 0; i < mapping->ncolumns; i++)
		if (mapping->columns[i].recast)
			return deltaetl_obstacle(OBSTACLE_RECAST, mapping->columns[i].quoted);
	target = relation_open(mapping->target.relid, NoLock);
	unmapped = deltaetl_unmapped_column(mapping, target);
	relation_close(target, NoLock);
	return deltaetl_obstacle(unmapped ? OBSTACLE_NOT_MAPPED : NO_OBSTACLE, unmapped);
}

/* Whether some values of a side lie out of line. */
bool
deltaetl_has_toast(const MappingSide *side)
{
	bool		has_toast = false;
	ListCell   *cell;

	foreach(cell, side->tree)
	{
		Relation	rel = relation_open(lfirst_oid(cell), NoLock);

		if (OidIsValid(rel->rd_rel->reltoastrelid))
		{
			Relation	toast = relation_open(rel->rd_rel->reltoastrelid, AccessShareLock);

			has_toast |= RelationGetNumberOfBlocks(toast) > 0;
			relation_close(toast, AccessShareLock);
		}
		relation_close(rel, NoLock);
	}
	return has_toast;
}

/* What keeps all tables of a side from having the layout of one. */
static Obstacle
obstacle_to_layout(const MappingSide *side, Oid relid)
{
	ListCell   *cell;

	foreach(cell, side->tree)
	{
		Obstacle	obstacle = {.kind = OBSTACLE_LAYOUT};

		if (get_rel_relkind(lfirst_oid(cell)) == RELKIND_PARTITIONED_TABLE)
			continue;
		obstacle.attnum = deltaetl_layout_difference(lfirst_oid(cell), relid);
		if (obstacle.attnum == LAYOUT_IS_SAME)
			continue;
		obstacle.name = deltaetl_quote_relation(lfirst_oid(cell));
		if (obstacle.attnum == LAYOUT_IS_NO_HEAP)
			return deltaetl_obstacle(OBSTACLE_ACCESS_METHOD, obstacle.name);
		return obstacle;
	}
	return deltaetl_obstacle(NO_OBSTACLE, NULL);
}

/* What keeps all tables of a side from having a column as their last. */
static Obstacle
obstacle_to_last(const MappingSide *side, const char *column)
{
	ListCell   *cell;

	foreach(cell, side->tree)
	{
		if (get_rel_relkind(lfirst_oid(cell)) != RELKIND_PARTITIONED_TABLE &&
			!deltaetl_ends_with(lfirst_oid(cell), column))
			return deltaetl_obstacle(OBSTACLE_NOT_LAST,
									 deltaetl_quote_relation(lfirst_oid(cell)));
	}
	return deltaetl_obstacle(NO_OBSTACLE, NULL);
}

/*
 * What keeps the hashes of both sides, which have to be locked, from being
 * stored where they can be read without taking rows apart, and of the size
 * that is expected there.
 */
Obstacle
deltaetl_obstacle_to_last_hashes(const Mapping *mapping)
{
	Obstacle	obstacle;

	if (mapping->hash == NULL)
		return deltaetl_obstacle(OBSTACLE_NOT_TRACKED, mapping->target.quoted);
	if (mapping->source_hash_believed)
		return deltaetl_obstacle(OBSTACLE_HASH_BELIEVED, mapping->source_hash);
	if (mapping->source_hash == NULL)
		return deltaetl_obstacle(OBSTACLE_OTHER_HASH, mapping->source.quoted);
	if (strcmp(mapping->hash->algorithm, "sha256") != 0)
		return deltaetl_obstacle(OBSTACLE_ALGORITHM, mapping->hash->algorithm);
	obstacle = obstacle_to_last(&mapping->target, mapping->hash->name);
	return deltaetl_is_free(obstacle) ?
		obstacle_to_last(&mapping->source, mapping->hash->name) : obstacle;
}

static Oid
first_stored_table(const MappingSide *side)
{
	ListCell   *cell;

	foreach(cell, side->tree)
	{
		if (get_rel_relkind(lfirst_oid(cell)) != RELKIND_PARTITIONED_TABLE)
			return lfirst_oid(cell);
	}
	return InvalidOid;
}

/*
 * What keeps rows of both sides, which have to be locked, from being the same
 * if their bytes are, and mostly the other way round: they are, if all of their
 * tables have the same columns in the same places, and all of those are
 * compared.
 */
Obstacle
deltaetl_obstacle_to_stored_bytes(const Mapping *mapping)
{
	Oid			relid = first_stored_table(&mapping->target);
	Obstacle	obstacle;

	if (!OidIsValid(relid))
		return deltaetl_obstacle(OBSTACLE_NO_TABLE, mapping->target.quoted);
	obstacle = obstacle_to_whole_rows(mapping);
	if (deltaetl_is_free(obstacle))
		obstacle = obstacle_to_layout(&mapping->target, relid);
	if (deltaetl_is_free(obstacle))
		obstacle = obstacle_to_layout(&mapping->source, relid);
	return obstacle;
}
