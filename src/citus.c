/*-------------------------------------------------------------------------
 *
 * citus.c
 *	  Where Citus keeps the rows of source and target.
 *
 * It is read from the catalog table of Citus, whatever version has made it, so
 * columns are found by their names.  Where there is no such table, which a look
 * into the cache tells, there is nothing more to do.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "deltaetl.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

#include "compat.h"

/* Values of its columns partmethod and repmodel. */
#define BY_NOTHING 'n'
#define TWO_PHASE 't'

/* An entry of the catalog table, with the numbers of its columns. */
typedef struct CitusEntry
{
	Relation	catalog;
	AttrNumber	logicalrelid;
	AttrNumber	partmethod;
	AttrNumber	partkey;
	AttrNumber	colocationid;
	AttrNumber	repmodel;
} CitusEntry;

/* The number of a column, which has to be of a type. */
static AttrNumber
column_number(Relation catalog, const char *name, Oid type)
{
	AttrNumber	attnum = deltaetl_column_number(catalog, name);

	if (attnum == InvalidAttrNumber ||
		TupleDescAttr(RelationGetDescr(catalog), attnum - 1)->atttypid != type)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("this version of Citus is not supported"),
				 errdetail("Its table \"%s\" has no column \"%s\" of type %s.",
						   RelationGetRelationName(catalog), name, format_type_be(type))));
	return attnum;
}

static CitusEntry
describe_entries(Relation catalog)
{
	CitusEntry	entry = {.catalog = catalog};

	entry.logicalrelid = column_number(catalog, "logicalrelid", REGCLASSOID);
	entry.partmethod = column_number(catalog, "partmethod", CHAROID);
	entry.partkey = column_number(catalog, "partkey", TEXTOID);
	entry.colocationid = column_number(catalog, "colocationid", INT4OID);
	entry.repmodel = column_number(catalog, "repmodel", CHAROID);
	return entry;
}

/*
 * The column by whose values rows are distributed.  It is written down as the
 * parser's node for it, of which one number says all.
 */
static AttrNumber
distribution_column(TupleTableSlot *slot, const CitusEntry *entry)
{
	static const char field[] = ":varattno ";
	bool		isnull;
	Datum		value = slot_getattr(slot, entry->partkey, &isnull);
	const char *node = isnull ? "" : TextDatumGetCString(value);
	const char *found = strstr(node, field);

	if (found == NULL)
		elog(ERROR, "could not find the distribution column in \"%s\"", node);
	return (AttrNumber) atoi(found + strlen(field));
}

/* What an entry says. */
static Placement
read_entry(TupleTableSlot *slot, const CitusEntry *entry)
{
	Placement	placement = {.kind = PLACED_LOCALLY};
	bool		isnull;
	char		method = DatumGetChar(slot_getattr(slot, entry->partmethod, &isnull));
	char		model = DatumGetChar(slot_getattr(slot, entry->repmodel, &isnull));

	placement.colocation = DatumGetUInt32(slot_getattr(slot, entry->colocationid, &isnull));
	if (method != BY_NOTHING)
	{
		placement.kind = PLACED_DISTRIBUTED;
		placement.column = distribution_column(slot, entry);
	}
	else if (model == TWO_PHASE)
		placement.kind = PLACED_EVERYWHERE;
	else if (placement.colocation != 0)
		placement.kind = PLACED_TOGETHER;
	return placement;
}

/* Look for the entries of both sides. */
static void
read_entries(Mapping *mapping, Relation catalog)
{
	CitusEntry	entry = describe_entries(catalog);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	TableScanDesc scan = begin_scan(catalog, snapshot);
	TupleTableSlot *slot = table_slot_create(catalog, NULL);

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		bool		isnull;
		Oid			relid = DatumGetObjectId(slot_getattr(slot, entry.logicalrelid, &isnull));

		if (mapping->source.exists && relid == mapping->source.relid)
			mapping->source.placement = read_entry(slot, &entry);
		if (relid == mapping->target.relid)
			mapping->target.placement = read_entry(slot, &entry);
	}
	ExecDropSingleTupleTableSlot(slot);
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
}

/* Fill in where the rows of both sides are. */
void
deltaetl_find_placements(Mapping *mapping)
{
	Oid			relid = get_relname_relid("pg_dist_partition", PG_CATALOG_NAMESPACE);
	Relation	catalog;

	if (!OidIsValid(relid))
		return;
	catalog = table_open(relid, AccessShareLock);
	read_entries(mapping, catalog);
	table_close(catalog, AccessShareLock);
}
