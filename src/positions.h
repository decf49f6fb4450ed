/*-------------------------------------------------------------------------
 *
 * positions.h
 *	  Rows of the delta, by where they lie, on their way into it.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#ifndef DELTAETL_POSITIONS_H
#define DELTAETL_POSITIONS_H

#include "collect.h"
#include "deltaetl.h"

typedef struct PositionLists PositionLists;

extern PositionLists *deltaetl_positions_create(Delta *delta,
												const Collection *collection,
												bool compare);
extern void deltaetl_positions_add(PositionLists *lists, int store,
								   const Fingerprint *source,
								   const Fingerprint *target);
extern void deltaetl_positions_finish(PositionLists *lists);

#endif							/* DELTAETL_POSITIONS_H */
