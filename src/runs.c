/*-------------------------------------------------------------------------
 *
 * runs.c
 *	  Collecting fingerprints in one process, partitioned by their key.
 *
 * Partitions are lists of chunks, so that a row is written once, where it
 * belongs.  What outgrows the memory allowed is written to a file of this
 * process, as a run: partition after partition.  At the end the last run and
 * what tells where the others are is packed into one value, which goes to the
 * leader, if this process is not the leader itself.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "setdiff.h"

#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "storage/buffile.h"
#include "utils/memutils.h"

#include "compat.h"

#define MAX_CHUNK_ROWS 126
#define MIN_CHUNK_ROWS 6

/* Chunks are cut from blocks of this size, of which there are few. */
#define CHUNK_BLOCK_SIZE ((Size) 256 * 1024)

/* What may be spilled many times needs room for where it went. */
#define INITIAL_SPILLED 8

typedef struct RunChunk
{
	struct RunChunk *previous;
	uint32		max;
	Fingerprint rows[FLEXIBLE_ARRAY_MEMBER];
} RunChunk;

typedef struct SpilledRun
{
	uint64		place;
	uint32	   *counts;
} SpilledRun;

/*
 * An empty buffer in the current memory context, which keeps to a limit in
 * bytes.  Files go into a set of files under the participant's number.
 */
RunBuffer *
deltaetl_runs_create(int npartitions, Size memory_limit, FileSet *files,
					 uint32 participant)
{
	RunBuffer  *buffer = palloc0(sizeof(RunBuffer));
	Size		fair = memory_limit / npartitions / sizeof(Fingerprint) / 4;

	buffer->context = CurrentMemoryContext;
	buffer->chunks = AllocSetContextCreate(CurrentMemoryContext,
										   "deltaetl fingerprints",
										   ALLOCSET_DEFAULT_SIZES);
	buffer->npartitions = npartitions;
	buffer->shift = 63 - pg_ceil_log2_32(npartitions);
	buffer->memory_limit = memory_limit;
	buffer->chunk_rows = Max(MIN_CHUNK_ROWS, Min(fair, MAX_CHUNK_ROWS));
	buffer->partitions = palloc0(npartitions * sizeof(RunPartition));
	buffer->files = files;
	buffer->participant = participant;
	return buffer;
}

/* ---------- files ---------- */

static SpilledRun *
new_spilled_run(RunBuffer *buffer)
{
	if (buffer->spilled == NULL)
		buffer->spilled = palloc(INITIAL_SPILLED * sizeof(SpilledRun));
	else if (buffer->nspilled >= INITIAL_SPILLED &&
			 (buffer->nspilled & (buffer->nspilled - 1)) == 0)
		buffer->spilled = repalloc(buffer->spilled,
								   2 * buffer->nspilled * sizeof(SpilledRun));
	return &buffer->spilled[buffer->nspilled++];
}

static uint32
rows_in_chunk(const RunPartition *partition, const RunChunk *chunk)
{
	return chunk->max - (chunk == partition->chunk ? partition->room : 0);
}

/* Write all rows as a run, and forget them. */
static void
spill(RunBuffer *buffer)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(buffer->context);
	SpilledRun *run = new_spilled_run(buffer);
	char		name[MAXPGPATH];

	if (buffer->file == NULL)
	{
		deltaetl_runs_file_name(name, buffer->participant);
		buffer->file = BufFileCreateFileSet(buffer->files, name);
	}
	run->place = buffer->file_size;
	run->counts = palloc(buffer->npartitions * sizeof(uint32));
	for (int i = 0; i < buffer->npartitions; i++)
	{
		RunPartition *partition = &buffer->partitions[i];

		CHECK_FOR_INTERRUPTS();
		run->counts[i] = partition->count;
		buffer->file_size += (uint64) partition->count * sizeof(Fingerprint);
		for (RunChunk *chunk = partition->chunk; chunk != NULL; chunk = chunk->previous)
			BufFileWrite(buffer->file, chunk->rows,
						 rows_in_chunk(partition, chunk) * sizeof(Fingerprint));
	}
	memset(buffer->partitions, 0, buffer->npartitions * sizeof(RunPartition));
	MemoryContextReset(buffer->chunks);
	buffer->free_size = 0;
	buffer->memory = 0;
	MemoryContextSwitchTo(oldcontext);
}

/* ---------- memory ---------- */

static RunChunk *
cut_chunk(RunBuffer *buffer, Size size)
{
	char	   *chunk;

	if (buffer->free_size < size)
	{
		buffer->free_size = Max(size, Min(CHUNK_BLOCK_SIZE,
										  Max(buffer->memory, 8 * size)));
		buffer->free = MemoryContextAlloc(buffer->chunks, buffer->free_size);
		buffer->memory += buffer->free_size;
	}
	chunk = buffer->free;
	buffer->free += size;
	buffer->free_size -= size;
	return (RunChunk *) chunk;
}

/* Make room for a row in a partition whose last chunk is full. */
void
deltaetl_runs_extend(RunBuffer *buffer, RunPartition *partition)
{
	Size		size = offsetof(RunChunk, rows) + buffer->chunk_rows * sizeof(Fingerprint);
	RunChunk   *chunk;

	if (buffer->free_size < size && buffer->memory + size > buffer->memory_limit)
		spill(buffer);
	chunk = cut_chunk(buffer, size);
	chunk->previous = partition->chunk;
	chunk->max = buffer->chunk_rows;
	partition->chunk = chunk;
	partition->next = chunk->rows;
	partition->room = chunk->max;
}

/* ---------- packing ---------- */

static char *
pack_bytes(char *p, const void *data, Size size)
{
	memcpy(p, data, size);
	return p + size;
}

static char *
pack_rows(char *p, const RunBuffer *buffer)
{
	for (int i = 0; i < buffer->npartitions; i++)
	{
		const RunPartition *partition = &buffer->partitions[i];

		for (const RunChunk *chunk = partition->chunk; chunk != NULL; chunk = chunk->previous)
			p = pack_bytes(p, chunk->rows,
						   rows_in_chunk(partition, chunk) * sizeof(Fingerprint));
	}
	return p;
}

static uint64
unspilled_rows(const RunBuffer *buffer)
{
	uint64		rows = 0;

	for (int i = 0; i < buffer->npartitions; i++)
		rows += buffer->partitions[i].count;
	return rows;
}

/*
 * Everything in the buffer, or where it is, as one value in the current
 * memory context, for deltaetl_setdiff_take().  Ends the buffer's use.
 */
bytea *
deltaetl_runs_pack(RunBuffer *buffer)
{
	Size		run = sizeof(uint64) + buffer->npartitions * sizeof(uint32);
	Size		size = VARHDRSZ + PACKED_PREFIX + sizeof(PackedRuns) + (buffer->nspilled + 1) * run +
	unspilled_rows(buffer) * sizeof(Fingerprint);
	PackedRuns	header = {0};
	bytea	   *packed = palloc(size);
	char	   *p = VARDATA(packed) + PACKED_PREFIX;
	uint64		nowhere = 0;

	header.rows = buffer->rows;
	header.participant = buffer->participant;
	header.npartitions = buffer->npartitions;
	header.nspilled = buffer->nspilled;
	header.null_keys = buffer->null_keys;
	SET_VARSIZE(packed, size);
	p = pack_bytes(p, &header, sizeof(header));
	for (int i = 0; i < buffer->nspilled; i++)
	{
		p = pack_bytes(p, &buffer->spilled[i].place, sizeof(uint64));
		p = pack_bytes(p, buffer->spilled[i].counts,
					   buffer->npartitions * sizeof(uint32));
	}
	p = pack_bytes(p, &nowhere, sizeof(uint64));
	for (int i = 0; i < buffer->npartitions; i++)
		p = pack_bytes(p, &buffer->partitions[i].count, sizeof(uint32));
	p = pack_rows(p, buffer);
	Assert(p == (char *) packed + size);

	if (buffer->file != NULL)
	{
		BufFileExportFileSet(buffer->file);
		BufFileClose(buffer->file);
		buffer->file = NULL;
	}
	MemoryContextDelete(buffer->chunks);
	return packed;
}
