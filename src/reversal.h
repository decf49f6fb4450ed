/*-------------------------------------------------------------------------
 *
 * reversal.h
 *	  The delta that takes the changes of a run back.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#ifndef DELTAETL_REVERSAL_H
#define DELTAETL_REVERSAL_H

#include "deltaetl.h"
#include "logged_run.h"

/* Rows that are no longer what a run has left. */
typedef struct Conflicts
{
	uint64		count;
	StringInfoData text;		/* the first keys, and what is wrong */
} Conflicts;

extern Delta *deltaetl_reverse_run(const Mapping *mapping, LoggedRun *run,
								   Conflicts *conflicts);

#endif							/* DELTAETL_REVERSAL_H */
