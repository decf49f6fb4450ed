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

#include "deltaetl.h"

/*
 * The alias under which source columns are coerced.  No one else will call a
 * table so by accident.
 */
#define RESERVED_PREFIX "deltaetl:"
#define SOURCE_ALIAS "deltaetl:source"

/* The alias of the source where its columns are cast. */
#define PLAIN_SOURCE "\"deltaetl:cast\""

/* Tables of positions of rows that only one side has. */
#define SOURCE_ROWS "deltaetl_source_rows"
#define TARGET_ROWS "deltaetl_target_rows"

/* Columns of a key or a row that an aggregate takes as arguments. */
#define MAX_COLLECTED_COLUMNS 90

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

/*
 * Of the query that joins lone rows: after the delta's row, which names both
 * sides' rows, the source's and the target's value of each guarded column.
 */
#define LONE_GUARDED (JOIN_DELTA_ROW + DELTA_POSITION_COLUMNS)

/* The table of the keys of logged changes, c1 .. cn, and their numbers. */
#define LOGGED_KEYS "deltaetl_logged_keys"

/*
 * Columns of the query for the rows of the target that have these keys: the
 * number, identity of the row, the mapping's columns.
 */
#define LOGGED_NUMBER 0
#define LOGGED_ROW 1
#define LOGGED_FIRST_COLUMN (LOGGED_ROW + DELTA_FIRST_COLUMN)

/* The alias of a relation's rows, on both sides, where it is read. */
#define ROW_ALIAS "\"deltaetl\""

/* What of a side is read. */
typedef struct Extent
{
	bool		position;		/* also where each row of the source lies */
	const char *rows;			/* a table of the rows to read, or NULL for
								 * all */
} Extent;

/* query.c: pieces of queries */
extern StringInfo deltaetl_new_query(const char *start);
extern void deltaetl_append_row_hash(StringInfo buf, const Mapping *mapping,
									 const char *alias);
extern void deltaetl_append_source_hash(StringInfo buf, const Mapping *mapping,
										const char *alias,
										bool alias_is_relation);
extern void deltaetl_append_relation(StringInfo buf, const MappingSide *side,
									 const char *alias, const char *rows);
extern void deltaetl_append_extent(StringInfo buf, const Mapping *mapping,
								   const MappingSide *side, Extent extent);
extern void deltaetl_append_row_columns(StringInfo buf, const Mapping *mapping,
										int ncolumns);
extern void deltaetl_append_separator(StringInfo buf, int i);
extern void deltaetl_append_columns(StringInfo buf, const char *alias,
									int ncolumns);
extern void deltaetl_append_key_match(StringInfo buf, const Mapping *mapping,
									  const char *left, const char *right,
									  bool right_is_relation);
extern void deltaetl_append_key_group(StringInfo buf, const Mapping *mapping);
extern void deltaetl_append_null_key_test(StringInfo buf,
										  const Mapping *mapping);
extern Oid	deltaetl_operand_type(const MappingColumn *column);
extern char *deltaetl_key_operand(const MappingColumn *column,
								  const char *value);
extern char *deltaetl_qualified_operator(Oid operator);
extern void deltaetl_append_key_order(StringInfo buf, const Mapping *mapping);
extern void deltaetl_append_object(StringInfo buf, const Mapping *mapping,
								   const char *alias, bool alias_is_relation,
								   int ncolumns);

#endif							/* DELTAETL_QUERY_H */
