/*-------------------------------------------------------------------------
 *
 * hashes.c
 *	  deltaetl_hashes(): key and row hash of every row of a relation.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "deltaetl.h"

#include "funcapi.h"
#include "utils/acl.h"

#include "compat.h"

static void
collect_result(TupleTableSlot *slot, void *arg)
{
	tuplestore_puttupleslot(((ReturnSetInfo *) arg)->setResult, slot);
}

PG_FUNCTION_INFO_V1(deltaetl_hashes);

/*
 * deltaetl_hashes(relation regclass, key_columns name[], columns name[])
 *	 returns setof (key jsonb, row_hash bytea)
 *
 * The row hash is of the key columns and then the others by name in byte
 * order, without generated columns unless they are named.
 */
Datum
deltaetl_hashes(PG_FUNCTION_ARGS)
{
	MappingRequest request = {0};
	Mapping    *mapping;
	int			nestlevel;

	request.extension = deltaetl_extension(fcinfo);
	request.target = deltaetl_relation_argument(fcinfo, 0, "relation");
	request.key_columns = deltaetl_key_list(fcinfo, 1);
	request.all_columns = PG_ARGISNULL(2);
	request.columns = deltaetl_name_list(fcinfo, 2, "columns");
	request.privileges = ACL_SELECT;

	InitMaterializedSRF(fcinfo, 0);
	mapping = deltaetl_resolve(&request, deltaetl_extension_schema(fcinfo));
	nestlevel = deltaetl_spi_begin();
	deltaetl_spi_select(deltaetl_hashes_query(mapping), mapping,
						collect_result, fcinfo->resultinfo);
	deltaetl_spi_end(nestlevel);
	PG_RETURN_NULL();
}
