/*-------------------------------------------------------------------------
 *
 * progress_slot.c
 *	  A slot for each backend, in memory that all of them share.
 *
 * A backend's slot has the number of its PGPROC, so it need not be searched,
 * and there is one for every process that can run a query.  Nobody else writes
 * to it, but parallel workers that add the rows they have read.
 *
 * Without that memory there are no slots, and nothing is shown.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "progress.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "storage/spin.h"

#include "compat.h"

typedef struct ProgressSlot
{
	slock_t		mutex;			/* of the entry */
	ProgressEntry entry;
	pg_atomic_uint64 rows_done;
} ProgressSlot;

static ProgressSlot *slots = NULL;

static shmem_request_hook_type previous_request_hook = NULL;
static shmem_startup_hook_type previous_startup_hook = NULL;

/* ---------- memory ---------- */

static Size
slots_size(void)
{
	return mul_size(MaxBackends, sizeof(ProgressSlot));
}

static void
init_slots(void *memory)
{
	ProgressSlot *slot = memory;

	memset(memory, 0, slots_size());
	for (int i = 0; i < MaxBackends; i++, slot++)
	{
		SpinLockInit(&slot->mutex);
		pg_atomic_init_u64(&slot->rows_done, 0);
	}
}

static void
request_slots(void)
{
	if (previous_request_hook)
		previous_request_hook();
	RequestAddinShmemSpace(slots_size());
}

/* Called once more when the server starts anew after a crash. */
static void
create_slots(void)
{
	bool		found;

	if (previous_startup_hook)
		previous_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	slots = ShmemInitStruct("deltaetl progress", slots_size(), &found);
	if (!found)
		init_slots(slots);
	LWLockRelease(AddinShmemInitLock);
}

/* When the library is loaded; in time only if the server loads it at its start. */
void
deltaetl_slots_reserve(void)
{
	if (SHARED_MEMORY_ON_DEMAND || !process_shared_preload_libraries_in_progress)
		return;
	previous_request_hook = shmem_request_hook;
	shmem_request_hook = request_slots;
	previous_startup_hook = shmem_startup_hook;
	shmem_startup_hook = create_slots;
}

/*
 * The size is in the name, as a server that has had another version of the
 * library keeps the slots of that.
 */
static ProgressSlot *
slots_on_demand(void)
{
	char		name[NAMEDATALEN];

	snprintf(name, sizeof(name), "deltaetl progress %zu", slots_size());
	return demand_shared_memory(name, slots_size(), init_slots);
}

bool
deltaetl_slots_exist(void)
{
	if (slots == NULL && SHARED_MEMORY_ON_DEMAND)
		slots = slots_on_demand();
	return slots != NULL;
}

/* ---------- writing ---------- */

/* This backend's slot, or NO_SLOT. */
int
deltaetl_slot_own(void)
{
	int			slot = own_proc_number();

	return slot < MaxBackends && deltaetl_slots_exist() ? slot : NO_SLOT;
}

void
deltaetl_slot_write(int slot, const ProgressEntry *entry)
{
	SpinLockAcquire(&slots[slot].mutex);
	slots[slot].entry = *entry;
	SpinLockRelease(&slots[slot].mutex);
}

/* For the backend whose slot it is, while it has no workers. */
void
deltaetl_slot_set_rows(int slot, uint64 rows)
{
	pg_atomic_write_u64(&slots[slot].rows_done, rows);
}

/* For its workers, too, which may not have seen the memory before. */
void
deltaetl_slot_add_rows(int slot, uint64 rows)
{
	if (deltaetl_slots_exist())
		(void) pg_atomic_fetch_add_u64(&slots[slot].rows_done, rows);
}

/* ---------- reading ---------- */

/*
 * Read a slot from 0 to MaxBackends - 1; returns whether it is in use.  That
 * the process is still there is looked at as well, as one that fails while it
 * exits can leave its entry behind.
 */
bool
deltaetl_slot_read(int slot, ProgressEntry *entry)
{
	SpinLockAcquire(&slots[slot].mutex);
	*entry = slots[slot].entry;
	SpinLockRelease(&slots[slot].mutex);
	return entry->pid != 0 && GetPGProcByNumber(slot)->pid == entry->pid;
}

uint64
deltaetl_slot_rows(int slot)
{
	return pg_atomic_read_u64(&slots[slot].rows_done);
}

/*
 * How many parallel workers help a backend at the moment, whatever they do.
 * As in pg_stat_activity, looking is not worth a lock.
 */
int
deltaetl_slot_workers(int slot)
{
	PGPROC	   *leader = GetPGProcByNumber(slot);
	int			workers = 0;

	for (int i = 0; i < MaxBackends; i++)
	{
		PGPROC	   *proc = GetPGProcByNumber(i);

		if (proc != leader && proc->pid != 0 && proc->lockGroupLeader == leader)
			workers++;
	}
	return workers;
}
