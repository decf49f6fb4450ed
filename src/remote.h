/*-------------------------------------------------------------------------
 *
 * remote.h
 *	  What the files share that compare tables across servers.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#ifndef DELTAETL_REMOTE_H
#define DELTAETL_REMOTE_H

#include "deltaetl.h"

/* Columns beside another argument. */
#define MAX_BUCKET_COLUMNS (MAX_HASH_ARGUMENTS - 1)

/* Bits of the buckets that are looked at first: none of a table takes 100 kB. */
#define FIRST_BITS 9

/* Most bits of a bucket. */
#define LAST_BITS 63

/* Columns of the query for buckets. */
#define BUCKET_NUMBER 0
#define BUCKET_ROWS 1
#define BUCKET_DIGEST 2

/* As deltaetl_digest_agg() returns it. */
#define DIGEST_LENGTH 32

typedef struct Bucket
{
	int64		number;
	uint64		rows;
	char		digest[DIGEST_LENGTH];
} Bucket;

/* Those of a side that have rows, by number. */
typedef struct BucketList
{
	Bucket	   *buckets;
	int			count;
	int			max;
	uint64		rows;
} BucketList;

/* Buckets in which both sides differ. */
typedef struct Difference
{
	int			bits;
	int			compared;		/* buckets that either side has */
	int			count;			/* of them differ */
	int64	   *numbers;
	uint64		rows;			/* in those, of the side that has more */
	uint64		surplus;		/* rows that only one side can have */
} Difference;

/* query_remote.c */
extern Mapping *deltaetl_narrow(const Mapping *mapping, const char *condition);
extern char *deltaetl_bucket_condition(const Mapping *mapping, const char *alias,
									   const Difference *difference);
extern char *deltaetl_a_row_query(const Mapping *mapping, const MappingSide *side);
extern char *deltaetl_a_wrong_key_query(const Mapping *mapping,
										const MappingSide *side);
extern char *deltaetl_shipped_count_query(const Mapping *mapping,
										  const MappingSide *side);
extern char *deltaetl_types_condition(const Mapping *mapping, const MappingSide *side,
									  int from, int to);
extern char *deltaetl_all_types_condition(const Mapping *mapping,
										  const MappingSide *side);
extern char *deltaetl_buckets_query(const Mapping *mapping,
									const MappingSide *side, int bits);

/* difference.c */
extern BucketList *deltaetl_read_buckets(const Mapping *mapping,
										 const MappingSide *side, int bits);
extern Difference *deltaetl_compare_buckets(const BucketList *source,
											const BucketList *target, int bits);
extern int	deltaetl_next_bits(const Difference *difference, double row_width,
							   uint64 all_rows);
extern double deltaetl_row_width(const Delta *delta);

#endif							/* DELTAETL_REMOTE_H */
