/*-------------------------------------------------------------------------
 *
 * fingerprint.h
 *	  What the content of a row is taken from, and why.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#ifndef DELTAETL_FINGERPRINT_H
#define DELTAETL_FINGERPRINT_H

#include "collect.h"
#include "deltaetl.h"

/* Where fewer rows are known than new, the known ones are noted. */
#define MIN_NEW_SHARE 2

typedef struct ContentChoice
{
	StoredContent stored;
	RowContent	content;		/* beside that */
	Obstacle	last_hashes;	/* to STORED_HASH */
	Obstacle	bytes;			/* to STORED_BYTES, where those are looked at */
	bool		for_toast;		/* hashes spare reading values out of line */
} ContentChoice;

extern ContentChoice deltaetl_choose_content(const Mapping *mapping, bool load);

#endif							/* DELTAETL_FINGERPRINT_H */
