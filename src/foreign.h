/*-------------------------------------------------------------------------
 *
 * foreign.h
 *	  Writing the delta to a foreign table.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#ifndef DELTAETL_FOREIGN_H
#define DELTAETL_FOREIGN_H

#include "deltaetl.h"

typedef enum ForeignParamKind
{
	PARAM_VALUES,				/* of a column, of one row or of several */
	PARAM_PLACES,				/* of a row's value among those, 0 if NULL */
	PARAM_CODES					/* that say which keys belong together */
} ForeignParamKind;

typedef struct ForeignParam
{
	ForeignParamKind kind;
	int			column;			/* of the mapping */
	Oid			element;		/* type of a value */
	bool		is_array;
} ForeignParam;

/* A statement whose conditions and values are all parameters. */
typedef struct ForeignStatement
{
	char	   *text;
	int			rows;			/* as many at most at a time */
	int			nparams;
	ForeignParam *params;
	ParamType  *types;			/* of these */
} ForeignStatement;

/* How rows of an action are written. */
typedef struct ForeignWay
{
	Obstacle	obstacle;		/* to leaving all of it to the other server */
	ForeignStatement *statement;
} ForeignWay;

/* query_foreign.c */
extern ForeignStatement *deltaetl_foreign_statement(const Delta *delta, DeltaAction action,
													const LoggedColumns *logged,
													const bool *has_nulls);
extern ForeignStatement *deltaetl_narrowed_statement(const Delta *delta, DeltaAction action,
													 const LoggedColumns *logged);
extern char *deltaetl_lone_table_query(const Mapping *mapping);
extern char *deltaetl_shared_places_query(const Mapping *mapping);

/* foreign.c */
extern ForeignWay deltaetl_foreign_way(Delta *delta, DeltaAction action,
									   const LoggedColumns *logged);
extern void deltaetl_check_foreign(Delta *delta, const LoggedColumns *logged);
extern uint64 deltaetl_foreign_modify(Delta *delta, DeltaAction action,
									  ChangeLog *log);

#endif							/* DELTAETL_FOREIGN_H */
