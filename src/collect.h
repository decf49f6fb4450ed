/*-------------------------------------------------------------------------
 *
 * collect.h
 *	  Collecting the fingerprints of a relation's rows through SQL.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#ifndef DELTAETL_COLLECT_H
#define DELTAETL_COLLECT_H

#include "postgres.h"

#include "nodes/pg_list.h"
#include "port/atomics.h"
#include "progress.h"
#include "setdiff.h"
#include "storage/dsm.h"
#include "storage/sharedfileset.h"

/* What of a row, as it is stored, its content is taken from. */
typedef enum StoredContent
{
	STORED_NOT,					/* but from arguments of the aggregate */
	STORED_BYTES,				/* all of its bytes */
	STORED_HASH					/* the hash in its last column */
} StoredContent;

/* What the fingerprints of a run are made of. */
typedef struct CollectOptions
{
	List	   *tables;			/* OIDs of all tables that rows may lie in */
	int			nkeys;			/* columns of the key among what is collected;
								 * 0: keys have no canonical bytes */
	StoredContent stored;
	double		expected_rows;	/* of the larger side */
	Size		memory_limit;	/* in bytes, of one process */
} CollectOptions;

/* ---------- between collection.c and collect.c ---------- */

#define SECRET_SIZE 192

/* What the processes of a run share. */
typedef struct SharedCollection
{
	uint64		token[2];
	int			leader;			/* process in which set is valid */
	SetDiff    *set;
	bool		open[SET_SIDES];	/* sides that are being read */
	SharedFileSet files;
	pg_atomic_uint32 participants;
	ProgressCounter progress;
	Size		memory_limit;	/* of what one process collects */
	int			npartitions;
	int			nkeys;
	StoredContent stored;
	char		secret[SECRET_SIZE];
	int			ntables;
	Oid			tables[FLEXIBLE_ARRAY_MEMBER];
} SharedCollection;

/* How a query names it. */
typedef struct Reference
{
	uint64		token[2];
	dsm_handle	handle;
	uint32		side;
} Reference;

/* ---------- collection.c ---------- */

typedef struct Collection Collection;

#define MAX_COLLECTED_TABLES (PG_UINT16_MAX + 1)

extern Collection *deltaetl_collection_create(const CollectOptions *options);
extern SetDiff *deltaetl_collection_set(const Collection *collection);
extern Oid	deltaetl_collection_table(const Collection *collection,
									  RowPosition position);
extern bytea *deltaetl_collection_open(Collection *collection, SetSide side);
extern void deltaetl_collection_close(Collection *collection);
extern void deltaetl_collection_free(Collection *collection);

#endif							/* DELTAETL_COLLECT_H */
