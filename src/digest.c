/*-------------------------------------------------------------------------
 *
 * digest.c
 *	  deltaetl_digest(): one digest of the content of a relation.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "deltaetl.h"

#include "access/htup_details.h"
#include "funcapi.h"
#include "utils/acl.h"

typedef struct Digest
{
	TupleDesc	desc;
	MemoryContext context;		/* of the result */
	HeapTuple	result;
} Digest;

static void
collect_digest(TupleTableSlot *slot, void *arg)
{
	Digest	   *digest = arg;
	MemoryContext oldcontext = MemoryContextSwitchTo(digest->context);

	slot_getallattrs(slot);
	digest->result = heap_form_tuple(digest->desc, slot->tts_values, slot->tts_isnull);
	MemoryContextSwitchTo(oldcontext);
}

PG_FUNCTION_INFO_V1(deltaetl_digest);

/*
 * deltaetl_digest(relation regclass, columns name[], scope text)
 *	 returns (rows bigint, digest bytea)
 *
 * The columns go into the hash of a row by name in byte order, those of a key
 * too, so that relations need not have the same key, or any, to have the same
 * digest.  Generated columns are left out unless they are named.
 */
Datum
deltaetl_digest(PG_FUNCTION_ARGS)
{
	MappingRequest request = {0};
	char	   *schema = deltaetl_extension_schema(fcinfo);
	Digest		digest = {.context = CurrentMemoryContext};
	Mapping    *mapping;
	int			nestlevel;
	bool		here;

	request.extension = deltaetl_extension(fcinfo);
	request.target = deltaetl_relation_argument(fcinfo, 0, "relation");
	request.keyless = true;
	request.all_columns = PG_ARGISNULL(1);
	request.columns = deltaetl_name_list(fcinfo, 1, "columns");
	request.scope = deltaetl_text_argument(fcinfo, 2);
	request.privileges = ACL_SELECT;
	(void) get_call_result_type(fcinfo, NULL, &digest.desc);

	deltaetl_check_request(&request, schema);
	mapping = deltaetl_lock_and_resolve(&request, schema, AccessShareLock);
	here = mapping->target.is_foreign &&
		!deltaetl_has_declared_types(mapping, &mapping->target);
	nestlevel = deltaetl_spi_begin();
	deltaetl_spi_select(deltaetl_digest_query(mapping, here), mapping, collect_digest, &digest);
	deltaetl_spi_end(nestlevel);
	PG_RETURN_DATUM(HeapTupleGetDatum(digest.result));
}
