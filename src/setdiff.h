/*-------------------------------------------------------------------------
 *
 * setdiff.h
 *	  The difference of two sets of fingerprints.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#ifndef DELTAETL_SETDIFF_H
#define DELTAETL_SETDIFF_H

#include "postgres.h"

#include "storage/itemptr.h"

/* A row: 128 bits that stand for all of it, and where it lies. */
typedef struct Fingerprint
{
	uint64		high;
	uint64		low;
	Oid			tableoid;
	ItemPointerData ctid;
	bool		matched;
} Fingerprint;

typedef enum SetSide
{
	SET_SOURCE,
	SET_TARGET
} SetSide;

#define SET_SIDES (SET_TARGET + 1)

typedef struct SetDiff SetDiff;

/* Takes a row that the other side does not have. */
typedef void (*LoneRowCallback) (SetSide side, const Fingerprint *row,
								 void *arg);

extern SetDiff *deltaetl_setdiff_create(Size memory_limit,
										double expected_rows);
extern void deltaetl_setdiff_add(SetDiff *set, SetSide side,
								 const Fingerprint *row);
extern bool deltaetl_setdiff_finish(SetDiff *set, LoneRowCallback callback,
									void *arg);

#endif							/* DELTAETL_SETDIFF_H */
