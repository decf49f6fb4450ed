/*-------------------------------------------------------------------------
 *
 * verify.c
 *	  Holding stored hashes against the rows: deltaetl_verify().
 *
 * A generated column is right after any write.  Yet it can be left behind by
 * what changes the meaning of a stored value without writing it, as the new
 * name of an enum's label does; and a plain column holds what its writer put
 * there.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "deltaetl.h"

#include "access/relation.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "compat.h"

/* Arguments of deltaetl_verify(), by position. */
enum VerifyArgument
{
	ARG_TARGET,
	ARG_HASH_COLUMN
};

static char *
attribute_name(Relation rel, AttrNumber attnum)
{
	return pstrdup(NameStr(TupleDescAttr(RelationGetDescr(rel), attnum - 1)->attname));
}

/* ---------- what to compare ---------- */

static void
report_not_tracked(Relation rel)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("\"%s\" is not tracked", RelationGetRelationName(rel)),
			 errhint("Track it with deltaetl_track(), or name a column that holds hashes with hash_column.")));
}

/* A column that somebody says holds hashes has to be there and be bytea. */
static void
check_hash_column(Relation rel, const char *name)
{
	AttrNumber	attnum = deltaetl_column_number(rel, name);
	Oid			type;

	if (attnum == InvalidAttrNumber)
		deltaetl_unknown_column(rel, name);
	type = TupleDescAttr(RelationGetDescr(rel), attnum - 1)->atttypid;
	if (getBaseType(type) != BYTEAOID)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of \"%s\" cannot hold hashes",
						name, RelationGetRelationName(rel)),
				 errdetail("It has type %s, and hashes have type bytea.",
						   format_type_be(type))));
}

/*
 * The stored hash whose expression is to be computed: that in the named
 * column, else any; or NULL if there is none, which takes a name.
 */
static StoredHash *
choose_hash(Relation rel, Oid namespace, const char *hash_column)
{
	StoredHash *hash;

	if (hash_column != NULL)
		check_hash_column(rel, hash_column);
	hash = deltaetl_find_stored_hash(rel, namespace, hash_column);
	if (hash == NULL && hash_column != NULL)
		hash = deltaetl_find_stored_hash(rel, namespace, NULL);
	if (hash == NULL && hash_column == NULL)
		report_not_tracked(rel);
	return hash;
}

/* ---------- what to read ---------- */

/* Ask for what a stored hash is of, and for the column that holds it. */
static void
request_columns(MappingRequest *request, Relation rel, const StoredHash *hash,
				char *hash_column)
{
	for (int i = 0; i < hash->ncolumns; i++)
		request->columns = lappend(request->columns,
								   attribute_name(rel, hash->columns[i]));
	request->columns = lappend(request->columns, hash_column);
}

/* The hash of all columns of the mapping but the one that holds it. */
static StoredHash *
standard_hash(const Mapping *mapping, const char *hash_column)
{
	StoredHash *hash = palloc0(sizeof(StoredHash));

	hash->algorithm = "sha256";
	hash->columns = palloc(mapping->ncolumns * sizeof(AttrNumber));
	for (int i = 0; i < mapping->ncolumns; i++)
	{
		if (strcmp(mapping->columns[i].name, hash_column) != 0)
			hash->columns[hash->ncolumns++] = mapping->columns[i].attnum;
		else if (i < mapping->nkeys)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("hash_column must not name key column \"%s\"",
							hash_column)));
	}
	return hash;
}

static void
collect_result(TupleTableSlot *slot, void *arg)
{
	tuplestore_puttupleslot(((ReturnSetInfo *) arg)->setResult, slot);
}

PG_FUNCTION_INFO_V1(deltaetl_verify);

/*
 * deltaetl_verify(target regclass, hash_column name)
 *	 returns setof (key jsonb, stored_hash bytea, row_hash bytea)
 *
 * The rows whose hash, in a generated column or in the one named, is not what
 * the expression of the generated column gives now; or, without such an
 * expression, not what deltaetl_hashes() returns.
 */
Datum
deltaetl_verify(PG_FUNCTION_ARGS)
{
	MappingRequest request = {0};
	char	   *hash_column = deltaetl_name_argument(fcinfo, ARG_HASH_COLUMN);
	Relation	rel;
	StoredHash *hash;
	Mapping    *mapping;
	int			nestlevel;

	request.extension = deltaetl_extension(fcinfo);
	request.target = deltaetl_relation_argument(fcinfo, ARG_TARGET, "target");
	request.own_key = true;
	request.privileges = ACL_SELECT;
	rel = deltaetl_open_relation(request.target);
	deltaetl_check_tracked_kind(rel);
	deltaetl_check_readable(rel);
	hash = choose_hash(rel, deltaetl_extension(fcinfo), hash_column);
	if (hash_column == NULL)
		hash_column = hash->name;
	request.all_columns = hash == NULL;
	if (hash != NULL)
		request_columns(&request, rel, hash, hash_column);

	InitMaterializedSRF(fcinfo, 0);
	mapping = deltaetl_resolve(&request, deltaetl_extension_schema(fcinfo));
	if (hash == NULL)
		hash = standard_hash(mapping, hash_column);
	nestlevel = deltaetl_spi_begin();
	deltaetl_spi_select(deltaetl_verify_query(mapping, rel, hash_column, hash),
						mapping, collect_result, fcinfo->resultinfo);
	deltaetl_spi_end(nestlevel);
	relation_close(rel, NoLock);
	PG_RETURN_NULL();
}
