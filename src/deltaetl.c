/*-------------------------------------------------------------------------
 *
 * deltaetl.c
 *	  Module entry.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "deltaetl.h"

#include "utils/guc.h"

PG_MODULE_MAGIC;

/* The prefix is ours: a misspelt setting under it is an error, not a wish. */
void
_PG_init(void)
{
	MarkGUCPrefixReserved("deltaetl");
}
