/*-------------------------------------------------------------------------
 *
 * lone_rows.h
 *	  Matching by SQL the rows that only one side has.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#ifndef DELTAETL_LONE_ROWS_H
#define DELTAETL_LONE_ROWS_H

#include "collect.h"
#include "deltaetl.h"

typedef struct LoneRows LoneRows;

extern LoneRows *deltaetl_lone_rows_create(const Collection *collection);
extern void deltaetl_lone_rows_add(LoneRows *lone, SetSide side,
								   RowPosition position);
extern void deltaetl_lone_rows_join(LoneRows *lone, Delta *delta);

#endif							/* DELTAETL_LONE_ROWS_H */
