/*-------------------------------------------------------------------------
 *
 * execute.h
 *	  What those who run queries share, through SPI or without it.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#ifndef DELTAETL_EXECUTE_H
#define DELTAETL_EXECUTE_H

#include "deltaetl.h"

#include "tcop/dest.h"
#include "utils/queryenvironment.h"

/* Hands each row to a callback, if there is one. */
typedef struct RowReceiver
{
	DestReceiver pub;
	RowCallback callback;
	void	   *arg;
} RowReceiver;

extern RowReceiver deltaetl_receiver(RowCallback callback, void *arg);
extern EphemeralNamedRelation deltaetl_named_relation(const char *name,
													  TupleDesc desc,
													  Tuplestorestate *rows,
													  uint64 count);
extern void deltaetl_check_name(const MappingSide *side);

/* calls.c */
extern void deltaetl_check_calls(List *queries, Oid schema);

#endif							/* DELTAETL_EXECUTE_H */
