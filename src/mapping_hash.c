/*-------------------------------------------------------------------------
 *
 * mapping_hash.c
 *	  Stored hashes that a run can use instead of hashing rows.
 *
 * A stored hash of the target is of use if it is a hash of just the columns
 * that are compared.  The source may have the same: a generated column of the
 * same name with the same expression over the same columns, as in a table made
 * with LIKE ... INCLUDING GENERATED.  A column of the source that is not
 * generated could hold anything, and is believed only if the caller says so.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "deltaetl.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

/* The compared column with a number in the target, or NULL. */
static const MappingColumn *
compared_column(const Mapping *mapping, AttrNumber attnum)
{
	for (int i = 0; i < mapping->ncolumns; i++)
		if (mapping->columns[i].attnum == attnum)
			return &mapping->columns[i];
	return NULL;
}

static bool
is_hashed(const StoredHash *hash, AttrNumber attnum)
{
	for (int i = 0; i < hash->ncolumns; i++)
		if (hash->columns[i] == attnum)
			return true;
	return false;
}

/* The first compared column that a hash leaves out, or NULL. */
static const MappingColumn *
untracked_column(const Mapping *mapping, const StoredHash *hash)
{
	for (int i = 0; i < mapping->ncolumns; i++)
		if (!is_hashed(hash, mapping->columns[i].attnum))
			return &mapping->columns[i];
	return NULL;
}

/* What keeps a hash of the target from being one of just the columns compared. */
static Obstacle
obstacle_to_columns(const Mapping *mapping, const StoredHash *hash,
					Relation target)
{
	const MappingColumn *untracked = untracked_column(mapping, hash);

	if (untracked != NULL)
		return deltaetl_obstacle(OBSTACLE_HASH_LACKS, untracked->quoted);
	for (int i = 0; i < hash->ncolumns; i++)
	{
		Form_pg_attribute att = TupleDescAttr(RelationGetDescr(target),
											  hash->columns[i] - 1);

		if (compared_column(mapping, att->attnum) == NULL)
			return deltaetl_obstacle(OBSTACLE_HASH_HAS,
									 quote_identifier(pstrdup(NameStr(att->attname))));
	}
	return deltaetl_obstacle(hash->ncolumns == mapping->ncolumns ?
							 NO_OBSTACLE : OBSTACLE_HASH_REPEATS, NULL);
}

/* Whether a hash of the source is the same as one of the target. */
static bool
is_same_hash(const Mapping *mapping, const StoredHash *hash,
			 const StoredHash *source_hash)
{
	if (source_hash == NULL || source_hash->ncolumns != hash->ncolumns ||
		strcmp(source_hash->algorithm, hash->algorithm) != 0)
		return false;
	for (int i = 0; i < hash->ncolumns; i++)
	{
		const MappingColumn *column = compared_column(mapping, hash->columns[i]);

		if (column->recast || column->source_attnum != source_hash->columns[i])
			return false;
	}
	return true;
}

/* Take the source's word for the hashes in a column of it. */
static void
believe_source_hash(Mapping *mapping, const char *name, Relation source,
					Relation target)
{
	AttrNumber	attnum = deltaetl_column_number(source, name);
	Oid			type;

	if (attnum == InvalidAttrNumber)
		deltaetl_unknown_column(source, name);
	type = TupleDescAttr(RelationGetDescr(source), attnum - 1)->atttypid;
	if (type != BYTEAOID)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("source_hash_column \"%s\" of \"%s\" must have type bytea, not %s",
						name, RelationGetRelationName(source),
						format_type_be(type))));
	deltaetl_check_may_read(source, attnum);
	if (mapping->hash == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("target \"%s\" has no stored hash that source_hash_column could be compared with",
						RelationGetRelationName(target)),
				 errdetail("A stored hash has to cover just the columns that are compared."),
				 errhint("Add one with deltaetl_track(), or leave out source_hash_column.")));
	mapping->source_hash = pstrdup(quote_identifier(name));
	mapping->source_hash_believed = true;
}

/* A column that is called like the hash where rows are read. */
static bool
has_reserved_name(const Mapping *mapping)
{
	for (int i = 0; i < mapping->ncommon; i++)
		if (strcmp(mapping->common[i].name, "deltaetl:hash") == 0)
			return true;
	return false;
}

/*
 * What a foreign table declares to be generated is what another server says it
 * is, which may be anything.
 */
static StoredHash *
find_hash(const MappingSide *side, Relation rel, Oid extension, const char *column)
{
	return side->is_foreign ? NULL : deltaetl_find_stored_hash(rel, extension, column);
}

static Obstacle
obstacle_to_hash(const Mapping *mapping, const StoredHash *hash, Relation target)
{
	if (hash == NULL)
		return deltaetl_obstacle(OBSTACLE_NOT_TRACKED, mapping->target.quoted);
	if (has_reserved_name(mapping))
		return deltaetl_obstacle(OBSTACLE_RESERVED_NAME,
								 quote_identifier("deltaetl:hash"));
	if (!deltaetl_may_read(target, hash->attnum))
		return deltaetl_obstacle(OBSTACLE_HASH_PRIVILEGE, mapping->target.quoted);
	return obstacle_to_columns(mapping, hash, target);
}

static Obstacle
obstacle_to_source_hash(const Mapping *mapping, const StoredHash *source_hash,
						Relation source)
{
	if (!is_same_hash(mapping, mapping->hash, source_hash))
		return deltaetl_obstacle(OBSTACLE_OTHER_HASH, mapping->source.quoted);
	if (!deltaetl_may_read(source, source_hash->attnum))
		return deltaetl_obstacle(OBSTACLE_HASH_PRIVILEGE, mapping->source.quoted);
	return deltaetl_obstacle(NO_OBSTACLE, NULL);
}

/*
 * Find out which stored hashes are of use, once the columns are resolved.
 * Raises an error if the caller has named one that is not.
 */
void
deltaetl_resolve_hash(Mapping *mapping, const MappingRequest *request,
					  Relation source, Relation target)
{
	StoredHash *hash = find_hash(&mapping->target, target, request->extension, NULL);
	StoredHash *source_hash;

	mapping->hash_obstacle = obstacle_to_hash(mapping, hash, target);
	if (deltaetl_is_free(mapping->hash_obstacle))
	{
		mapping->hash = hash;
		source_hash = find_hash(&mapping->source, source, request->extension, hash->name);
		mapping->source_hash_obstacle = obstacle_to_source_hash(mapping, source_hash, source);
		if (deltaetl_is_free(mapping->source_hash_obstacle))
			mapping->source_hash = pstrdup(quote_identifier(hash->name));
	}
	else if (hash != NULL && request->all_columns && untracked_column(mapping, hash))
		mapping->untracked = untracked_column(mapping, hash)->name;
	if (request->source_hash_column != NULL)
		believe_source_hash(mapping, request->source_hash_column, source, target);
}

/* Say why the stored hash of the target is of no use. */
void
deltaetl_notice_untracked(const Mapping *mapping)
{
	if (mapping->untracked == NULL)
		return;
	ereport(NOTICE,
			(errmsg("column \"%s\" of \"%s\" is not tracked", mapping->untracked,
					mapping->target.name),
			 errdetail("The stored hash of the table does not cover it, so rows are compared column by column."),
			 errhint("To track it too, call %s.deltaetl_untrack() and %s.deltaetl_track() for the table.",
					 mapping->schema, mapping->schema)));
}

/*
 * The expression of the target's stored hash over the columns of an alias,
 * c1 .. cn or those of the relation.
 */
char *
deltaetl_hash_of(const Mapping *mapping, const char *alias,
				 bool alias_is_relation)
{
	const StoredHash *hash = mapping->hash;
	const char **references = palloc(hash->ncolumns * sizeof(char *));

	for (int i = 0; i < hash->ncolumns; i++)
	{
		const MappingColumn *column = compared_column(mapping, hash->columns[i]);

		references[i] = alias_is_relation ?
			psprintf("%s.%s", alias, column->quoted) :
			psprintf("%s.c%d", alias, (int) (column - mapping->columns) + 1);
	}
	return deltaetl_hash_expression(hash, mapping->schema, references);
}
