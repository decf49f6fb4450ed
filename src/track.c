/*-------------------------------------------------------------------------
 *
 * track.c
 *	  Making and dropping stored hashes: deltaetl_track(), deltaetl_untrack().
 *
 * Nothing is kept but the generated column itself.  As in a sync, problems
 * are reported, lack of rights among them, before waiting for a lock that
 * others feel, and looked for again under the lock.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "deltaetl.h"

#include "access/relation.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"

/* Arguments of deltaetl_track(), by position. */
enum TrackArgument
{
	ARG_TARGET,
	ARG_COLUMNS,
	ARG_HASH_COLUMN,
	ARG_ALGORITHM
};

typedef struct TrackOptions
{
	MappingRequest request;
	char	   *hash_column;
	char	   *algorithm;
	char	   *schema;			/* its name, quoted */
} TrackOptions;

static const char *const algorithms[] = {
	"md5", "sha1", "sha224", "sha256", "sha384", "sha512"
};

/* ---------- arguments ---------- */

static char *
read_hash_algorithm(FunctionCallInfo fcinfo)
{
	char	   *algorithm = deltaetl_text_argument(fcinfo, ARG_ALGORITHM);

	for (int i = 0; algorithm != NULL && i < lengthof(algorithms); i++)
		if (strcmp(algorithm, algorithms[i]) == 0)
			return algorithm;
	ereport(ERROR,
			(errcode(algorithm ? ERRCODE_INVALID_PARAMETER_VALUE :
					 ERRCODE_NULL_VALUE_NOT_ALLOWED),
			 algorithm ?
			 errmsg("invalid value for algorithm: \"%s\"", algorithm) :
			 errmsg("algorithm must not be null"),
			 errhint("Good values are 'md5', 'sha1', 'sha224', 'sha256', 'sha384' and 'sha512'.")));
}

static TrackOptions
read_options(FunctionCallInfo fcinfo)
{
	TrackOptions options = {0};
	MappingRequest *request = &options.request;

	request->target = deltaetl_relation_argument(fcinfo, ARG_TARGET, "target");
	request->own_key = true;
	request->all_columns = PG_ARGISNULL(ARG_COLUMNS);
	request->columns = deltaetl_name_list(fcinfo, ARG_COLUMNS, "columns");
	request->privileges = ACL_SELECT;
	options.hash_column = deltaetl_name_argument(fcinfo, ARG_HASH_COLUMN);
	if (options.hash_column == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("hash_column must not be null")));
	options.algorithm = read_hash_algorithm(fcinfo);
	request->extension = deltaetl_extension(fcinfo);
	options.schema = deltaetl_extension_schema(fcinfo);
	return options;
}

/* ---------- checks ---------- */

/* Open a relation that the caller may alter. */
static Relation
open_target(Oid relid)
{
	Relation	rel = deltaetl_open_relation(relid);

	deltaetl_check_tracked_kind(rel);
	deltaetl_check_owner(rel);
	return rel;
}

static void
check_not_tracked(Relation rel, Oid namespace)
{
	StoredHash *hash = deltaetl_find_stored_hash(rel, namespace, NULL);

	if (hash != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("\"%s\" is tracked already", RelationGetRelationName(rel)),
				 errdetail("Column \"%s\" holds the hash of each row.", hash->name),
				 errhint("To track it in another way, call deltaetl_untrack() first.")));
}

/*
 * Raise an error if a table of the target's tree cannot take the column.  That
 * a child has one of that name PostgreSQL would let pass, and so it would
 * hold anything.
 */
static void
check_table(Relation target, Oid relid, const char *hash_column)
{
	Relation	rel = deltaetl_open_relation(relid);

	if (rel->rd_rel->relkind == RELKIND_FOREIGN_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("cannot track \"%s\"", RelationGetRelationName(target)),
				 errdetail("Its rows in the foreign table \"%s\" are stored by another server.",
						   RelationGetRelationName(rel))));
	if (deltaetl_column_number(rel, hash_column) != InvalidAttrNumber)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_COLUMN),
				 errmsg("column \"%s\" of relation \"%s\" already exists",
						hash_column, RelationGetRelationName(rel)),
				 errhint("Name another column with hash_column.")));
	relation_close(rel, AccessShareLock);
}

static void
check_tree(Relation target, const char *hash_column)
{
	List	   *relids = find_all_inheritors(RelationGetRelid(target), NoLock, NULL);
	ListCell   *cell;

	foreach(cell, relids)
		check_table(target, lfirst_oid(cell), hash_column);
}

static void
check_no_generated(const Mapping *mapping)
{
	for (int i = 0; i < mapping->ncolumns; i++)
		if (mapping->columns[i].generated)
			ereport(ERROR,
					(errcode(ERRCODE_GENERATED_ALWAYS),
					 errmsg("column \"%s\" of \"%s\" cannot be part of a stored hash",
							mapping->columns[i].name, mapping->target.name),
					 errdetail("It is a generated column, and so is a stored hash: one cannot be computed from the other.")));
}

/* Find out what to hash; raises an error for whatever speaks against it. */
static Mapping *
resolve_tracking(const TrackOptions *options)
{
	Relation	rel = open_target(options->request.target);
	Mapping    *mapping;

	check_not_tracked(rel, options->request.extension);
	check_tree(rel, options->hash_column);
	relation_close(rel, AccessShareLock);
	mapping = deltaetl_resolve(&options->request, options->schema);
	check_no_generated(mapping);
	return mapping;
}

/* Lock a table and its partitions or children, as ALTER TABLE does. */
static void
lock_for_alter(Oid relid)
{
	LockRelationOid(relid, AccessExclusiveLock);
	if (get_rel_relkind(relid) != '\0')
		(void) find_all_inheritors(relid, AccessExclusiveLock, NULL);
}

/* ---------- SQL functions ---------- */

PG_FUNCTION_INFO_V1(deltaetl_track);
PG_FUNCTION_INFO_V1(deltaetl_untrack);

/*
 * deltaetl_track(target regclass, columns name[], hash_column name,
 *				  algorithm text)
 *	 returns void
 *
 * Add a generated column with the hash of each row: of the key columns and
 * then of the others, or those of them that columns names, by name in byte
 * order.
 */
Datum
deltaetl_track(PG_FUNCTION_ARGS)
{
	TrackOptions options = read_options(fcinfo);
	Mapping    *mapping;

	PreventCommandIfReadOnly("deltaetl_track()");
	PreventCommandDuringRecovery("deltaetl_track()");
	(void) resolve_tracking(&options);
	lock_for_alter(options.request.target);
	mapping = resolve_tracking(&options);
	(void) deltaetl_spi_check(deltaetl_track_check_query(mapping, options.algorithm), mapping, NULL);
	deltaetl_spi_define(deltaetl_track_query(mapping, options.hash_column,
											 options.algorithm),
						&mapping->target);
	PG_RETURN_VOID();
}

/* The stored hashes of a relation that the caller may alter; one at least. */
static List *
hashes_to_drop(Oid relid, Oid namespace, MappingSide *target)
{
	Relation	rel = open_target(relid);
	List	   *hashes = deltaetl_stored_hashes(rel, namespace);

	if (hashes == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("\"%s\" is not tracked", RelationGetRelationName(rel)),
				 errdetail("None of its columns is generated by deltaetl_row_hash() or the like.")));
	deltaetl_describe_side(target, rel);
	relation_close(rel, AccessShareLock);
	return hashes;
}

/*
 * deltaetl_untrack(target regclass) returns void
 *
 * Drop the generated columns that hold the hash of their row.
 */
Datum
deltaetl_untrack(PG_FUNCTION_ARGS)
{
	Oid			relid = deltaetl_relation_argument(fcinfo, 0, "target");
	Oid			namespace = deltaetl_extension(fcinfo);
	MappingSide target = {0};
	List	   *hashes;

	PreventCommandIfReadOnly("deltaetl_untrack()");
	PreventCommandDuringRecovery("deltaetl_untrack()");
	(void) hashes_to_drop(relid, namespace, &target);
	lock_for_alter(relid);
	hashes = hashes_to_drop(relid, namespace, &target);
	deltaetl_spi_define(deltaetl_untrack_query(&target, hashes), &target);
	PG_RETURN_VOID();
}
