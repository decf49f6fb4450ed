/*-------------------------------------------------------------------------
 *
 * progress.h
 *	  How far runs are, for others to see.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#ifndef DELTAETL_PROGRESS_H
#define DELTAETL_PROGRESS_H

#include "run.h"

#include "port/atomics.h"

/* What the processes of a run have read together; in memory that they share. */
typedef struct ProgressCounter
{
	pg_atomic_uint64 rows;
	int			slot;			/* where it is shown, or NO_SLOT */
} ProgressCounter;

/* ---------- progress.c ---------- */

extern void deltaetl_progress_begin(Oid source, Oid target);
extern void deltaetl_progress_set_run(int64 run_id);
extern void deltaetl_progress_phase(RunPhase phase, uint64 rows_expected);
extern void deltaetl_progress_expect(double rows, bool counted);
extern void deltaetl_progress_advance(uint64 rows);
extern void deltaetl_progress_share(ProgressCounter *counter);
extern void deltaetl_progress_count(ProgressCounter *counter, uint64 rows);
extern void deltaetl_progress_end(void);

/* ---------- between progress.c and progress_slot.c ---------- */

#define NO_SLOT (-1)

/* What is shown of a run. */
typedef struct ProgressEntry
{
	int			pid;			/* 0: the slot is free */
	Oid			database;
	Oid			role;
	Oid			source;			/* InvalidOid: it has none */
	Oid			target;
	int64		run_id;			/* 0: it has none yet */
	RunPhase	phase;
	bool		counted;		/* rows of this phase are counted */
	uint64		rows_expected;	/* 0: not known */
	TimestampTz started_at;
} ProgressEntry;

extern void deltaetl_slots_reserve(void);
extern bool deltaetl_slots_exist(void);
extern int	deltaetl_slot_own(void);
extern void deltaetl_slot_write(int slot, const ProgressEntry *entry);
extern void deltaetl_slot_set_rows(int slot, uint64 rows);
extern void deltaetl_slot_add_rows(int slot, uint64 rows);
extern bool deltaetl_slot_read(int slot, ProgressEntry *entry);
extern uint64 deltaetl_slot_rows(int slot);
extern int	deltaetl_slot_workers(int slot);

#endif							/* DELTAETL_PROGRESS_H */
