/*-------------------------------------------------------------------------
 *
 * explain_detection.c
 *	  Explaining how rows that differ would be found, and wrong keys.
 *
 * It is decided by the functions that decide in a run, for a target that is
 * not empty, which is not looked at.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "explain.h"

#include "fingerprint.h"
#include "remote.h"
#include "utils/builtins.h"

/* ---------- stored hashes ---------- */

/* What is compared, where the target has a stored hash that is of use. */
static void
explain_used_hash(const Explanation *explanation, const char *how)
{
	const Mapping *mapping = explanation->mapping;
	char	   *stored = psprintf("the stored hash %s of %s",
								  quote_identifier(mapping->hash->name),
								  mapping->target.quoted);

	if (mapping->source_hash_believed)
	{
		deltaetl_explain_line(explanation, 2, "Compared: %s with column %s of %s, which is believed because source_hash_column names it%s",
							  stored, mapping->source_hash, mapping->source.quoted, how);
		deltaetl_explain_line(explanation, 2, "Rows of %s are hashed where it is NULL",
							  mapping->source.quoted);
	}
	else if (mapping->source_hash != NULL)
		deltaetl_explain_line(explanation, 2, "Compared: %s with that of %s%s", stored,
							  mapping->source.quoted, how);
	else
	{
		deltaetl_explain_line(explanation, 2, "Compared: %s with the hash of each row of %s%s",
							  stored, mapping->source.quoted, how);
		deltaetl_explain_line(explanation, 2, "Rows of %s are hashed, because %s",
							  mapping->source.quoted,
							  deltaetl_say_obstacle(mapping->source_hash_obstacle));
	}
}

/* Why there is no stored hash of the target that is of use. */
static void
explain_useless_hash(const Explanation *explanation)
{
	const Mapping *mapping = explanation->mapping;

	if (mapping->hash_obstacle.kind == OBSTACLE_NOT_TRACKED)
		deltaetl_explain_line(explanation, 2, "No stored hash, because %s",
							  deltaetl_say_obstacle(mapping->hash_obstacle));
	else
		deltaetl_explain_line(explanation, 2, "Not the stored hash of %s, because %s",
							  mapping->target.quoted,
							  deltaetl_say_obstacle(mapping->hash_obstacle));
}

/* ---------- content of fingerprints ---------- */

static void
explain_stored_bytes(const Explanation *explanation)
{
	const Mapping *mapping = explanation->mapping;

	deltaetl_explain_line(explanation, 2, "Compared: the bytes of rows as they are stored, because both sides have the same columns in the same places");
	deltaetl_explain_line(explanation, 2, "Rows whose bytes differ are compared once more by their values");
	if (mapping->hash != NULL)
		deltaetl_explain_line(explanation, 2, "Not the stored hash %s of %s, because the bytes are faster: no values lie out of line",
							  quote_identifier(mapping->hash->name), mapping->target.quoted);
	else if (mapping->hash_obstacle.kind != OBSTACLE_NOT_TRACKED)
		explain_useless_hash(explanation);
}

static void
explain_hashes(const Explanation *explanation, const ContentChoice *choice)
{
	const Mapping *mapping = explanation->mapping;
	bool		by_position = choice->stored == STORED_HASH;

	explain_used_hash(explanation, by_position ? ", read from the end of each row" : "");
	if (!by_position && mapping->source_hash != NULL && !mapping->source_hash_believed &&
		choice->last_hashes.kind != choice->bytes.kind)
		deltaetl_explain_line(explanation, 2, "The stored hash is not read from the end of each row, because %s",
							  deltaetl_say_obstacle(choice->last_hashes));
	if (choice->for_toast)
		deltaetl_explain_line(explanation, 2, "Values of %s that lie out of line (TOAST) are not read for that",
							  mapping->target.quoted);
	else if (!by_position && !mapping->source_hash_believed)
		deltaetl_explain_line(explanation, 2, "Not the bytes of rows as they are stored, because %s",
							  deltaetl_say_obstacle(choice->bytes));
}

static void
explain_encoding(const Explanation *explanation, const ContentChoice *choice)
{
	const Mapping *mapping = explanation->mapping;

	deltaetl_explain_line(explanation, 2, "Compared: the encoded values of each row");
	deltaetl_explain_line(explanation, 2, "Not the bytes of rows as they are stored, because %s",
						  deltaetl_say_obstacle(choice->bytes));
	if (mapping->hash != NULL)
		deltaetl_explain_line(explanation, 2, "Not the stored hash %s of %s, because %s, so its rows would be hashed all the same",
							  quote_identifier(mapping->hash->name), mapping->target.quoted,
							  deltaetl_say_obstacle(mapping->source_hash_obstacle));
	else
		explain_useless_hash(explanation);
}

static void
explain_content(const Explanation *explanation)
{
	ContentChoice choice = deltaetl_choose_content(explanation->mapping, false);

	if (choice.stored == STORED_BYTES)
		explain_stored_bytes(explanation);
	else if (choice.stored == STORED_HASH || choice.content == CONTENT_HASH)
		explain_hashes(explanation, &choice);
	else
		explain_encoding(explanation, &choice);
}

static void
explain_fingerprints(const Explanation *explanation)
{
	const Mapping *mapping = explanation->mapping;
	Obstacle	obstacle = deltaetl_obstacle_to_key_fingerprints(mapping);

	if (deltaetl_is_free(obstacle))
		deltaetl_explain_line(explanation, 1, "Detection: by fingerprints; both sides are read once, and rows that differ once more, by their position");
	else
		deltaetl_explain_line(explanation, 1, "Detection: by fingerprints; both sides are read once, and rows that are not the same on both are joined on the key, because %s",
							  deltaetl_say_obstacle(obstacle));
	explain_content(explanation);
	if (mapping->scope == NULL)
		deltaetl_explain_line(explanation, 2, "If %s is empty: nothing is compared, and all rows of %s are inserted",
							  mapping->target.quoted, mapping->source.quoted);
}

/* ---------- join ---------- */

static void
explain_join(const Explanation *explanation)
{
	const Mapping *mapping = explanation->mapping;

	deltaetl_explain_line(explanation, 1, "Detection: by a join on the key, which compares the hash of each row; the source is read twice, to count it and to join it");
	deltaetl_explain_line(explanation, 2, "Not by fingerprints, because %s",
						  deltaetl_say_obstacle(deltaetl_obstacle_to_fingerprints(mapping)));
	if (mapping->across_servers)
		deltaetl_explain_line(explanation, 2, "Not by digests, because %s",
							  deltaetl_say_obstacle(mapping->digest_obstacle));
	if (mapping->hash != NULL)
		explain_used_hash(explanation, "");
	else
	{
		deltaetl_explain_line(explanation, 2, "Compared: the hash of the values of each row, computed for both sides");
		explain_useless_hash(explanation);
	}
	if (deltaetl_guards_count_target(explanation->options))
		deltaetl_explain_line(explanation, 2, "%s is read once more, to count it for the guards",
							  mapping->target.quoted);
}

/* ---------- digests ---------- */

static void
explain_digests_of(const Explanation *explanation, const MappingSide *side)
{
	const Mapping *mapping = explanation->mapping;
	bool		stored = side == &mapping->target && deltaetl_digests_stored_hash(mapping);

	deltaetl_explain_line(explanation, 2, "Digests of %s: computed %s%s", side->quoted,
						  side->is_foreign ? "on its server" : "here",
						  stored ? psprintf(", from the stored hash %s", quote_identifier(mapping->hash->name)) : "");
}

static void
explain_digests(const Explanation *explanation)
{
	const Mapping *mapping = explanation->mapping;

	deltaetl_explain_line(explanation, 1, "Detection: by digests; each side adds up the hashes of its rows in %d buckets of keys, those that differ are divided as long as that is cheaper than rows, and their rows are joined on the key",
						  1 << FIRST_BITS);
	explain_digests_of(explanation, &mapping->source);
	explain_digests_of(explanation, &mapping->target);
	deltaetl_explain_line(explanation, 2, "If a side is empty: the other is read");
}

/* ---------- on other nodes ---------- */

/* What is counted before anything is written. */
static const char *
say_counted(const SyncOptions *options)
{
	static const char *const words[] = {"rows to delete", "rows to update", "rows to insert"};
	List	   *counted = list_make1("the source");

	for (DeltaAction action = DELTA_DELETE; action <= DELTA_INSERT; action++)
		if (deltaetl_counts_first(options, action) &&
			(action != DELTA_DELETE || options->deletes))
			counted = lappend(counted, unconstify(char *, words[action]));
	return deltaetl_say_list(counted);
}

static void
explain_distributed(const Explanation *explanation)
{
	const Mapping *mapping = explanation->mapping;

	deltaetl_explain_line(explanation, 1, "Detection: by the statements that write what differs; counted before: %s",
						  say_counted(explanation->options));
	if (mapping->hash != NULL)
		explain_used_hash(explanation, "");
	else
	{
		deltaetl_explain_line(explanation, 2, "Compared: the encoded values of each row");
		explain_useless_hash(explanation);
	}
}

/* ---------- keys ---------- */

static const char *
what_is_looked_for(const Mapping *mapping, const MappingSide *side)
{
	if (mapping->nulls_match || side->keys_not_null)
		return "duplicates";
	return side->keys_unique ? "NULLs" : "duplicates and NULLs";
}

static void
explain_keys(const Explanation *explanation, const MappingSide *side)
{
	static const char *const ways[] = {
		[KEYS_BY_FINGERPRINT] = "by fingerprint",
		[KEYS_BY_DIFFERENCE] = "among the rows that differ",
		[KEYS_BY_BUCKET] = "in the buckets that differ",
		[KEYS_BY_CENSUS] = "by a query that groups all rows",
		[KEYS_BY_SERVER] = "by a query that its server answers"
	};
	const Mapping *mapping = explanation->mapping;
	KeyCheck	check = deltaetl_key_check(mapping, side);

	if (check == KEYS_PROVEN)
		deltaetl_explain_line(explanation, 2, "Keys of %s: unique, as index %s proves",
							  side->quoted, side->unique_index);
	else
		deltaetl_explain_line(explanation, 2, "Keys of %s: searched for %s %s, because %s",
							  side->quoted, what_is_looked_for(mapping, side), ways[check],
							  deltaetl_say_obstacle(side->keys_unique ? side->nulls : side->duplicates));
}

/* The guard against keys that belong to rows out of scope. */
static void
explain_scope_guard(const Explanation *explanation)
{
	const Mapping *mapping = explanation->mapping;

	if (mapping->scope == NULL)
		return;
	if (mapping->scope_by_key)
		deltaetl_explain_line(explanation, 2, "New keys are not looked up in %s, because no row out of scope can have them: the scope is on the key",
							  mapping->target.quoted);
	else
		deltaetl_explain_line(explanation, 2, "New keys are looked up in %s; one that a row out of scope has stops the run",
							  mapping->target.quoted);
	if (deltaetl_censuses_whole_target(mapping))
		deltaetl_explain_line(explanation, 2, "Duplicates are looked for in all of %s, because rows in scope are written by their key",
							  mapping->target.quoted);
}

/* How the delta would be found. */
void
deltaetl_explain_detection(const Explanation *explanation)
{
	const Mapping *mapping = explanation->mapping;

	if (mapping->by_statements)
		explain_distributed(explanation);
	else if (mapping->by_fingerprint)
		explain_fingerprints(explanation);
	else if (mapping->by_digest)
		explain_digests(explanation);
	else
		explain_join(explanation);
	explain_keys(explanation, &mapping->source);
	explain_keys(explanation, &mapping->target);
	explain_scope_guard(explanation);
}
