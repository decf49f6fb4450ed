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
static bool
has_canonical_bytes(const MappingColumn *column)
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

/* Whether keys are equal just if their encodings are. */
bool
deltaetl_keys_are_canonical(const Mapping *mapping)
{
	for (int i = 0; i < mapping->nkeys; i++)
		if (!has_canonical_bytes(&mapping->columns[i]))
			return false;
	return true;
}

/* Every column that is stored is compared, or follows from those that are. */
static bool
maps_whole_row(const Mapping *mapping)
{
	Relation	target = relation_open(mapping->target.relid, NoLock);
	TupleDesc	desc = RelationGetDescr(target);
	int			stored = 0;
	int			compared = 0;

	for (int i = 0; i < desc->natts; i++)
		stored += !TupleDescAttr(desc, i)->attisdropped &&
			!TupleDescAttr(desc, i)->attgenerated;
	relation_close(target, NoLock);
	for (int i = 0; i < mapping->ncolumns; i++)
	{
		if (mapping->columns[i].recast)
			return false;
		compared += !mapping->columns[i].generated;
	}
	return compared == stored;
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

static bool
tree_has_layout(const MappingSide *side, Oid relid)
{
	ListCell   *cell;

	foreach(cell, side->tree)
	{
		if (get_rel_relkind(lfirst_oid(cell)) != RELKIND_PARTITIONED_TABLE &&
			!deltaetl_same_layout(lfirst_oid(cell), relid))
			return false;
	}
	return true;
}

static bool
tree_ends_with(const MappingSide *side, const char *column)
{
	ListCell   *cell;

	foreach(cell, side->tree)
	{
		if (get_rel_relkind(lfirst_oid(cell)) != RELKIND_PARTITIONED_TABLE &&
			!deltaetl_ends_with(lfirst_oid(cell), column))
			return false;
	}
	return true;
}

/*
 * Whether the hashes of both sides, which have to be locked, are stored where
 * they can be read without taking rows apart, and of the size that is
 * expected there.
 */
bool
deltaetl_hashes_are_last(const Mapping *mapping)
{
	return mapping->hash != NULL && mapping->source_hash != NULL &&
		!mapping->source_hash_believed &&
		strcmp(mapping->hash->algorithm, "sha256") == 0 &&
		tree_ends_with(&mapping->target, mapping->hash->name) &&
		tree_ends_with(&mapping->source, mapping->hash->name);
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
 * Whether rows of both sides, which have to be locked, with the same bytes
 * are the same, and mostly the other way round: all of their tables have the
 * same columns in the same places, and all of those are compared.
 */
bool
deltaetl_rows_are_comparable(const Mapping *mapping)
{
	Oid			relid = first_stored_table(&mapping->target);

	return OidIsValid(relid) && maps_whole_row(mapping) &&
		tree_has_layout(&mapping->target, relid) &&
		tree_has_layout(&mapping->source, relid);
}
