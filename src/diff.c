/*-------------------------------------------------------------------------
 *
 * diff.c
 *	  Detection, and deltaetl_diff().
 *
 * Detection fills a Delta, in one of two ways: fingerprint.c where both sides
 * are tables that can be read whole, join.c for the rest.  The census has
 * chosen; nobody else has to know.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "deltaetl.h"

#include "funcapi.h"
#include "progress.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"

#include "compat.h"

/* ---------- detection ---------- */

typedef struct KeyNames
{
	const Mapping *mapping;
	uint64		count;
	StringInfoData text;
} KeyNames;

static void
collect_key(TupleTableSlot *slot, void *arg)
{
	KeyNames   *keys = arg;

	if (keys->count++ >= KEYS_SHOWN)
		return;
	if (keys->text.len > 0)
		appendStringInfoString(&keys->text, ", ");
	deltaetl_describe_key(&keys->text, keys->mapping, slot);
}

static void
note_row(TupleTableSlot *slot, void *arg)
{
	*((bool *) arg) = true;
}

/*
 * Keys that occur twice among the rows that differ, or are NULL, which
 * fingerprints do not tell.  A census of the source names them.
 */
static void
check_doubtful_keys(const Delta *delta)
{
	bool		doubtful = false;

	if (delta->count[DELTA_INSERT] + delta->count[DELTA_UPDATE] == 0)
		return;
	deltaetl_spi_select(deltaetl_doubtful_keys_query(delta),
						delta->mapping, note_row, &doubtful);
	if (doubtful)
		deltaetl_check_keys(delta->mapping, &delta->mapping->source);
}

/*
 * Raise an error if a query returns keys of the source in scope that the target
 * has out of scope; or that another row of the source has, too.
 */
void
deltaetl_check_out_of_scope(const Mapping *mapping, const char *query)
{
	KeyNames	keys = {.mapping = mapping};

	initStringInfo(&keys.text);
	deltaetl_spi_select(query, mapping, collect_key, &keys);
	if (keys.text.len == 0)
		return;
	deltaetl_check_keys(mapping, &mapping->source);
	if (mapping->scope != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("source \"%s\" has keys in scope that target \"%s\" has out of scope",
						mapping->source.name, mapping->target.name),
				 errdetail("Among them are %s.", keys.text.data),
				 errhint("Widen the scope so that it holds for these rows of the target too.")));
}

/*
 * A key to insert that the target has already is in scope in the source but
 * out of scope in the target, so neither new nor ours to change, which cannot
 * be if scope is by the key; or another row of the source has it too, which is
 * unchanged.
 */
void
deltaetl_check_known_keys(const Delta *delta)
{
	if (delta->count[DELTA_INSERT] > 0)
		deltaetl_check_out_of_scope(delta->mapping, deltaetl_out_of_scope_query(delta));
}

static void
note_changes(TupleTableSlot *slot, void *arg)
{
	Delta	   *delta = arg;
	int			next = 0;

	slot_getallattrs(slot);
	for (int i = 0; i < delta->mapping->ncolumns; i++)
	{
		if (!deltaetl_is_guarded(delta->mapping, i))
			continue;
		deltaetl_delta_note_change(delta, i, slot, next, next + 1);
		next += 2;
	}
}

/*
 * Fingerprints that tell keys tell that those of rows to update have not
 * changed, but not whether identity columns have.
 */
static void
find_changes(Delta *delta)
{
	bool		guarded = false;

	for (int i = delta->mapping->nkeys; i < delta->mapping->ncolumns; i++)
		guarded |= deltaetl_is_guarded(delta->mapping, i);
	if (guarded && delta->count[DELTA_UPDATE] > 0)
		deltaetl_spi_select(deltaetl_changes_query(delta), delta->mapping,
							note_changes, delta);
}

/* By fingerprints where they have been read, else by a join. */
void
deltaetl_local_detect(Delta *delta)
{
	bool		tells_keys = deltaetl_fingerprints_tell_keys(delta);
	bool		unproven =
	deltaetl_key_check(delta->mapping, &delta->mapping->source) == KEYS_BY_DIFFERENCE;

	if (delta->fingerprints != NULL)
		deltaetl_fingerprint_detect(delta);
	else
		deltaetl_join_detect(delta, delta->mapping);
	deltaetl_check_trees(delta->mapping);
	deltaetl_delta_register(delta);
	if (tells_keys)
		find_changes(delta);
	if (unproven)
		check_doubtful_keys(delta);
	if (unproven || (delta->mapping->scope != NULL && !delta->mapping->scope_by_key))
		deltaetl_check_known_keys(delta);
}

/* Show the rows of an action, if there are any. */
void
deltaetl_local_show(const Delta *delta, DeltaAction action, RowCallback callback,
					void *arg)
{
	if (delta->count[action] > 0)
		deltaetl_spi_select(deltaetl_diff_query(delta, action), delta->mapping,
							callback, arg);
}

/* ---------- deltaetl_diff ---------- */

PG_FUNCTION_INFO_V1(deltaetl_diff);

static void
collect_result(TupleTableSlot *slot, void *arg)
{
	tuplestore_puttupleslot(((ReturnSetInfo *) arg)->setResult, slot);
}

static void
show_delta(const Delta *delta, ReturnSetInfo *rsinfo)
{
	static const DeltaAction order[] = {DELTA_INSERT, DELTA_UPDATE, DELTA_DELETE};

	for (int i = 0; i < lengthof(order); i++)
		deltaetl_show(delta, order[i], collect_result, rsinfo);
}

/*
 * deltaetl_diff(source regclass, target regclass, key_columns name[],
 *				 columns name[], exclude_columns name[], scope text,
 *				 source_hash_column name)
 *	 returns setof (action text, key jsonb, changed_columns name[],
 *					old_row jsonb, new_row jsonb)
 *
 * What deltaetl_sync() with deletes => 'delete' would do.  Reads only.
 */
Datum
deltaetl_diff(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	char	   *schema = deltaetl_extension_schema(fcinfo);
	MappingRequest request = {0};
	Mapping    *mapping;
	int			nestlevel;
	Delta	   *delta;

	request.source = deltaetl_relation_argument(fcinfo, 0, "source");
	request.target = deltaetl_relation_argument(fcinfo, 1, "target");
	request.key_columns = deltaetl_key_list(fcinfo, 2);
	request.all_columns = PG_ARGISNULL(3);
	request.columns = deltaetl_name_list(fcinfo, 3, "columns");
	request.exclude_columns = deltaetl_name_list(fcinfo, 4, "exclude_columns");
	request.scope = deltaetl_text_argument(fcinfo, 5);
	request.source_hash_column = deltaetl_name_argument(fcinfo, 6);
	request.extension = deltaetl_extension(fcinfo);
	request.privileges = ACL_SELECT;

	InitMaterializedSRF(fcinfo, 0);
	deltaetl_progress_begin(request.source, request.target);
	deltaetl_check_request(&request, schema);
	deltaetl_progress_phase(RUN_LOCK, 0);
	mapping = deltaetl_lock_and_resolve(&request, schema, AccessShareLock);
	deltaetl_notice_untracked(mapping);
	nestlevel = deltaetl_spi_begin();
	deltaetl_progress_phase(RUN_DETECT, 0);
	delta = deltaetl_delta_create(mapping, true);
	deltaetl_census(delta, false);
	deltaetl_detect(delta);
	show_delta(delta, rsinfo);
	deltaetl_delta_free(delta);
	deltaetl_spi_end(nestlevel);
	deltaetl_progress_end();
	PG_RETURN_NULL();
}
