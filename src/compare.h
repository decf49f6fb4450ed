/*-------------------------------------------------------------------------
 *
 * compare.h
 *	  Comparing two rows by their values.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#ifndef DELTAETL_COMPARE_H
#define DELTAETL_COMPARE_H

#include "postgres.h"

#include "access/tupdesc.h"

typedef struct RowComparer RowComparer;

/* A row that has been taken apart. */
typedef struct RowValues
{
	const Datum *values;
	const bool *isnull;
} RowValues;

extern RowComparer *deltaetl_comparer_create(TupleDesc desc);
extern bool deltaetl_rows_are_same(RowComparer *comparer, RowValues a,
								   RowValues b);
extern bool deltaetl_values_are_same(RowComparer *comparer, int column,
									 RowValues a, RowValues b);
extern void deltaetl_comparer_free(RowComparer *comparer);

#endif							/* DELTAETL_COMPARE_H */
