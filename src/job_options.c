/*-------------------------------------------------------------------------
 *
 * job_options.c
 *	  The options of a job: those of a sync, and how it is run.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "job.h"

#include <math.h>

#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

#define MAX_RETRIES 100

/* Those that are not arguments of deltaetl_sync(). */
static const char *const job_options[] = {"retries", "lock_timeout", NULL};

/* The value of an option; NULL if it is not given. */
static JsonbValue *
find_value(Jsonb *object, const char *name)
{
	JsonbValue *value = getKeyJsonValueFromContainer(&object->root, name,
													 strlen(name), NULL);

	return value == NULL || value->type == jbvNull ? NULL : value;
}

static double
number_in(const JsonbValue *value)
{
	return value->type != jbvNumeric ? -1 :
		DatumGetFloat8(DirectFunctionCall1(numeric_float8,
										   NumericGetDatum(value->val.numeric)));
}

static int
read_retries(Jsonb *object)
{
	JsonbValue *value = find_value(object, "retries");
	double		number;

	if (value == NULL)
		return 0;
	number = number_in(value);
	if (number < 0 || number > MAX_RETRIES || number != floor(number))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid value for option \"%s\"", "retries"),
				 errdetail("It has to be a whole number from 0 to %d.", MAX_RETRIES)));
	return (int) number;
}

/* As the setting of that name takes it, which knows units of its own. */
static const char *
read_lock_timeout(Jsonb *object)
{
	JsonbValue *value = find_value(object, "lock_timeout");
	char	   *timeout;

	if (value == NULL)
		return NULL;
	if (value->type == jbvString)
		timeout = pnstrdup(value->val.string.val, value->val.string.len);
	else if (value->type == jbvNumeric)
		timeout = numeric_normalize(value->val.numeric);
	else
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid value for option \"%s\"", "lock_timeout"),
				 errdetail("It has to be a number of milliseconds, or a string such as \"10s\".")));
	(void) set_config_option("lock_timeout", timeout, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SET, false, 0, false);
	return timeout;
}

/* What a JSON object asks for, for a source and a target. */
JobOptions
deltaetl_parse_job_options(Jsonb *object, Oid source, Oid target, Oid extension)
{
	JobOptions	options;

	options.sync = deltaetl_parse_options(object, source, target, extension,
										  job_options);
	options.retries = read_retries(object);
	options.lock_timeout = read_lock_timeout(object);
	return options;
}
