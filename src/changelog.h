/*-------------------------------------------------------------------------
 *
 * changelog.h
 *	  Logging the rows that a run changes.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#ifndef DELTAETL_CHANGELOG_H
#define DELTAETL_CHANGELOG_H

#include "run.h"

#include "access/htup_details.h"

/* Those columns of the target that a log is about; the key is among them. */
struct LoggedColumns
{
	int			count;
	AttrNumber *attnums;
	const char **quoted;
};

/*
 * Whether a statement returns old and new row as one value each: a list of all
 * their columns would be too long.
 */
static inline bool
deltaetl_returns_records(const LoggedColumns *logged, DeltaAction action)
{
	return action == DELTA_UPDATE && 2 * logged->count > MaxTupleAttributeNumber;
}

/* What an action of a statement returns to a log. */
typedef struct ReturnedRows
{
	ChangeLog  *log;
	DeltaAction action;
} ReturnedRows;

extern ChangeLog *deltaetl_changelog_open(const Mapping *mapping,
										  LogLevel level, int64 run_id);
extern LoggedColumns *deltaetl_logged_columns(const Mapping *mapping,
											  LogLevel level);
extern const LoggedColumns *deltaetl_changelog_columns(const ChangeLog *log);
extern void deltaetl_changelog_add(ChangeLog *log, DeltaAction action,
								   TupleTableSlot *old, TupleTableSlot *new);
extern void deltaetl_changelog_take(TupleTableSlot *slot, void *arg);
extern void deltaetl_changelog_close(ChangeLog *log);

#endif							/* DELTAETL_CHANGELOG_H */
