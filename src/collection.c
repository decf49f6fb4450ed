/*-------------------------------------------------------------------------
 *
 * collection.c
 *	  What the processes that collect the fingerprints of a run share.
 *
 * It lies in a segment of dynamic shared memory, which the leader makes and
 * collect.c finds by a reference.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "collect.h"

#include "miscadmin.h"
#include "port/pg_bitutils.h"

#include "compat.h"

/* Rows of a side in a partition, which should fit into the processor's cache. */
#define PARTITION_ROWS 65536
#define MAX_PARTITIONS 1024

/*
 * What a process collects before it writes it to a file.  Memory that stays in
 * the processor's cache is faster to write to, and then to a file, than ever
 * more memory, which would have to be copied to the leader.  But what is read
 * at a time, of a partition, should be worth the reading.
 */
#define MIN_RUN_MEMORY ((Size) 1024 * 1024)
#define RUN_PARTITION_MEMORY ((Size) 8192)

struct Collection
{
	dsm_segment *segment;
	SharedCollection *shared;
};

static int
choose_partitions(const CollectOptions *options)
{
	double		rows = options->expected_rows;
	double		by_cache = rows / PARTITION_ROWS;
	double		by_memory = SET_SIDES * rows * sizeof(Fingerprint) / options->memory_limit;

	return pg_nextpower2_32((uint32) Max(1, Min(Max(by_cache, by_memory), MAX_PARTITIONS)));
}

static void
draw_random(void *data, Size size)
{
	if (!pg_strong_random(data, size))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random values")));
}

/*
 * Prepare to collect; memory is shared until deltaetl_collection_free(), or
 * the end of the transaction if that is aborted.
 */
Collection *
deltaetl_collection_create(const CollectOptions *options)
{
	Collection *collection = palloc(sizeof(Collection));
	Size		size = offsetof(SharedCollection, tables) +
	list_length(options->tables) * sizeof(Oid);
	int			npartitions = choose_partitions(options);
	SharedCollection *shared;
	ListCell   *cell;

	collection->segment = dsm_create(size, 0);
	shared = collection->shared = dsm_segment_address(collection->segment);
	draw_random(shared->token, sizeof(shared->token));
	draw_random(shared->secret, SECRET_SIZE);
	SharedFileSetInit(&shared->files, collection->segment);
	pg_atomic_init_u32(&shared->participants, 0);
	deltaetl_progress_share(&shared->progress);
	shared->memory_limit = Max(MIN_RUN_MEMORY,
							   Min(npartitions * RUN_PARTITION_MEMORY,
								   options->memory_limit / 4));
	shared->npartitions = npartitions;
	shared->nkeys = options->nkeys;
	shared->stored = options->stored;
	shared->ntables = 0;
	foreach(cell, options->tables)
		shared->tables[shared->ntables++] = lfirst_oid(cell);

	shared->leader = MyProcPid;
	shared->set = deltaetl_setdiff_create(shared->npartitions,
										  options->memory_limit / 2,
										  &shared->files.fs);
	return collection;
}

SetDiff *
deltaetl_collection_set(const Collection *collection)
{
	return collection->shared->set;
}

/* The table that a row lies in. */
Oid
deltaetl_collection_table(const Collection *collection, RowPosition position)
{
	return collection->shared->tables[position_table(position)];
}

/*
 * Begin to read a side: return the aggregate's first argument, which is good
 * until deltaetl_collection_close().
 */
bytea *
deltaetl_collection_open(Collection *collection, SetSide side)
{
	Size		size = VARHDRSZ + sizeof(Reference);
	bytea	   *value = palloc(size);
	Reference	reference = {0};

	collection->shared->open[side] = true;
	memcpy(reference.token, collection->shared->token, sizeof(reference.token));
	reference.handle = dsm_segment_handle(collection->segment);
	reference.side = side;
	SET_VARSIZE(value, size);
	memcpy(VARDATA(value), &reference, sizeof(reference));
	return value;
}

void
deltaetl_collection_close(Collection *collection)
{
	memset(collection->shared->open, 0, sizeof(collection->shared->open));
}

void
deltaetl_collection_free(Collection *collection)
{
	dsm_detach(collection->segment);
	pfree(collection);
}
