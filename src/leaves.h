/*-------------------------------------------------------------------------
 *
 * leaves.h
 *	  The tables that the rows of a relation lie in, to read and write rows.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#ifndef DELTAETL_LEAVES_H
#define DELTAETL_LEAVES_H

#include "deltaetl.h"

#include "nodes/execnodes.h"

/* A table that rows of a relation lie in: a partition, or the relation. */
typedef struct Leaf
{
	Oid			relid;
	Relation	rel;
	TupleTableSlot *slot;		/* for one of its rows */
	ResultRelInfo *result;		/* NULL where nothing is written */
} Leaf;

typedef struct Leaves Leaves;

extern Leaves *deltaetl_leaves_create(EState *estate, ResultRelInfo *root);
extern Leaf *deltaetl_leaf(Leaves *leaves, Oid relid);
extern TupleTableSlot *deltaetl_leaf_fetch(Leaf *leaf, ItemPointer tid);
extern void deltaetl_leaves_close(Leaves *leaves);

#endif							/* DELTAETL_LEAVES_H */
