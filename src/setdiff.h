/*-------------------------------------------------------------------------
 *
 * setdiff.h
 *	  Fingerprints of rows, collected in runs, and the difference of two sets.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#ifndef DELTAETL_SETDIFF_H
#define DELTAETL_SETDIFF_H

#include "postgres.h"

#include "storage/block.h"
#include "storage/fileset.h"
#include "storage/off.h"

/*
 * Where a row lies: number of its table among those of the run, block and
 * offset, 16, 32 and 16 bits, so that positions sort as the rows lie.
 */
typedef uint64 RowPosition;

#define row_position(table, block, offset) \
	(((RowPosition) (table) << 48) | ((RowPosition) (block) << 16) | (offset))
#define position_table(position) ((uint16) ((position) >> 48))
#define position_block(position) ((BlockNumber) ((position) >> 16))
#define position_offset(position) ((OffsetNumber) (position))

/*
 * What stands for a row: 96 bits for its key, 96 bits for its content, and
 * where it lies.  Where keys are equal that are not the same in bytes, all of
 * it stands for the whole row.
 */
typedef struct Fingerprint
{
	uint64		key;			/* its first bits choose the partition */
	uint64		content;
	uint32		key_more;
	uint32		content_more;
	RowPosition position;
} Fingerprint;

typedef enum SetSide
{
	SET_SOURCE,
	SET_TARGET
} SetSide;

#define SET_SIDES (SET_TARGET + 1)

/* ---------- runs.c ---------- */

/* Fingerprints of one process, by partitions, before they are packed. */
typedef struct RunPartition
{
	struct RunChunk *chunk;		/* the last one, with room in it */
	uint32		count;			/* in all chunks */
	uint32		room;			/* in the last one */
	Fingerprint *next;
} RunPartition;

typedef struct RunBuffer
{
	MemoryContext context;		/* what it lives in */
	MemoryContext chunks;		/* what is forgotten when it is spilled */
	int			npartitions;	/* a power of two */
	int			shift;			/* what leaves the partition's number, and one
								 * bit more, of a key */
	Size		memory_limit;
	Size		memory;
	uint32		chunk_rows;
	RunPartition *partitions;
	char	   *free;			/* of the block that chunks are cut from */
	Size		free_size;
	uint64		rows;
	bool		null_keys;		/* a key has a NULL */
	FileSet    *files;
	uint32		participant;	/* names the file of this process */
	struct BufFile *file;		/* of runs that have been spilled */
	uint64		file_size;
	struct SpilledRun *spilled;
	int			nspilled;
} RunBuffer;

extern RunBuffer *deltaetl_runs_create(int npartitions, Size memory_limit,
									   FileSet *files, uint32 participant);
extern void deltaetl_runs_extend(RunBuffer *buffer, RunPartition *partition);
extern bytea *deltaetl_runs_pack(RunBuffer *buffer);

static inline void
deltaetl_runs_add(RunBuffer *buffer, const Fingerprint *row)
{
	RunPartition *partition = &buffer->partitions[(row->key >> 1) >> buffer->shift];

	if (unlikely(partition->room == 0))
		deltaetl_runs_extend(buffer, partition);
	*partition->next++ = *row;
	partition->room--;
	partition->count++;
	buffer->rows++;
}

static inline void
deltaetl_runs_file_name(char *name, uint32 participant)
{
	snprintf(name, MAXPGPATH, "deltaetl.%u", participant);
}

/* What deltaetl_runs_pack() leaves free at the start of a bytea. */
#define PACKED_PREFIX 24

/* What it writes after that. */
typedef struct PackedRuns
{
	uint64		rows;
	uint32		participant;
	uint32		npartitions;
	uint32		nspilled;
	bool		null_keys;

	/*
	 * Then, for each run that was spilled and last for the one that was not:
	 * its place in the file (uint64), the rows of each partition (uint32
	 * each); then the rows of the last one.
	 */
} PackedRuns;

/* ---------- setdiff.c ---------- */

typedef enum RowDifference
{
	ROW_SAME,
	ROW_CHANGED,
	ROW_ONLY_SOURCE,
	ROW_ONLY_TARGET
} RowDifference;

typedef struct SetDiff SetDiff;

/* Takes a row's difference; the side that does not have the row is NULL. */
typedef void (*DifferenceCallback) (RowDifference difference,
									const Fingerprint *source,
									const Fingerprint *target, void *arg);

extern SetDiff *deltaetl_setdiff_create(int npartitions, Size memory_limit,
										FileSet *files);
extern void deltaetl_setdiff_take(SetDiff *set, SetSide side,
								  const char *packed);
extern uint64 deltaetl_setdiff_rows(const SetDiff *set, SetSide side);
extern bool deltaetl_setdiff_null_keys(const SetDiff *set, SetSide side);
extern bool deltaetl_setdiff_repeats(const SetDiff *set, SetSide side);
extern void deltaetl_setdiff_finish(SetDiff *set, DifferenceCallback callback,
									void *arg);

#endif							/* DELTAETL_SETDIFF_H */
