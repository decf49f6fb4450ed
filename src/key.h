/*-------------------------------------------------------------------------
 *
 * key.h
 *	  Unique indexes, as far as keys are concerned.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#ifndef DELTAETL_KEY_H
#define DELTAETL_KEY_H

#include "deltaetl.h"

#include "nodes/bitmapset.h"

/* A usable index. */
typedef struct KeyIndex
{
	char	   *name;
	bool		primary;
	bool		immediate;
	bool		nulls_not_distinct;
	bool		constraint;		/* it is that of one */
	int			ncolumns;
	Bitmapset  *columns;		/* attribute numbers */
	AttrNumber	attnum[INDEX_MAX_KEYS];
	Oid			collation[INDEX_MAX_KEYS];
} KeyIndex;

/* key.c */
extern List *deltaetl_usable_indexes(Relation rel);
extern Oid	deltaetl_index_collation(const KeyIndex *key, AttrNumber attnum);

/* key_proof.c */
extern void deltaetl_prove_keys(const Mapping *mapping, MappingSide *side,
								Relation rel, List *indexes);

#endif							/* DELTAETL_KEY_H */
