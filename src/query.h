/*-------------------------------------------------------------------------
 *
 * query.h
 *	  Names that the text of queries and its readers agree on.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#ifndef DELTAETL_QUERY_H
#define DELTAETL_QUERY_H

/*
 * The alias under which source columns are coerced.  No one else will call a
 * table so by accident.
 */
#define SOURCE_ALIAS "deltaetl:source"

/* Columns of the census query. */
#define CENSUS_ROWS 0
#define CENSUS_DUPLICATE_KEYS 1
#define CENSUS_NULL_KEYS 2

/*
 * Columns of the join query: is there a source row, is there a target row,
 * identity of the target row, the mapping's columns, and after them the
 * target's values of its guarded columns.
 */
#define JOIN_IN_SOURCE 0
#define JOIN_IN_TARGET 1
#define JOIN_DELTA_ROW 2

#endif							/* DELTAETL_QUERY_H */
