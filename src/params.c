/*-------------------------------------------------------------------------
 *
 * params.c
 *	  Parameters of queries, added one after the other.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "deltaetl.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

/* A list with room for so many, without any. */
ParamListInfo
deltaetl_params_create(int count)
{
	ParamListInfo params = makeParamList(count);

	params->numParams = 0;
	return params;
}

void
deltaetl_params_add(ParamListInfo params, Oid type, Datum value, bool isnull)
{
	ParamExternData *param = &params->params[params->numParams++];

	param->value = value;
	param->isnull = isnull;
	param->pflags = PARAM_FLAG_CONST;
	param->ptype = type;
}

/* A text, or NULL. */
void
deltaetl_params_add_text(ParamListInfo params, const char *value)
{
	deltaetl_params_add(params, TEXTOID,
						value ? CStringGetTextDatum(value) : (Datum) 0, value == NULL);
}

/* A name, or NULL. */
void
deltaetl_params_add_name(ParamListInfo params, const char *value)
{
	deltaetl_params_add(params, NAMEOID,
						value ? DirectFunctionCall1(namein, CStringGetDatum(value)) : (Datum) 0,
						value == NULL);
}

void
deltaetl_params_add_bigint(ParamListInfo params, int64 value)
{
	deltaetl_params_add(params, INT8OID, Int64GetDatum(value), false);
}
