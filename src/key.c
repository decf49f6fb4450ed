/*-------------------------------------------------------------------------
 *
 * key.c
 *	  The key: which columns identify a row, by which equality.
 *
 * An index is usable if it is unique, valid, immediate, neither partial nor
 * over expressions, and cannot hold two rows with the same key: its columns
 * are NOT NULL, or it is NULLS NOT DISTINCT.  Its equality must be the
 * default one of the column's type, since GROUP BY knows no other.  The
 * primary key is usable also if it is deferrable, but then proves nothing.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "key.h"

#include "access/htup_details.h"
#include "access/stratnum.h"
#include "catalog/dependency.h"
#include "catalog/pg_index.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/relcache.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "compat.h"

static Oid
default_equality(Oid type)
{
	return lookup_type_cache(type, TYPECACHE_EQ_OPR)->eq_opr;
}

static Oid
index_equality(Oid opclass)
{
	Oid			type = get_opclass_input_type(opclass);

	return get_opfamily_member(get_opclass_family(opclass), type, type,
							   BTEqualStrategyNumber);
}

/* Fill in the columns of an index; false if that finds it not usable. */
static bool
read_index_columns(KeyIndex *key, Relation rel, Form_pg_index index,
				   const oidvector *opclasses, const oidvector *collations)
{
	TupleDesc	desc = RelationGetDescr(rel);

	for (int i = 0; i < key->ncolumns; i++)
	{
		AttrNumber	attnum = index->indkey.values[i];

		if (attnum <= 0)
			return false;
		if (!key->nulls_not_distinct && !column_is_not_null(desc, attnum - 1))
			return false;
		if (index_equality(opclasses->values[i]) !=
			default_equality(TupleDescAttr(desc, attnum - 1)->atttypid))
			return false;
		key->attnum[i] = attnum;
		key->collation[i] = collations->values[i];
		key->columns = bms_add_member(key->columns, attnum);
	}
	return true;
}

/* Return what is needed of an index, or NULL if it is not usable. */
static KeyIndex *
read_index(Relation rel, Oid indexid)
{
	HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(indexid));
	Form_pg_index index;
	KeyIndex   *key = palloc0(sizeof(KeyIndex));
	Datum		opclasses;
	Datum		collations;
	bool		isnull;
	bool		usable;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for index %u", indexid);
	index = (Form_pg_index) GETSTRUCT(tuple);
	opclasses = SysCacheGetAttr(INDEXRELID, tuple, Anum_pg_index_indclass, &isnull);
	collations = SysCacheGetAttr(INDEXRELID, tuple, Anum_pg_index_indcollation, &isnull);

	key->name = get_rel_name(indexid);
	key->primary = index->indisprimary;
	key->immediate = index->indimmediate;
	key->nulls_not_distinct = index->indnullsnotdistinct;
	key->constraint = OidIsValid(get_index_constraint(indexid));
	key->ncolumns = index->indnkeyatts;
	usable = index->indisunique && index->indisvalid &&
		(index->indimmediate || index->indisprimary) &&
		heap_attisnull(tuple, Anum_pg_index_indpred, NULL) &&
		heap_attisnull(tuple, Anum_pg_index_indexprs, NULL) &&
		read_index_columns(key, rel, index,
						   (oidvector *) DatumGetPointer(opclasses),
						   (oidvector *) DatumGetPointer(collations));
	ReleaseSysCache(tuple);
	return usable ? key : NULL;
}

/* Those of a relation that can be its key. */
List *
deltaetl_usable_indexes(Relation rel)
{
	List	   *indexes = RelationGetIndexList(rel);
	List	   *usable = NIL;
	ListCell   *cell;

	foreach(cell, indexes)
	{
		KeyIndex   *key = read_index(rel, lfirst_oid(cell));

		if (key != NULL)
			usable = lappend(usable, key);
	}
	return usable;
}

/* errmsg() of the two errors about keys below */
static int
errmsg_no_key(const Mapping *mapping, Relation target)
{
	return mapping->source.exists ?
		errmsg("cannot sync \"%s\" without a key",
			   RelationGetRelationName(target)) :
		errmsg("cannot tell the rows of \"%s\" apart without a key",
			   RelationGetRelationName(target));
}

static void
report_ambiguous_key(const Mapping *mapping, Relation target,
					 const KeyIndex *a, const KeyIndex *b)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg_no_key(mapping, target),
			 errdetail("The table has no primary key and more than one usable unique index, among them \"%s\" and \"%s\".",
					   a->name, b->name),
			 mapping->own_key ?
			 errhint("Add a primary key.") :
			 errhint("Name the key with key_columns.")));
}

static void
report_no_key(const Mapping *mapping, Relation target)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg_no_key(mapping, target),
			 mapping->target.is_foreign ?
			 errdetail("A foreign table has no primary key and no indexes.") :
			 errdetail("The table has no primary key and no unique index over columns that are all NOT NULL."),
			 mapping->target.is_foreign ?
			 errhint("Name the key with key_columns.") :
			 mapping->own_key ?
			 errhint("Add a primary key.") :
			 errhint("Add a primary key, or name the key with key_columns.")));
}

Oid
deltaetl_index_collation(const KeyIndex *key, AttrNumber attnum)
{
	for (int i = 0; i < key->ncolumns; i++)
		if (key->attnum[i] == attnum)
			return key->collation[i];
	return InvalidOid;
}

/* Whether two indexes are over the same columns and match them alike. */
static bool
same_key(const KeyIndex *a, const KeyIndex *b)
{
	if (!bms_equal(a->columns, b->columns))
		return false;
	for (int i = 0; i < a->ncolumns; i++)
		if (a->collation[i] != deltaetl_index_collation(b, a->attnum[i]))
			return false;
	return true;
}

/* The primary key, else the one usable index; else an error. */
static KeyIndex *
choose_index(const Mapping *mapping, Relation target, List *indexes)
{
	KeyIndex   *chosen = NULL;
	ListCell   *cell;

	foreach(cell, indexes)
	{
		KeyIndex   *key = lfirst(cell);

		if (key->primary)
			return key;
	}
	foreach(cell, indexes)
	{
		KeyIndex   *key = lfirst(cell);

		if (chosen == NULL)
			chosen = key;
		else if (!same_key(chosen, key))
			report_ambiguous_key(mapping, target, chosen, key);
	}
	if (chosen == NULL)
		report_no_key(mapping, target);
	return chosen;
}

static bool
has_column_collations(const KeyIndex *key, Relation rel)
{
	for (int i = 0; i < key->ncolumns; i++)
		if (key->collation[i] !=
			TupleDescAttr(RelationGetDescr(rel), key->attnum[i] - 1)->attcollation)
			return false;
	return true;
}

/*
 * The index over just these columns, or NULL.  Of several, rather one that
 * has the columns' own collations.
 */
static KeyIndex *
matching_index(Relation rel, List *indexes, Bitmapset *columns)
{
	KeyIndex   *found = NULL;
	ListCell   *cell;

	foreach(cell, indexes)
	{
		KeyIndex   *key = lfirst(cell);

		if (bms_equal(key->columns, columns) &&
			(found == NULL || has_column_collations(key, rel)))
			found = key;
	}
	return found;
}

static void
add_key_column(Mapping *mapping, Relation target, AttrNumber attnum,
			   const KeyIndex *index)
{
	Form_pg_attribute att = TupleDescAttr(RelationGetDescr(target), attnum - 1);
	MappingColumn *column = &mapping->columns[mapping->nkeys++];

	column->attnum = attnum;
	column->name = pstrdup(NameStr(att->attname));
	column->equality = default_equality(att->atttypid);
	column->key_collation = index ? deltaetl_index_collation(index, attnum) : att->attcollation;
	column->nullable = mapping->nulls_match &&
		!column_is_not_null(RelationGetDescr(target), attnum - 1);

	if (att->attgenerated && mapping->source.exists)
		ereport(ERROR,
				(errcode(ERRCODE_GENERATED_ALWAYS),
				 errmsg("column \"%s\" of \"%s\" cannot be part of a key",
						column->name, RelationGetRelationName(target)),
				 errdetail("It is a generated column, which is neither compared nor written."),
				 errhint("Name another key with key_columns.")));
	if (!OidIsValid(column->equality))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("column \"%s\" of \"%s\" cannot be part of a key",
						column->name, RelationGetRelationName(target)),
				 errdetail("There is no default equality operator for type %s.",
						   format_type_be(att->atttypid))));
	if (!op_hashjoinable(column->equality, att->atttypid) &&
		!op_mergejoinable(column->equality, att->atttypid))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("column \"%s\" of \"%s\" cannot be part of a key",
						column->name, RelationGetRelationName(target)),
				 errdetail("The equality operator of type %s supports neither hash nor merge joins.",
						   format_type_be(att->atttypid))));
}

/* Grouping takes either hashing or sorting, for all columns alike. */
static void
check_groupable(const Mapping *mapping, Relation target)
{
	bool		hashable = true;
	bool		sortable = true;

	for (int i = 0; i < mapping->nkeys; i++)
	{
		const MappingColumn *column = &mapping->columns[i];
		Oid			type = TupleDescAttr(RelationGetDescr(target),
										 column->attnum - 1)->atttypid;

		hashable &= op_hashjoinable(column->equality, type);
		sortable &= op_mergejoinable(column->equality, type);
	}
	if (!hashable && !sortable)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("the columns of the key of \"%s\" cannot be matched together",
						RelationGetRelationName(target)),
				 errdetail("Some of their types can only be hashed, and others can only be sorted.")));
}

static Bitmapset *
named_columns(Relation target, List *names, AttrNumber *attnums)
{
	Bitmapset  *columns = NULL;
	ListCell   *cell;

	foreach(cell, names)
	{
		AttrNumber	attnum = deltaetl_column_number(target, lfirst(cell));

		if (attnum == InvalidAttrNumber)
			deltaetl_unknown_column(target, lfirst(cell));
		attnums[foreach_current_index(cell)] = attnum;
		columns = bms_add_member(columns, attnum);
	}
	return columns;
}

/*
 * What keeps the key's index from deciding at once whether a row is inserted,
 * whatever others insert meanwhile.
 */
static Obstacle
obstacle_to_arbiter(Relation target, const KeyIndex *index)
{
	if (index == NULL)
		return deltaetl_obstacle(OBSTACLE_NO_INDEX, NULL);
	if (!index->immediate)
		return deltaetl_obstacle(OBSTACLE_DEFERRABLE, quote_identifier(index->name));
	if (target->rd_rel->relkind == RELKIND_RELATION && target->rd_rel->relhassubclass)
		return deltaetl_obstacle(OBSTACLE_CHILDREN,
								 deltaetl_quote_relation(RelationGetRelid(target)));
	return deltaetl_obstacle(NO_OBSTACLE, NULL);
}

/*
 * Fill in the key, as columns[0 .. nkeys), which the caller has made room
 * for: the columns named, else what the target's indexes say.
 */
void
deltaetl_resolve_key(Mapping *mapping, Relation target, List *key_columns)
{
	List	   *indexes = deltaetl_usable_indexes(target);
	AttrNumber	attnums[MaxHeapAttributeNumber];
	const AttrNumber *key = attnums;
	int			nkeys = list_length(key_columns);
	KeyIndex   *index;

	if (key_columns != NIL)
	{
		index = matching_index(target, indexes,
							   named_columns(target, key_columns, attnums));
		mapping->key_origin = KEY_GIVEN;
	}
	else
	{
		index = choose_index(mapping, target, indexes);
		key = index->attnum;
		nkeys = index->ncolumns;
		mapping->key_origin = index->primary ? KEY_PRIMARY : KEY_UNIQUE;
	}

	mapping->key_index = index ? quote_identifier(index->name) : NULL;
	mapping->arbiter_obstacle = obstacle_to_arbiter(target, index);
	mapping->key_is_constraint = index != NULL && index->constraint;
	mapping->nulls_match = index != NULL && index->nulls_not_distinct;
	for (int i = 0; i < nkeys; i++)
		add_key_column(mapping, target, key[i], index);
	check_groupable(mapping, target);
	deltaetl_prove_keys(mapping, &mapping->target, target, indexes);
}
