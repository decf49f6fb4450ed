/*-------------------------------------------------------------------------
 *
 * logged_run.h
 *	  A run of the past, as the logs have it.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#ifndef DELTAETL_LOGGED_RUN_H
#define DELTAETL_LOGGED_RUN_H

#include "run.h"

/* Columns of a logged change. */
enum LoggedChange
{
	CHANGE_ACTION,
	CHANGE_CHANGED_COLUMNS,
	CHANGE_OLD_ROW,
	CHANGE_NEW_ROW,
	CHANGE_OLD_TEXT,
	CHANGE_NEW_TEXT
};

#define CHANGE_COLUMNS (CHANGE_NEW_TEXT + 1)

typedef struct LoggedRun
{
	int64		run_id;
	Oid			extension;		/* its schema */
	MemoryContext context;		/* of all that is here */
	MemoryContext scratch;		/* reset after each change */
	RelationName target;
	char	   *target_owner;	/* then */
	char	   *role;			/* who ran it */
	char	   *status;
	char	   *log_changes;	/* NULL: nothing was logged */
	List	   *key_columns;	/* of char *, as are the others */
	uint64		written;		/* rows that it changed */
	Oid			relid;			/* the target now */

	/* its changes, in the order in which they were made */
	TupleDesc	desc;
	Tuplestorestate *changes;
	uint64		count[DELTA_ACTIONS];
	List	   *columns;		/* of the logged rows */
	List	   *changed_columns;	/* by any update */
} LoggedRun;

extern LoggedRun *deltaetl_find_logged_run(Oid extension, int64 run_id);
extern void deltaetl_read_logged_changes(LoggedRun *run);
extern DeltaAction deltaetl_logged_action(TupleTableSlot *change);

#endif							/* DELTAETL_LOGGED_RUN_H */
