/*-------------------------------------------------------------------------
 *
 * snapshot.c
 *	  Whether a snapshot from before the lock still shows the tables as they are.
 *
 * In READ COMMITTED the snapshot is taken after the lock, so it does.  In
 * REPEATABLE READ and SERIALIZABLE it is the transaction's.  Updating or
 * deleting a row that has changed since fails by itself, but rows inserted
 * since would not be seen, and the sync would insert them once more.  And a
 * source that others have truncated or rewritten since may look empty to it.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "deltaetl.h"

#include "access/genam.h"
#include "access/skey.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

#include "compat.h"

/*
 * Count the rows of a table that one snapshot sees; raise *newer if another
 * snapshot does not see one of them.
 */
static uint64
count_rows(Relation rel, Snapshot snapshot, Snapshot other, bool *newer)
{
	TableScanDesc scan = begin_scan(rel, snapshot);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	uint64		count = 0;

	while (!*newer && table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		*newer |= !table_tuple_satisfies_snapshot(rel, slot, other);
		count++;
	}
	ExecDropSingleTupleTableSlot(slot);
	table_endscan(scan);
	return count;
}

/* No row that is there now is newer than the snapshot, and none is missing. */
static bool
table_is_unchanged(Relation rel, Snapshot now, Snapshot snapshot)
{
	bool		newer = false;
	uint64		rows = count_rows(rel, now, snapshot, &newer);

	return !newer && rows == count_rows(rel, snapshot, snapshot, &newer);
}

static void
check_table(const Mapping *mapping, Oid relid, Snapshot now, Snapshot snapshot)
{
	Relation	rel;

	if (get_rel_relkind(relid) != RELKIND_RELATION)
		return;
	rel = table_open(relid, NoLock);
	if (!table_is_unchanged(rel, now, snapshot))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not serialize access to \"%s\" due to concurrent changes",
						mapping->target.name),
				 errdetail("The table has been changed since the snapshot of this transaction was taken."),
				 errhint("Retry the transaction, or sync in READ COMMITTED mode.")));
	table_close(rel, NoLock);
}

/*
 * Raise a serialization failure if the target, which is locked, has been
 * changed by others since the transaction's snapshot was taken.
 */
void
deltaetl_check_snapshot(const Mapping *mapping)
{
	Snapshot	snapshot;
	Snapshot	now;
	ListCell   *cell;

	if (!IsolationUsesXactSnapshot())
		return;
	snapshot = RegisterSnapshot(GetTransactionSnapshot());
	now = RegisterSnapshot(GetLatestSnapshot());
	foreach(cell, find_all_inheritors(mapping->target.relid, NoLock, NULL))
		check_table(mapping, lfirst_oid(cell), now, snapshot);
	UnregisterSnapshot(now);
	UnregisterSnapshot(snapshot);
}

/* The file that a snapshot says a relation is in; 0 if it says nothing. */
static Oid
file_of(Relation catalog, Oid relid, Snapshot snapshot)
{
	Oid			file = InvalidOid;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_class_oid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relid));
	scan = systable_beginscan(catalog, ClassOidIndexId, true, snapshot, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		file = ((Form_pg_class) GETSTRUCT(tuple))->relfilenode;
	systable_endscan(scan);
	return file;
}

static void
check_files(const MappingSide *source, Relation catalog, Snapshot now,
			Snapshot snapshot)
{
	ListCell   *cell;

	foreach(cell, source->tree)
	{
		if (file_of(catalog, lfirst_oid(cell), now) ==
			file_of(catalog, lfirst_oid(cell), snapshot))
			continue;
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not serialize access to \"%s\" due to concurrent changes",
						source->name),
				 errdetail("\"%s\" has been truncated, rewritten or created since the snapshot of this transaction was taken, and may look empty to it.",
						   get_rel_name(lfirst_oid(cell))),
				 errhint("Retry the transaction, or use READ COMMITTED mode.")));
	}
}

/*
 * Raise a serialization failure if others have given a table of the source,
 * which is locked, another file since the transaction's snapshot was taken.
 */
void
deltaetl_check_source_files(const Mapping *mapping)
{
	Relation	catalog;
	Snapshot	snapshot;
	Snapshot	now;

	if (!IsolationUsesXactSnapshot())
		return;
	catalog = table_open(RelationRelationId, AccessShareLock);
	snapshot = RegisterSnapshot(GetTransactionSnapshot());
	now = RegisterSnapshot(GetLatestSnapshot());
	check_files(&mapping->source, catalog, now, snapshot);
	UnregisterSnapshot(now);
	UnregisterSnapshot(snapshot);
	table_close(catalog, AccessShareLock);
}
