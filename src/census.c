/*-------------------------------------------------------------------------
 *
 * census.c
 *	  Counting the rows of both sides and finding keys that identify none.
 *
 * A run is refused if a key of the source occurs twice, or of the target
 * where no index forbids it, or is NULL where NULL matches nothing.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "deltaetl.h"

#include "mb/pg_wchar.h"
#include "progress.h"
#include "query.h"
#include "utils/lsyscache.h"

typedef struct Census
{
	uint64		rows;
	uint64		duplicate_keys;
	uint64		null_keys;
} Census;

static uint64
read_count(TupleTableSlot *slot, int column)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, column + 1, &isnull);

	return isnull ? 0 : (uint64) DatumGetInt64(value);
}

static void
collect_count(TupleTableSlot *slot, void *arg)
{
	((Census *) arg)->rows = read_count(slot, CENSUS_ROWS);
}

static void
collect_census(TupleTableSlot *slot, void *arg)
{
	Census	   *census = arg;

	census->rows = read_count(slot, CENSUS_ROWS);
	census->duplicate_keys = read_count(slot, CENSUS_DUPLICATE_KEYS);
	census->null_keys = read_count(slot, CENSUS_NULL_KEYS);
}

/* A key may be large, and is to be recognized, not to be copied. */
void
deltaetl_append_clipped(StringInfo buf, const char *value)
{
	int			len = strlen(value);
	int			shown = pg_mbcliplen(value, len, KEY_BYTES_SHOWN);

	appendBinaryStringInfo(buf, value, shown);
	if (shown < len)
		appendStringInfoString(buf, "...");
}

/* "(a, b)=(1, x)", from a row that starts with the key. */
void
deltaetl_describe_key(StringInfo buf, const Mapping *mapping,
					  TupleTableSlot *slot)
{
	const char *separator = "(";

	for (int i = 0; i < mapping->nkeys; i++)
	{
		appendStringInfo(buf, "%s%s", separator, mapping->columns[i].quoted);
		separator = ", ";
	}
	separator = ")=(";
	for (int i = 0; i < mapping->nkeys; i++)
	{
		bool		isnull;
		Datum		value = slot_getattr(slot, i + 1, &isnull);
		Oid			output;
		bool		isvarlena;

		getTypeOutputInfo(mapping->columns[i].type, &output, &isvarlena);
		appendStringInfoString(buf, separator);
		if (isnull)
			appendStringInfoString(buf, "null");
		else
			deltaetl_append_clipped(buf, OidOutputFunctionCall(output, value));
		separator = ", ";
	}
	appendStringInfoChar(buf, ')');
}

typedef struct Offenders
{
	const Mapping *mapping;
	StringInfoData text;
} Offenders;

static void
collect_offender(TupleTableSlot *slot, void *arg)
{
	Offenders  *offenders = arg;
	uint64		times = read_count(slot, offenders->mapping->nkeys);

	if (offenders->text.len > 0)
		appendStringInfoString(&offenders->text, ", ");
	deltaetl_describe_key(&offenders->text, offenders->mapping, slot);
	appendStringInfo(&offenders->text, " " UINT64_FORMAT " %s", times,
					 times == 1 ? "time" : "times");
}

static char *
name_offenders(const Mapping *mapping, const MappingSide *side, bool nulls)
{
	Offenders	offenders = {.mapping = mapping};

	initStringInfo(&offenders.text);
	deltaetl_spi_select(deltaetl_offenders_query(mapping, side, nulls),
						mapping, collect_offender, &offenders);
	return offenders.text.data;
}

static const char *
side_word(const Mapping *mapping, const MappingSide *side)
{
	return side == &mapping->source ? "source" : "target";
}

static void
check_census(const Mapping *mapping, const MappingSide *side,
			 const Census *census)
{
	bool		is_bad = census->null_keys > 0 || census->duplicate_keys > 0;

	/* the source's faults first, also if its keys are looked at later */
	if (is_bad && side == &mapping->target &&
		(mapping->by_fingerprint || mapping->by_digest))
		deltaetl_check_keys(mapping, &mapping->source);
	if (census->null_keys > 0)
		ereport(ERROR,
				(errcode(ERRCODE_NOT_NULL_VIOLATION),
				 errmsg("%s \"%s\" has rows without a key",
						side_word(mapping, side), side->name),
				 errdetail_plural(UINT64_FORMAT " row has a NULL in its key: %s.",
								  UINT64_FORMAT " rows have a NULL in their key, among them %s.",
								  (unsigned long) census->null_keys,
								  census->null_keys,
								  name_offenders(mapping, side, true))));
	if (census->duplicate_keys > 0)
		ereport(ERROR,
				(errcode(ERRCODE_CARDINALITY_VIOLATION),
				 errmsg("%s \"%s\" has duplicate keys",
						side_word(mapping, side), side->name),
				 errdetail_plural(UINT64_FORMAT " key occurs more than once: %s.",
								  UINT64_FORMAT " keys occur more than once, among them %s.",
								  (unsigned long) census->duplicate_keys,
								  census->duplicate_keys,
								  name_offenders(mapping, side, false))));
}

/* Whether constraints say that each row of a side has a key of its own. */
bool
deltaetl_keys_are_proven(const Mapping *mapping, const MappingSide *side)
{
	return side->keys_unique && (side->keys_not_null || mapping->nulls_match);
}

/* How keys of a side that identify no row, or several, are found. */
KeyCheck
deltaetl_key_check(const Mapping *mapping, const MappingSide *side)
{
	if (mapping->by_digest)
		return deltaetl_remote_key_check(mapping, side);
	if (deltaetl_keys_are_proven(mapping, side))
		return KEYS_PROVEN;
	if (!mapping->by_fingerprint)
		return KEYS_BY_CENSUS;
	if (deltaetl_is_free(deltaetl_obstacle_to_key_fingerprints(mapping)))
		return KEYS_BY_FINGERPRINT;
	return side == &mapping->source ? KEYS_BY_DIFFERENCE : KEYS_BY_CENSUS;
}

static uint64
count_rows(const Mapping *mapping, const MappingSide *side)
{
	Census		census = {0};

	deltaetl_spi_select(deltaetl_count_query(mapping, side), mapping,
						collect_count, &census);
	return census.rows;
}

static uint64
count_and_check_rows(const Mapping *mapping, const MappingSide *side)
{
	Census		census = {0};

	deltaetl_spi_select(deltaetl_census_query(mapping, side), mapping,
						collect_census, &census);
	check_census(mapping, side, &census);
	return census.rows;
}

/* Count a side's rows, and look at its keys if nothing proves them good. */
uint64
deltaetl_take_census(const Mapping *mapping, const MappingSide *side)
{
	return deltaetl_keys_are_proven(mapping, side) ?
		count_rows(mapping, side) : count_and_check_rows(mapping, side);
}

/* Raise the error that names them if keys of a side identify no row. */
void
deltaetl_check_keys(const Mapping *mapping, const MappingSide *side)
{
	(void) count_and_check_rows(mapping, side);
}

/*
 * Where rows of the target are addressed by key, a key must not be that of
 * another row out of scope.
 */
bool
deltaetl_censuses_whole_target(const Mapping *mapping)
{
	return !mapping->by_ctid && mapping->scope != NULL &&
		!deltaetl_keys_are_proven(mapping, &mapping->target);
}

static void
check_whole_target(const Mapping *mapping)
{
	Mapping		whole = *mapping;

	whole.scope = NULL;
	(void) count_and_check_rows(&whole, &whole.target);
}

/* What a join reads is not counted, and of views nobody knows the size. */
static void
expect_rows(const Mapping *mapping)
{
	double		source_rows = deltaetl_estimate_rows(&mapping->source);
	double		target_rows = deltaetl_estimate_rows(&mapping->target);
	bool		known = mapping->scope == NULL && source_rows > 0 && target_rows > 0;

	deltaetl_progress_expect(known ? source_rows + target_rows : 0, false);
}

/*
 * Where detection is by fingerprints, those of the source are read for that,
 * and the target's rows are counted and the source's keys looked at later.
 */
void
deltaetl_local_census(Delta *delta, bool count_target)
{
	const Mapping *mapping = delta->mapping;

	if (mapping->by_fingerprint)
		deltaetl_fingerprint_source(delta);
	else
	{
		expect_rows(mapping);
		delta->source_rows = deltaetl_take_census(mapping, &mapping->source);
	}
	if (deltaetl_censuses_whole_target(mapping))
		check_whole_target(mapping);
	if ((count_target && !mapping->by_fingerprint) ||
		deltaetl_key_check(mapping, &mapping->target) == KEYS_BY_CENSUS)
		delta->target_rows = deltaetl_take_census(mapping, &mapping->target);
}
