/*-------------------------------------------------------------------------
 *
 * setdiff.c
 *	  The difference of two sets of fingerprints; knows nothing of SQL.
 *
 * Both sides come in runs, from several processes, in memory or in files, all
 * partitioned alike by the first bits of the key.  One partition after the
 * other is handled: the target's rows go into a hash table by their key, open
 * addressing over an array of their numbers; the source's are looked up in
 * it, and those that are not found join it.  A partition is made to fit the
 * processor's cache, so looking up needs no prefetching.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "setdiff.h"

#include <fcntl.h>

#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "port/pg_bitutils.h"
#include "storage/buffile.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "compat.h"

/* Rows between two looks at whether to go on. */
#define INTERRUPT_ROWS 4096

/* A run of fingerprints, ordered by partition. */
typedef struct Run
{
	BufFile    *file;			/* or NULL, */
	char	   *rows;			/* if they are here */
	uint64		place;			/* of the first row, in the file */
	uint32	   *counts;			/* of each partition's rows */
	uint64		next;			/* of the rows, the first not read */
} Run;

typedef struct RowArray
{
	Fingerprint *rows;
	uint64		count;
	uint64		max;
} RowArray;

struct SetDiff
{
	MemoryContext context;		/* runs are taken in shorter-lived ones */
	ResourceOwner owner;		/* of its files, in the same way */
	int			npartitions;
	Size		memory_limit;	/* of runs in memory */
	Size		memory;
	FileSet    *files;
	BufFile    *own_file;		/* of runs for which there was no memory */
	uint64		own_file_size;
	List	   *opened;			/* files of participants */
	List	   *runs[SET_SIDES];
	uint64		rows[SET_SIDES];
	bool		null_keys[SET_SIDES];
	bool		repeats[SET_SIDES];
};

/*
 * A set in the current memory context, that keeps runs in memory up to a
 * limit in bytes.
 */
SetDiff *
deltaetl_setdiff_create(int npartitions, Size memory_limit, FileSet *files)
{
	SetDiff    *set = palloc0(sizeof(SetDiff));

	set->context = AllocSetContextCreate(CurrentMemoryContext,
										 "deltaetl set difference",
										 ALLOCSET_DEFAULT_SIZES);
	set->owner = CurrentResourceOwner;
	set->npartitions = npartitions;
	set->memory_limit = memory_limit;
	set->files = files;
	return set;
}

uint64
deltaetl_setdiff_rows(const SetDiff *set, SetSide side)
{
	return set->rows[side];
}

/* Whether a key has a NULL. */
bool
deltaetl_setdiff_null_keys(const SetDiff *set, SetSide side)
{
	return set->null_keys[side];
}

/* Whether a key was found more than once, after deltaetl_setdiff_finish(). */
bool
deltaetl_setdiff_repeats(const SetDiff *set, SetSide side)
{
	return set->repeats[side];
}

/* ---------- taking runs ---------- */

static Run *
new_run(SetDiff *set, const char *counts)
{
	Size		size = set->npartitions * sizeof(uint32);
	Run		   *run = palloc0(sizeof(Run));

	run->counts = palloc(size);
	memcpy(run->counts, counts, size);
	return run;
}

/* Keep the rows of a run in memory, or else in a file. */
static void
keep_rows(SetDiff *set, Run *run, const char *rows)
{
	Size		size = 0;

	for (int i = 0; i < set->npartitions; i++)
		size += run->counts[i] * sizeof(Fingerprint);
	if (size == 0)
		return;
	if (set->memory + size <= set->memory_limit)
	{
		run->rows = MemoryContextAllocHuge(CurrentMemoryContext, size);
		memcpy(run->rows, rows, size);
		set->memory += size;
		return;
	}
	if (set->own_file == NULL)
		set->own_file = BufFileCreateTemp(false);
	run->file = set->own_file;
	run->place = set->own_file_size;
	BufFileWrite(run->file, unconstify(char *, rows), size);
	set->own_file_size += size;
}

/*
 * Take what deltaetl_runs_pack() has packed, from its first byte of data on;
 * it need not be aligned, and is not needed any more afterwards.
 */
void
deltaetl_setdiff_take(SetDiff *set, SetSide side, const char *packed)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(set->context);
	ResourceOwner oldowner = CurrentResourceOwner;
	const char *p = packed + sizeof(PackedRuns);
	BufFile    *file = NULL;
	PackedRuns	header;
	char		name[MAXPGPATH];

	CurrentResourceOwner = set->owner;
	memcpy(&header, packed, sizeof(header));
	if (header.nspilled > 0)
	{
		deltaetl_runs_file_name(name, header.participant);
		file = BufFileOpenFileSet(set->files, name, O_RDONLY, false);
		set->opened = lappend(set->opened, file);
	}
	for (uint32 i = 0; i <= header.nspilled; i++)
	{
		Run		   *run = new_run(set, p + sizeof(uint64));

		run->file = file;
		memcpy(&run->place, p, sizeof(uint64));
		p += sizeof(uint64) + set->npartitions * sizeof(uint32);
		if (i == header.nspilled)
		{
			run->file = NULL;
			keep_rows(set, run, p);
		}
		set->runs[side] = lappend(set->runs[side], run);
	}
	set->rows[side] += header.rows;
	set->null_keys[side] |= header.null_keys;
	CurrentResourceOwner = oldowner;
	MemoryContextSwitchTo(oldcontext);
}

/* ---------- reading partitions ---------- */

static void
seek_to(BufFile *file, uint64 place)
{
	if (BufFileSeek(file, 0, (off_t) place, SEEK_SET) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not seek in temporary file: %m")));
}

static void
read_run(Run *run, uint64 count, Fingerprint *rows)
{
	if (count == 0)
		return;
	if (run->file == NULL)
		memcpy(rows, run->rows + run->next * sizeof(Fingerprint),
			   count * sizeof(Fingerprint));
	else
	{
		seek_to(run->file, run->place + run->next * sizeof(Fingerprint));
		read_exactly(run->file, rows, count * sizeof(Fingerprint));
	}
	run->next += count;
}

static void
make_room(RowArray *array, uint64 count)
{
	if (count <= array->max)
		return;
	if (array->rows != NULL)
		pfree(array->rows);
	array->max = pg_nextpower2_64(count);
	array->rows = palloc_extended(array->max * sizeof(Fingerprint), MCXT_ALLOC_HUGE);
}

/* Read the rows that a side has in a partition. */
static void
read_partition(const SetDiff *set, SetSide side, int partition, RowArray *array)
{
	uint64		count = 0;
	ListCell   *cell;

	foreach(cell, set->runs[side])
		count += ((Run *) lfirst(cell))->counts[partition];
	make_room(array, count);
	array->count = 0;
	foreach(cell, set->runs[side])
	{
		Run		   *run = lfirst(cell);

		CHECK_FOR_INTERRUPTS();
		read_run(run, run->counts[partition], array->rows + array->count);
		array->count += run->counts[partition];
	}
}

/* ---------- difference ---------- */

/*
 * A partition: the rows of both sides and a table of their numbers, counted
 * from 1, the target's first; 0 is a free slot.
 */
typedef struct Comparison
{
	RowArray	rows[SET_SIDES];
	uint32	   *slots;
	uint64		mask;
	uint64		max_slots;
	bool	   *matched;		/* of the target's rows */
	uint64		max_matched;
} Comparison;

static void
prepare_table(Comparison *comparison)
{
	uint64		targets = comparison->rows[SET_TARGET].count;
	uint64		rows = targets + comparison->rows[SET_SOURCE].count;
	uint64		slots = pg_nextpower2_64(Max(rows * 3 / 2, 16));

	if (rows >= PG_UINT32_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many rows")));
	if (slots > comparison->max_slots)
	{
		if (comparison->slots != NULL)
			pfree(comparison->slots);
		comparison->slots = palloc_extended(slots * sizeof(uint32), MCXT_ALLOC_HUGE);
		comparison->max_slots = slots;
	}
	if (targets > comparison->max_matched)
	{
		if (comparison->matched != NULL)
			pfree(comparison->matched);
		comparison->max_matched = pg_nextpower2_64(targets);
		comparison->matched = palloc_extended(comparison->max_matched, MCXT_ALLOC_HUGE);
	}
	memset(comparison->slots, 0, slots * sizeof(uint32));
	if (targets > 0)
		memset(comparison->matched, 0, targets);
	comparison->mask = slots - 1;
}

static inline const Fingerprint *
numbered_row(const Comparison *comparison, uint32 number)
{
	const RowArray *targets = &comparison->rows[SET_TARGET];

	return number <= targets->count ? &targets->rows[number - 1] :
		&comparison->rows[SET_SOURCE].rows[number - 1 - targets->count];
}

/* The slot of a key: that of a row with it, or a free one. */
static inline uint64
find_slot(const Comparison *comparison, const Fingerprint *row)
{
	uint64		slot = row->key & comparison->mask;

	while (comparison->slots[slot] != 0)
	{
		const Fingerprint *other = numbered_row(comparison, comparison->slots[slot]);

		if (other->key == row->key && other->key_more == row->key_more)
			break;
		slot = (slot + 1) & comparison->mask;
	}
	return slot;
}

static void
enter_targets(SetDiff *set, Comparison *comparison)
{
	RowArray   *targets = &comparison->rows[SET_TARGET];

	for (uint64 i = 0; i < targets->count; i++)
	{
		uint64		slot = find_slot(comparison, &targets->rows[i]);

		if (i % INTERRUPT_ROWS == 0)
			CHECK_FOR_INTERRUPTS();
		set->repeats[SET_TARGET] |= comparison->slots[slot] != 0;
		comparison->slots[slot] = i + 1;
	}
}

static void
look_up_sources(SetDiff *set, Comparison *comparison,
				DifferenceCallback callback, void *arg)
{
	RowArray   *sources = &comparison->rows[SET_SOURCE];
	uint64		ntargets = comparison->rows[SET_TARGET].count;

	for (uint64 i = 0; i < sources->count; i++)
	{
		const Fingerprint *row = &sources->rows[i];
		uint64		slot = find_slot(comparison, row);
		uint32		number = comparison->slots[slot];

		if (i % INTERRUPT_ROWS == 0)
			CHECK_FOR_INTERRUPTS();
		if (number == 0)
		{
			comparison->slots[slot] = ntargets + i + 1;
			callback(ROW_ONLY_SOURCE, row, NULL, arg);
		}
		else if (number > ntargets || comparison->matched[number - 1])
			set->repeats[SET_SOURCE] = true;
		else
		{
			const Fingerprint *target = numbered_row(comparison, number);
			bool		same = target->content == row->content &&
			target->content_more == row->content_more;

			comparison->matched[number - 1] = true;
			callback(same ? ROW_SAME : ROW_CHANGED, row, target, arg);
		}
	}
}

static void
report_unmatched_targets(const Comparison *comparison,
						 DifferenceCallback callback, void *arg)
{
	const RowArray *targets = &comparison->rows[SET_TARGET];

	for (uint64 i = 0; i < targets->count; i++)
	{
		if (i % INTERRUPT_ROWS == 0)
			CHECK_FOR_INTERRUPTS();
		if (!comparison->matched[i])
			callback(ROW_ONLY_TARGET, NULL, &targets->rows[i], arg);
	}
}

static void
close_files(SetDiff *set)
{
	ListCell   *cell;

	foreach(cell, set->opened)
		BufFileClose(lfirst(cell));
	if (set->own_file != NULL)
		BufFileClose(set->own_file);
}

/*
 * Hand out each row's difference, and give back the files.  Where a key is
 * there more than once on a side, deltaetl_setdiff_repeats() tells, and what
 * was handed out is not all.
 */
void
deltaetl_setdiff_finish(SetDiff *set, DifferenceCallback callback, void *arg)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(set->context);
	Comparison	comparison = {0};

	for (int i = 0; i < set->npartitions; i++)
	{
		for (SetSide side = SET_SOURCE; side <= SET_TARGET; side++)
			read_partition(set, side, i, &comparison.rows[side]);
		prepare_table(&comparison);
		enter_targets(set, &comparison);
		look_up_sources(set, &comparison, callback, arg);
		report_unmatched_targets(&comparison, callback, arg);
	}
	close_files(set);
	MemoryContextSwitchTo(oldcontext);
	MemoryContextDelete(set->context);
}
