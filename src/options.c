/*-------------------------------------------------------------------------
 *
 * options.c
 *	  What a run is to do: the arguments of deltaetl_sync(), and the same as
 *	  JSON, as jobs keep them and the run log shows them.
 *
 * There is one list of them, and one place where their values are checked: a
 * JSON object is turned into the arguments that it stands for.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "run.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

#include "compat.h"

/* Arguments of deltaetl_sync(), by position. */
enum SyncArgument
{
	ARG_SOURCE,
	ARG_TARGET,
	ARG_KEY_COLUMNS,
	ARG_COLUMNS,
	ARG_EXCLUDE_COLUMNS,
	ARG_DELETES,
	ARG_SCOPE,
	ARG_ALLOW_EMPTY_SOURCE,
	ARG_MAX_DELETE_PCT,
	ARG_DRY_RUN,
	ARG_SOURCE_HASH_COLUMN,
	ARG_LOG_CHANGES,
	ARG_IF_RUNNING,
	ARG_MAX_DELETE_ROWS,
	ARG_MAX_UPDATE_PCT,
	ARG_LOCK_MODE
};

#define ARGUMENTS (ARG_LOCK_MODE + 1)
#define FIRST_OPTION ARG_KEY_COLUMNS

typedef enum OptionType
{
	OPTION_TEXT,
	OPTION_NAME,
	OPTION_NAMES,
	OPTION_BOOLEAN,				/* false unless told */
	OPTION_NUMBER,
	OPTION_INTEGER
} OptionType;

typedef struct Option
{
	const char *name;
	OptionType	type;
	const char *standard;		/* value of a text unless told, or NULL */
} Option;

/* By position. */
static const Option options[ARGUMENTS] = {
	[ARG_KEY_COLUMNS] = {"key_columns", OPTION_NAMES, NULL},
	[ARG_COLUMNS] = {"columns", OPTION_NAMES, NULL},
	[ARG_EXCLUDE_COLUMNS] = {"exclude_columns", OPTION_NAMES, NULL},
	[ARG_DELETES] = {"deletes", OPTION_TEXT, "ignore"},
	[ARG_SCOPE] = {"scope", OPTION_TEXT, NULL},
	[ARG_ALLOW_EMPTY_SOURCE] = {"allow_empty_source", OPTION_BOOLEAN, NULL},
	[ARG_MAX_DELETE_PCT] = {"max_delete_pct", OPTION_NUMBER, NULL},
	[ARG_DRY_RUN] = {"dry_run", OPTION_BOOLEAN, NULL},
	[ARG_SOURCE_HASH_COLUMN] = {"source_hash_column", OPTION_NAME, NULL},
	[ARG_LOG_CHANGES] = {"log_changes", OPTION_TEXT, "none"},
	[ARG_IF_RUNNING] = {"if_running", OPTION_TEXT, "wait"},
	[ARG_MAX_DELETE_ROWS] = {"max_delete_rows", OPTION_INTEGER, NULL},
	[ARG_MAX_UPDATE_PCT] = {"max_update_pct", OPTION_NUMBER, NULL},
	[ARG_LOCK_MODE] = {"lock_mode", OPTION_TEXT, "table"}
};

/* ---------- checking values ---------- */

static char *
quote_choices(const char *const *choices, int count)
{
	StringInfo	buf = makeStringInfo();

	for (int i = 0; i < count; i++)
		appendStringInfo(buf, "%s'%s'",
						 i == 0 ? "" : i == count - 1 ? " and " : ", ",
						 choices[i]);
	return buf->data;
}

/* Which of the choices an argument names. */
static int
read_choice(FunctionCallInfo fcinfo, int argno, const char *const *choices, int count)
{
	char	   *value = deltaetl_text_argument(fcinfo, argno);

	for (int i = 0; value != NULL && i < count; i++)
		if (strcmp(value, choices[i]) == 0)
			return i;
	ereport(ERROR,
			(errcode(value ? ERRCODE_INVALID_PARAMETER_VALUE : ERRCODE_NULL_VALUE_NOT_ALLOWED),
			 value ?
			 errmsg("invalid value for %s: \"%s\"", options[argno].name, value) :
			 errmsg("%s must not be null", options[argno].name),
			 errhint("Good values are %s.", quote_choices(choices, count))));
}

static float8
read_percentage(FunctionCallInfo fcinfo, int argno)
{
	float8		value;

	if (PG_ARGISNULL(argno))
		return NO_LIMIT;
	value = PG_GETARG_FLOAT8(argno);
	if (isnan(value) || value < 0 || value > 100)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid value for %s: %g", options[argno].name, value),
				 errhint("Good values are from 0 to 100, in percent of the target rows in scope.")));
	return value + 0.0;			/* -0 is 0 */
}

static int64
read_row_limit(FunctionCallInfo fcinfo, int argno)
{
	int64		value;

	if (PG_ARGISNULL(argno))
		return NO_LIMIT;
	value = PG_GETARG_INT64(argno);
	if (value < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid value for %s: " INT64_FORMAT, options[argno].name, value),
				 errhint("Good values are numbers of rows from 0.")));
	return value;
}

static void
read_request(FunctionCallInfo fcinfo, MappingRequest *request)
{
	request->source = deltaetl_relation_argument(fcinfo, ARG_SOURCE, "source");
	request->target = deltaetl_relation_argument(fcinfo, ARG_TARGET, "target");
	request->key_columns = deltaetl_key_list(fcinfo, ARG_KEY_COLUMNS);
	request->all_columns = PG_ARGISNULL(ARG_COLUMNS);
	request->columns = deltaetl_name_list(fcinfo, ARG_COLUMNS, "columns");
	request->exclude_columns = deltaetl_name_list(fcinfo, ARG_EXCLUDE_COLUMNS,
												  "exclude_columns");
	request->scope = deltaetl_text_argument(fcinfo, ARG_SCOPE);
	request->source_hash_column = deltaetl_name_argument(fcinfo, ARG_SOURCE_HASH_COLUMN);
}

/*
 * The SQL functions stay as they are when only the library is replaced; one of
 * fewer arguments would have us read beyond them.
 */
static void
check_version(FunctionCallInfo fcinfo)
{
	if (PG_NARGS() != ARGUMENTS)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("extension deltaetl is of another version than its library"),
				 errhint("Run ALTER EXTENSION deltaetl UPDATE, or create it again.")));
}

static SyncOptions
read_arguments(FunctionCallInfo fcinfo, Oid extension)
{
	static const char *const deletes[] = {"ignore", "delete"};
	static const char *const levels[] = {"none", "keys", "rows"};
	static const char *const ways[] = {"wait", "skip", "error"};
	static const char *const modes[] = {"table", "row"};
	SyncOptions sync = {0};

	check_version(fcinfo);
	read_request(fcinfo, &sync.request);
	sync.request.extension = extension;
	sync.deletes = read_choice(fcinfo, ARG_DELETES, deletes, lengthof(deletes)) == 1;
	sync.allow_empty_source = deltaetl_bool_argument(fcinfo, ARG_ALLOW_EMPTY_SOURCE,
													 "allow_empty_source");
	sync.max_delete_pct = read_percentage(fcinfo, ARG_MAX_DELETE_PCT);
	sync.max_delete_rows = read_row_limit(fcinfo, ARG_MAX_DELETE_ROWS);
	sync.max_update_pct = read_percentage(fcinfo, ARG_MAX_UPDATE_PCT);
	sync.dry_run = deltaetl_bool_argument(fcinfo, ARG_DRY_RUN, "dry_run");
	sync.log_changes = read_choice(fcinfo, ARG_LOG_CHANGES, levels, lengthof(levels));
	sync.request.whole_rows = sync.log_changes == LOG_ROWS;
	sync.if_running = read_choice(fcinfo, ARG_IF_RUNNING, ways, lengthof(ways));
	sync.lock_rows = read_choice(fcinfo, ARG_LOCK_MODE, modes, lengthof(modes)) == 1;
	sync.request.privileges = ACL_SELECT | ACL_INSERT | ACL_UPDATE |
		(sync.deletes ? ACL_DELETE : 0);
	return sync;
}

/* ---------- to JSON ---------- */

static void
push_text(JsonbBuilder *builder, JsonbIteratorToken token, const char *text)
{
	JsonbValue	value = {.type = jbvString};

	value.val.string.val = unconstify(char *, text);
	value.val.string.len = strlen(text);
	push_jsonb(builder, token, &value);
}

static void
push_numeric(JsonbBuilder *builder, Datum number)
{
	JsonbValue	value = {.type = jbvNumeric};

	value.val.numeric = DatumGetNumeric(number);
	push_jsonb(builder, WJB_VALUE, &value);
}

static void
push_names(JsonbBuilder *builder, FunctionCallInfo fcinfo, int argno)
{
	ListCell   *cell;

	push_jsonb(builder, WJB_BEGIN_ARRAY, NULL);
	foreach(cell, deltaetl_name_list(fcinfo, argno, options[argno].name))
		push_text(builder, WJB_ELEM, lfirst(cell));
	push_jsonb(builder, WJB_END_ARRAY, NULL);
}

static void
push_option(JsonbBuilder *builder, FunctionCallInfo fcinfo, int argno)
{
	JsonbValue	value = {.type = jbvBool};

	push_text(builder, WJB_KEY, options[argno].name);
	switch (options[argno].type)
	{
		case OPTION_TEXT:
			push_text(builder, WJB_VALUE, deltaetl_text_argument(fcinfo, argno));
			break;
		case OPTION_NAME:
			push_text(builder, WJB_VALUE, deltaetl_name_argument(fcinfo, argno));
			break;
		case OPTION_NAMES:
			push_names(builder, fcinfo, argno);
			break;
		case OPTION_BOOLEAN:
			value.val.boolean = PG_GETARG_BOOL(argno);
			push_jsonb(builder, WJB_VALUE, &value);
			break;
		case OPTION_NUMBER:
			push_numeric(builder, DirectFunctionCall1(float8_numeric, PG_GETARG_DATUM(argno)));
			break;
		case OPTION_INTEGER:
			push_numeric(builder, DirectFunctionCall1(int8_numeric, PG_GETARG_DATUM(argno)));
			break;
	}
}

/* Whether an argument has the value that it has unless told. */
static bool
is_standard(FunctionCallInfo fcinfo, int argno)
{
	const Option *option = &options[argno];

	if (PG_ARGISNULL(argno))
		return true;
	if (option->type == OPTION_BOOLEAN)
		return !PG_GETARG_BOOL(argno);
	return option->standard != NULL &&
		strcmp(deltaetl_text_argument(fcinfo, argno), option->standard) == 0;
}

/* The options that are not as they are unless told, as a JSON object. */
static Jsonb *
describe_arguments(FunctionCallInfo fcinfo)
{
	JsonbBuilder builder = {0};

	push_jsonb(&builder, WJB_BEGIN_OBJECT, NULL);
	for (int i = FIRST_OPTION; i < ARGUMENTS; i++)
		if (!is_standard(fcinfo, i))
			push_option(&builder, fcinfo, i);
	push_jsonb(&builder, WJB_END_OBJECT, NULL);
	return JsonbValueToJsonb(builder.result);
}

/* The options that a function with the arguments of deltaetl_sync() was given. */
SyncOptions
deltaetl_read_options(FunctionCallInfo fcinfo)
{
	SyncOptions sync = read_arguments(fcinfo, deltaetl_extension(fcinfo));

	sync.given = describe_arguments(fcinfo);
	return sync;
}

/* ---------- from JSON ---------- */

static void
report_bad_type(const Option *option, const char *wanted)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid value for option \"%s\"", option->name),
			 errdetail("It has to be %s.", wanted)));
}

static char *
string_of(const Option *option, const JsonbValue *value, const char *wanted)
{
	if (value->type != jbvString)
		report_bad_type(option, wanted);
	return pnstrdup(value->val.string.val, value->val.string.len);
}

static Datum
name_of(const Option *option, const JsonbValue *value, const char *wanted)
{
	return DirectFunctionCall1(namein,
							   CStringGetDatum(string_of(option, value, wanted)));
}

static Datum
names_of(const Option *option, const JsonbValue *value)
{
	static const char wanted[] = "an array of strings";
	JsonbIterator *iterator;
	JsonbValue	element;
	Datum	   *names;
	int			count = 0;

	if (value->type != jbvBinary || !JsonContainerIsArray(value->val.binary.data))
		report_bad_type(option, wanted);
	names = palloc((JsonContainerSize(value->val.binary.data) + 1) * sizeof(Datum));
	iterator = JsonbIteratorInit(value->val.binary.data);
	(void) JsonbIteratorNext(&iterator, &element, true);
	while (JsonbIteratorNext(&iterator, &element, true) == WJB_ELEM)
		names[count++] = name_of(option, &element, wanted);
	return PointerGetDatum(construct_array(names, count, NAMEOID, NAMEDATALEN,
										   false, TYPALIGN_CHAR));
}

static Datum
number_of(const Option *option, const JsonbValue *value, const char *wanted,
		  PGFunction convert)
{
	if (value->type != jbvNumeric)
		report_bad_type(option, wanted);
	return DirectFunctionCall1(convert, NumericGetDatum(value->val.numeric));
}

static Datum
whole_number_of(const Option *option, const JsonbValue *value)
{
	static const char wanted[] = "a whole number";

	if (value->type == jbvNumeric &&
		!DatumGetBool(DirectFunctionCall2(numeric_eq, NumericGetDatum(value->val.numeric),
										  DirectFunctionCall2(numeric_trunc,
															  NumericGetDatum(value->val.numeric),
															  Int32GetDatum(0)))))
		report_bad_type(option, wanted);
	return number_of(option, value, wanted, numeric_int8);
}

static Datum
value_of(const Option *option, const JsonbValue *value)
{
	switch (option->type)
	{
		case OPTION_TEXT:
			return CStringGetTextDatum(string_of(option, value, "a string"));
		case OPTION_NAME:
			return name_of(option, value, "a string");
		case OPTION_NAMES:
			return names_of(option, value);
		case OPTION_BOOLEAN:
			if (value->type != jbvBool)
				report_bad_type(option, "true or false");
			return BoolGetDatum(value->val.boolean);
		case OPTION_NUMBER:
			return number_of(option, value, "a number", numeric_float8);
		default:
			return whole_number_of(option, value);
	}
}

static int
find_option(const JsonbValue *key)
{
	for (int i = FIRST_OPTION; i < ARGUMENTS; i++)
		if (strlen(options[i].name) == key->val.string.len &&
			strncmp(options[i].name, key->val.string.val, key->val.string.len) == 0)
			return i;
	return -1;
}

static char *
list_options(void)
{
	StringInfo	buf = makeStringInfo();

	for (int i = FIRST_OPTION; i < ARGUMENTS; i++)
		appendStringInfo(buf, "%s, ", options[i].name);
	return buf->data;
}

static bool
is_one_of(const JsonbValue *key, const char *const *names)
{
	for (; *names != NULL; names++)
		if (strlen(*names) == key->val.string.len &&
			strncmp(*names, key->val.string.val, key->val.string.len) == 0)
			return true;
	return false;
}

static void
take_option(FunctionCallInfo fcinfo, const JsonbValue *key,
			const JsonbValue *value, const char *const *others)
{
	int			argno = find_option(key);

	if (argno < 0 && is_one_of(key, others))
		return;
	if (argno < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unrecognized option \"%.*s\"",
						key->val.string.len, key->val.string.val),
				 errhint("Options are %sretries and lock_timeout.", list_options())));
	fcinfo->args[argno].isnull = value->type == jbvNull;
	if (!fcinfo->args[argno].isnull)
		fcinfo->args[argno].value = value_of(&options[argno], value);
}

static void
take_object(FunctionCallInfo fcinfo, Jsonb *object, const char *const *others)
{
	JsonbIterator *iterator = JsonbIteratorInit(&object->root);
	JsonbValue	key;
	JsonbValue	value;

	(void) JsonbIteratorNext(&iterator, &key, true);
	while (JsonbIteratorNext(&iterator, &key, true) == WJB_KEY)
	{
		(void) JsonbIteratorNext(&iterator, &value, true);
		take_option(fcinfo, &key, &value, others);
	}
}

static void
set_standards(FunctionCallInfo fcinfo)
{
	for (int i = FIRST_OPTION; i < ARGUMENTS; i++)
	{
		fcinfo->args[i].isnull = options[i].type != OPTION_BOOLEAN &&
			options[i].standard == NULL;
		fcinfo->args[i].value = options[i].standard != NULL ?
			CStringGetTextDatum(options[i].standard) : BoolGetDatum(false);
	}
}

/*
 * The options that a JSON object names, for a source and a target.  Of its
 * other members only those whose names are listed, up to a NULL, are allowed.
 */
SyncOptions
deltaetl_parse_options(Jsonb *object, Oid source, Oid target, Oid extension,
					   const char *const *others)
{
	LOCAL_FCINFO(fcinfo, ARGUMENTS);
	SyncOptions sync;

	if (!JB_ROOT_IS_OBJECT(object))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("options must be a JSON object"),
				 errhint("For example '{\"deletes\": \"delete\", \"max_delete_pct\": 5}'.")));
	InitFunctionCallInfoData(*fcinfo, NULL, ARGUMENTS, InvalidOid, NULL, NULL);
	fcinfo->args[ARG_SOURCE] = (NullableDatum)
	{
		ObjectIdGetDatum(source), false
	};
	fcinfo->args[ARG_TARGET] = (NullableDatum)
	{
		ObjectIdGetDatum(target), false
	};
	set_standards(fcinfo);
	take_object(fcinfo, object, others);
	sync = read_arguments(fcinfo, extension);
	sync.given = object;
	return sync;
}
