/*-------------------------------------------------------------------------
 *
 * run.h
 *	  A run: what it is to do, what it has done, and its entry in the log.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#ifndef DELTAETL_RUN_H
#define DELTAETL_RUN_H

#include "deltaetl.h"

#include "datatype/timestamp.h"
#include "executor/instrument.h"
#include "nodes/params.h"
#include "utils/jsonb.h"

/* ---------- options ---------- */

typedef enum LogLevel
{
	LOG_NONE,
	LOG_KEYS,
	LOG_ROWS
} LogLevel;

/* What to do while another run works on the target. */
typedef enum IfRunning
{
	RUNNING_WAIT,
	RUNNING_SKIP,
	RUNNING_ERROR
} IfRunning;

/* The value of a limit that is not set. */
#define NO_LIMIT (-1)

/* What a run is to do. */
typedef struct SyncOptions
{
	MappingRequest request;
	bool		deletes;
	bool		allow_empty_source;
	float8		max_delete_pct;
	int64		max_delete_rows;
	float8		max_update_pct;
	bool		dry_run;
	LogLevel	log_changes;
	IfRunning	if_running;
	bool		lock_rows;		/* instead of the table */
	const char *job;			/* NULL: it is not the run of one */
	bool		force;			/* whatever the guards say */
	Jsonb	   *given;			/* those that the caller has set */
} SyncOptions;

/*
 * How the target is locked.  A dry run lets others go on writing to it, and so
 * does one that locks rows, which keeps off other runs and VACUUM.
 */
static inline LOCKMODE
deltaetl_target_lock(const SyncOptions *options)
{
	if (options->dry_run)
		return AccessShareLock;
	return options->lock_rows ? ShareUpdateExclusiveLock : ShareRowExclusiveLock;
}

/* ---------- run ---------- */

typedef enum RunPhase
{
	RUN_RESOLVE,
	RUN_LOCK,
	RUN_DETECT,
	RUN_APPLY
} RunPhase;

#define RUN_PHASES (RUN_APPLY + 1)

typedef enum RunStatus
{
	RUN_SUCCEEDED,
	RUN_FAILED,
	RUN_SKIPPED,
	RUN_DRY
} RunStatus;

typedef struct RelationName
{
	const char *schema;
	const char *name;			/* NULL: there is none */
} RelationName;

/* One execution of a sync, and what the run log says of it. */
typedef struct Run
{
	int64		run_id;			/* 0: not numbered yet */
	const SyncOptions *options;
	Oid			extension;		/* its schema */
	Oid			role;			/* that it was begun by */
	RelationName source;
	RelationName target;
	List	   *key_columns;	/* of char * */
	TimestampTz started;
	TimestampTz finished;
	RunPhase	phase;
	TimestampTz entered;		/* when this phase began */
	int64		spent[RUN_PHASES];	/* microseconds */
	BufferUsage pages_before;
	uint64		rows_read;
	uint64		bytes_read;
	AppliedCounts applied;
	uint64		unchanged;
	const char *sqlstate;		/* of a failure */
	const char *message;
	const char *detail;
} Run;

/* Tables of the extension. */
#define RUN_TABLE "deltaetl_run_entry"
#define TOTAL_TABLE "deltaetl_total_entry"
#define CHANGE_TABLE "deltaetl_change_entry"
#define JOB_TABLE "deltaetl_job_entry"

/* Those columns of an entry in the run log that do not fill in themselves. */
#define RUN_COLUMNS 26

/* options.c */
extern SyncOptions deltaetl_read_options(FunctionCallInfo fcinfo);
extern SyncOptions deltaetl_parse_options(Jsonb *object, Oid source,
										  Oid target, Oid extension,
										  const char *const *others);

/* guard.c */
extern bool deltaetl_counts_first(const SyncOptions *options, DeltaAction action);
extern bool deltaetl_guards_count_target(const SyncOptions *options);
extern void deltaetl_guard_source(const SyncOptions *options, const Delta *delta);
extern void deltaetl_guard_delta(const SyncOptions *options, const Delta *delta);

/* distributed.c */
extern void deltaetl_check_distributed(const SyncOptions *options, const Mapping *mapping);

/* owner.c */
extern Oid	deltaetl_relation_owner(Oid relid);
extern Oid	deltaetl_own_relation(Oid extension, const char *name);
extern uint64 deltaetl_owner_execute(Oid extension, const char *query,
									 ParamListInfo params,
									 RowCallback callback, void *arg);

/* runlog.c */
extern RelationName deltaetl_relation_name(Oid relid);
extern void deltaetl_run_begin(Run *run, const SyncOptions *options);
extern void deltaetl_run_enter(Run *run, RunPhase phase);
extern void deltaetl_run_number(Run *run);
extern void deltaetl_run_note_reading(Run *run, uint64 rows);
extern void deltaetl_run_end(Run *run, RunStatus status);
extern Datum deltaetl_run_result(FunctionCallInfo fcinfo, const Run *run);

/* sync.c */
extern RunStatus deltaetl_run_sync(Run *run);

#endif							/* DELTAETL_RUN_H */
