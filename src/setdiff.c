/*-------------------------------------------------------------------------
 *
 * setdiff.c
 *	  The difference of two sets of fingerprints; knows nothing of SQL.
 *
 * Rows are collected from both sides, in any order.  Then the target's go
 * into a hash table, open addressing over an array of their numbers, and the
 * source's are looked up in it: what is not found only the source has, what
 * is never hit only the target has.
 *
 * When the rows outgrow the memory they may take, they go to temporary files,
 * a pair for each of a number of partitions by the first bits of the
 * fingerprint, and the partitions are then handled one after the other.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "setdiff.h"

#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "storage/buffile.h"

#include "compat.h"

#define INITIAL_ROWS 1024
#define MIN_PARTITIONS 8
#define MAX_PARTITIONS 1024

/* What a row takes: itself, and two slots in the hash table. */
#define ROW_MEMORY (sizeof(Fingerprint) + 2 * sizeof(uint32))

/* Rows between two looks at whether to go on. */
#define INTERRUPT_ROWS 4096

typedef struct RowArray
{
	Fingerprint *rows;
	uint32		count;
	uint32		max;
} RowArray;

typedef struct Partition
{
	BufFile    *file[SET_SIDES];
	uint64		count[SET_SIDES];
} Partition;

struct SetDiff
{
	MemoryContext context;		/* rows are added in shorter-lived ones */
	Size		memory_limit;
	RowArray	memory[SET_SIDES];
	int			npartitions;	/* a power of two */
	Partition  *partitions;		/* NULL while all rows are in memory */
};

/*
 * A set in the current memory context that keeps to a limit in bytes; the rows
 * expected are those of both sides.
 */
SetDiff *
deltaetl_setdiff_create(Size memory_limit, double expected_rows)
{
	SetDiff    *set = palloc0(sizeof(SetDiff));
	double		needed = 2 * expected_rows * ROW_MEMORY / memory_limit;

	/* each file has a buffer of a block */
	double		allowed = memory_limit / (SET_SIDES * BLCKSZ);

	set->context = CurrentMemoryContext;
	set->memory_limit = memory_limit;
	set->npartitions = pg_nextpower2_32((uint32) Max(MIN_PARTITIONS,
													 Min(Min(needed, allowed), MAX_PARTITIONS)));
	return set;
}

static void
append_row(RowArray *array, const Fingerprint *row)
{
	if (array->count == array->max)
	{
		array->max = Max(INITIAL_ROWS, array->max * 2);
		if (array->rows == NULL)
			array->rows = palloc(array->max * sizeof(Fingerprint));
		else
			array->rows = repalloc_huge(array->rows,
										array->max * sizeof(Fingerprint));
	}
	array->rows[array->count++] = *row;
}

/* ---------- temporary files ---------- */

static void
write_row(SetDiff *set, SetSide side, const Fingerprint *row)
{
	int			bits = pg_ceil_log2_32(set->npartitions);
	Partition  *partition = &set->partitions[row->high >> (64 - bits)];

	if (partition->file[side] == NULL)
		partition->file[side] = BufFileCreateTemp(false);
	BufFileWrite(partition->file[side], (void *) row, sizeof(Fingerprint));
	partition->count[side]++;
}

static void
go_to_files(SetDiff *set)
{
	set->partitions = palloc0(set->npartitions * sizeof(Partition));
	for (SetSide side = SET_SOURCE; side <= SET_TARGET; side++)
	{
		RowArray   *array = &set->memory[side];

		for (uint32 i = 0; i < array->count; i++)
			write_row(set, side, &array->rows[i]);
		if (array->rows != NULL)
			pfree(array->rows);
		memset(array, 0, sizeof(RowArray));
	}
}

static void
read_rows(RowArray *array, BufFile *file, uint64 count)
{
	array->count = 0;
	if (file == NULL)
		return;
	if (BufFileSeek(file, 0, 0, SEEK_SET) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not rewind temporary file: %m")));
	for (uint64 i = 0; i < count; i++)
	{
		Fingerprint row;

		if (i % INTERRUPT_ROWS == 0)
			CHECK_FOR_INTERRUPTS();
		read_exactly(file, &row, sizeof(row));
		append_row(array, &row);
	}
	BufFileClose(file);
}

static bool
fits_into_memory(const SetDiff *set)
{
	Size		rows = (Size) set->memory[SET_SOURCE].count +
	set->memory[SET_TARGET].count;

	return (rows + 1) * ROW_MEMORY <= set->memory_limit;
}

void
deltaetl_setdiff_add(SetDiff *set, SetSide side, const Fingerprint *row)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(set->context);

	if (set->partitions == NULL && !fits_into_memory(set))
		go_to_files(set);
	if (set->partitions == NULL)
		append_row(&set->memory[side], row);
	else
		write_row(set, side, row);
	MemoryContextSwitchTo(oldcontext);
}

/* ---------- difference ---------- */

/* A table of numbers of rows, counted from 1; 0 is a free slot. */
typedef struct RowTable
{
	uint32	   *slots;
	uint32		mask;
} RowTable;

static RowTable
build_table(const RowArray *array)
{
	RowTable	table;
	uint64		size = pg_nextpower2_64(Max((uint64) array->count * 3 / 2, 16));

	table.slots = palloc_extended(size * sizeof(uint32),
								  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	table.mask = size - 1;
	for (uint32 i = 0; i < array->count; i++)
	{
		uint32		slot = array->rows[i].low & table.mask;

		if (i % INTERRUPT_ROWS == 0)
			CHECK_FOR_INTERRUPTS();
		while (table.slots[slot] != 0)
			slot = (slot + 1) & table.mask;
		table.slots[slot] = i + 1;
	}
	return table;
}

static Fingerprint *
find_row(const RowTable *table, const RowArray *array, const Fingerprint *row)
{
	for (uint32 slot = row->low & table->mask; table->slots[slot] != 0;
		 slot = (slot + 1) & table->mask)
	{
		Fingerprint *candidate = &array->rows[table->slots[slot] - 1];

		if (candidate->low == row->low && candidate->high == row->high)
			return candidate;
	}
	return NULL;
}

/* Hand out what one side of a partition lacks; false if the source repeats a row. */
static bool
compare_rows(RowArray *source, RowArray *target, LoneRowCallback callback,
			 void *arg)
{
	RowTable	table = build_table(target);
	bool		distinct = true;

	for (uint32 i = 0; i < source->count; i++)
	{
		Fingerprint *found = find_row(&table, target, &source->rows[i]);

		if (i % INTERRUPT_ROWS == 0)
			CHECK_FOR_INTERRUPTS();
		if (found == NULL)
			callback(SET_SOURCE, &source->rows[i], arg);
		else
		{
			distinct &= !found->matched;
			found->matched = true;
		}
	}
	for (uint32 i = 0; i < target->count; i++)
		if (!target->rows[i].matched)
			callback(SET_TARGET, &target->rows[i], arg);
	pfree(table.slots);
	return distinct;
}

static void
free_rows(RowArray *array)
{
	if (array->rows != NULL)
		pfree(array->rows);
}

/*
 * Hand out the rows that only one side has, and free the set.  Returns false
 * if the source has a row of the target more than once; of rows that only the
 * source has each is handed out.
 */
bool
deltaetl_setdiff_finish(SetDiff *set, LoneRowCallback callback, void *arg)
{
	RowArray   *source = &set->memory[SET_SOURCE];
	RowArray   *target = &set->memory[SET_TARGET];
	bool		distinct = true;

	if (set->partitions == NULL)
		distinct = compare_rows(source, target, callback, arg);
	else
		for (int i = 0; i < set->npartitions; i++)
		{
			Partition  *partition = &set->partitions[i];

			read_rows(source, partition->file[SET_SOURCE], partition->count[SET_SOURCE]);
			read_rows(target, partition->file[SET_TARGET], partition->count[SET_TARGET]);
			distinct &= compare_rows(source, target, callback, arg);
		}
	free_rows(source);
	free_rows(target);
	return distinct;
}
