/*-------------------------------------------------------------------------
 *
 * batch.h
 *	  Inserting rows into a table in batches, as COPY does.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#ifndef DELTAETL_BATCH_H
#define DELTAETL_BATCH_H

#include "deltaetl.h"

#include "nodes/execnodes.h"

typedef struct Batch Batch;

extern Batch *deltaetl_batch_create(ResultRelInfo *result, EState *estate,
									RowCallback inserted, void *arg);
extern TupleTableSlot *deltaetl_batch_slot(Batch *batch);
extern void deltaetl_batch_add(Batch *batch, Size bytes);
extern uint64 deltaetl_batch_finish(Batch *batch);

#endif							/* DELTAETL_BATCH_H */
