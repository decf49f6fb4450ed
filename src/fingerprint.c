/*-------------------------------------------------------------------------
 *
 * fingerprint.c
 *	  Detection by the set difference of fingerprints.
 *
 * Most rows are unchanged, and an unchanged row has the same fingerprint on
 * both sides, since it covers the key as well.  So the bulk of the work needs
 * no join, no comparison of keys and no wide rows: each side is scanned once,
 * in parallel, and of each row the first half of its row hash and its ctid
 * are kept.  Only the rows that one side lacks are read again, by their ctid,
 * and joined on the key.
 *
 * Both sides have to be tables whose rows have a ctid to come back to under
 * the same snapshot.
 *
 * Keys are looked at where they could be wrong: among the rows that differ.
 * A row of the source that repeats one of the target is seen by its
 * fingerprint; one that repeats the key of another row of the source differs
 * from it, so one of the two is a row to insert or to update, and its key is
 * there twice among those, or is one of a row of the target that is unchanged.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "deltaetl.h"

#include "access/relation.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "optimizer/plancat.h"
#include "query.h"
#include "setdiff.h"
#include "utils/acl.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"

#include "compat.h"

/* What passing a row from a worker to the leader costs, where it is narrow. */
#define NARROW_TUPLE_COST "0.02"

/* ---------- when ---------- */

static bool
has_positions(Oid relid)
{
	char		relkind = get_rel_relkind(relid);

	return (relkind == RELKIND_RELATION || relkind == RELKIND_MATVIEW ||
			relkind == RELKIND_PARTITIONED_TABLE) &&
		!deltaetl_has_foreign_children(relid) &&
		pg_class_aclcheck(relid, GetUserId(), ACL_SELECT) == ACLCHECK_OK &&
		check_enable_rls(relid, InvalidOid, true) != RLS_ENABLED;
}

/*
 * Whether the rows of both sides, which have to be locked, can be read whole,
 * and again by their ctid.
 */
bool
deltaetl_can_fingerprint(const Mapping *mapping)
{
	return deltaetl_detection != DETECT_JOIN &&
		has_positions(mapping->source.relid) &&
		has_positions(mapping->target.relid);
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

/* A guess that is good enough to choose a number of temporary files by. */
static double
expected_rows(const MappingSide *side)
{
	double		rows = 0;
	ListCell   *cell;

	foreach(cell, find_all_inheritors(side->relid, NoLock, NULL))
		rows += estimate_rows(lfirst_oid(cell));
	return rows;
}

/* ---------- reading fingerprints ---------- */

typedef struct Reader
{
	SetDiff    *set;
	SetSide		side;
	uint64		rows;
} Reader;

static void
collect_fingerprint(TupleTableSlot *slot, void *arg)
{
	Reader	   *reader = arg;
	Fingerprint row = {0};
	bytea	   *hash;

	slot_getallattrs(slot);
	hash = DatumGetByteaPP(slot->tts_values[FINGERPRINT_HASH]);
	memcpy(&row.high, VARDATA_ANY(hash), sizeof(row.high));
	memcpy(&row.low, VARDATA_ANY(hash) + sizeof(row.high), sizeof(row.low));
	row.tableoid = DatumGetObjectId(slot->tts_values[FINGERPRINT_TABLEOID]);
	row.ctid = *(ItemPointer) DatumGetPointer(slot->tts_values[FINGERPRINT_CTID]);
	deltaetl_setdiff_add(reader->set, reader->side, &row);
	reader->rows++;
}

static uint64
read_side(const Mapping *mapping, SetDiff *set, SetSide side)
{
	Reader		reader = {set, side, 0};
	int			nestlevel = NewGUCNestLevel();

	(void) set_config_option("parallel_tuple_cost", NARROW_TUPLE_COST,
							 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true,
							 0, false);
	deltaetl_spi_select(deltaetl_fingerprints_query(mapping,
													side == SET_SOURCE ? &mapping->source : &mapping->target),
						mapping, collect_fingerprint, &reader);
	AtEOXact_GUC(true, nestlevel);
	return reader.rows;
}

/* Read the source's fingerprints and count its rows. */
void
deltaetl_fingerprint_source(Delta *delta)
{
	const Mapping *mapping = delta->mapping;

	delta->fingerprints = deltaetl_setdiff_create(get_hash_memory_limit(),
												  expected_rows(&mapping->source) +
												  expected_rows(&mapping->target));
	delta->source_rows = read_side(mapping, delta->fingerprints, SET_SOURCE);
}

/* ---------- rows that differ ---------- */

/* Positions of rows that only one side has, as tables for SQL to join with. */
typedef struct LoneRows
{
	TupleDesc	desc;
	Tuplestorestate *rows[SET_SIDES];
	uint64		count[SET_SIDES];
} LoneRows;

static LoneRows *
create_lone_rows(void)
{
	LoneRows   *lone = palloc0(sizeof(LoneRows));

	lone->desc = CreateTemplateTupleDesc(2);
	TupleDescInitEntry(lone->desc, 1, "oid", OIDOID, -1, 0);
	TupleDescInitEntry(lone->desc, 2, "tid", TIDOID, -1, 0);
	for (int i = 0; i < SET_SIDES; i++)
		lone->rows[i] = tuplestore_begin_heap(true, false, work_mem / SET_SIDES);
	return lone;
}

static void
put_lone_row(SetSide side, const Fingerprint *row, void *arg)
{
	LoneRows   *lone = arg;
	Datum		values[2] = {ObjectIdGetDatum(row->tableoid),
	PointerGetDatum(&row->ctid)};
	bool		isnull[2] = {false, false};

	tuplestore_putvalues(lone->rows[side], lone->desc, values, isnull);
	lone->count[side]++;
}

static void
free_lone_rows(LoneRows *lone)
{
	for (int i = 0; i < SET_SIDES; i++)
		tuplestore_end(lone->rows[i]);
}

/* Join what one side has with what the other has, which is the delta. */
static void
join_lone_rows(Delta *delta, LoneRows *lone)
{
	bool		whole_source = lone->count[SET_SOURCE] == delta->source_rows;

	if (lone->count[SET_SOURCE] == 0 &&
		(lone->count[SET_TARGET] == 0 || !delta->with_deletes))
		return;
	deltaetl_spi_register(SOURCE_ROWS, lone->desc, lone->rows[SET_SOURCE],
						  lone->count[SET_SOURCE]);
	deltaetl_spi_register(TARGET_ROWS, lone->desc, lone->rows[SET_TARGET],
						  lone->count[SET_TARGET]);
	deltaetl_spi_select(deltaetl_lone_rows_query(delta->mapping, whole_source),
						delta->mapping, deltaetl_join_collect, delta);
}

/* Fill the delta, after deltaetl_fingerprint_source(). */
void
deltaetl_fingerprint_detect(Delta *delta)
{
	LoneRows   *lone = create_lone_rows();

	delta->target_rows = read_side(delta->mapping, delta->fingerprints, SET_TARGET);
	if (!deltaetl_setdiff_finish(delta->fingerprints, put_lone_row, lone))
		deltaetl_check_source_keys(delta->mapping);
	join_lone_rows(delta, lone);
	free_lone_rows(lone);
}
