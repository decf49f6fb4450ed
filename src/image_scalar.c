/*-------------------------------------------------------------------------
 *
 * image_scalar.c
 *	  How values that have no parts are shown in the image of a row.
 *
 *		boolean					boolean
 *		integers, floats,		number; a string if it is not finite
 *		numeric
 *		date, timestamp(tz)		string as in ISO 8601, in UTC
 *		jsonb					itself
 *		json, types with a		what jsonb makes of the json; a string if
 *		cast to json			that is none of jsonb, such as "\u0000"
 *		other					string of its output
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "image_value.h"

#include <math.h>

#include "access/detoast.h"
#include "access/transam.h"
#include "catalog/pg_type.h"
#include "common/shortest_dec.h"
#include "image_json.h"
#include "miscadmin.h"
#include "parser/parse_coerce.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "compat.h"

/* Longest text of a float. */
#define FLOAT_TEXT_SIZE DOUBLE_SHORTEST_DECIMAL_LEN

/* The text that the type's input function makes the same value of. */
char *
deltaetl_value_text(ValueImager *imager, Datum value)
{
	return OutputFunctionCall(&imager->output, value);
}

static void
report_too_large(const char *column, Size size)
{
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("value of column \"%s\" is too large to be logged", column),
			 errdetail("As text it has %zu bytes, and a string in jsonb may have up to %d.",
					   size, JENTRY_OFFLENMASK),
			 errhint("Log only the keys, with log_changes => 'keys'.")));
}

/* Show a string, which is not copied.  Raises an error if jsonb cannot hold it. */
void
deltaetl_show_string(const ValueImager *imager, const char *string, Size len,
					 JsonbValue *shown)
{
	if (unlikely(len > JENTRY_OFFLENMASK))
		report_too_large(imager->column, len);
	shown->type = jbvString;
	shown->val.string.len = (int) len;
	shown->val.string.val = unconstify(char *, string);
}

static void
show_cstring(const ValueImager *imager, const char *string, JsonbValue *shown)
{
	deltaetl_show_string(imager, string, strlen(string), shown);
}

/* ---------- numbers ---------- */

static bool
show_bool(ValueImager *imager, Datum value, JsonbValue *shown)
{
	shown->type = jbvBool;
	shown->val.boolean = DatumGetBool(value);
	return true;
}

static bool
show_integer(int64 number, JsonbValue *shown)
{
	shown->type = jbvNumeric;
	shown->val.numeric = int64_to_numeric(number);
	return true;
}

static bool
show_int16(ValueImager *imager, Datum value, JsonbValue *shown)
{
	return show_integer(DatumGetInt16(value), shown);
}

static bool
show_int32(ValueImager *imager, Datum value, JsonbValue *shown)
{
	return show_integer(DatumGetInt32(value), shown);
}

static bool
show_int64(ValueImager *imager, Datum value, JsonbValue *shown)
{
	return show_integer(DatumGetInt64(value), shown);
}

/* The shortest text of a float gives back the same, but numbers have no -0. */
static bool
show_float(ValueImager *imager, float8 number, char *text, JsonbValue *shown)
{
	if (isnan(number) || isinf(number))
	{
		show_cstring(imager, text, shown);
		return true;
	}
	shown->type = jbvNumeric;
	shown->val.numeric =
		DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(text),
											ObjectIdGetDatum(InvalidOid),
											Int32GetDatum(-1)));
	return number != 0 || !signbit(number);
}

static bool
show_float4(ValueImager *imager, Datum value, JsonbValue *shown)
{
	float4		number = DatumGetFloat4(value);
	char	   *text = palloc(FLOAT_TEXT_SIZE);

	(void) float_to_shortest_decimal_buf(number, text);
	return show_float(imager, number, text, shown);
}

static bool
show_float8(ValueImager *imager, Datum value, JsonbValue *shown)
{
	float8		number = DatumGetFloat8(value);
	char	   *text = palloc(FLOAT_TEXT_SIZE);

	(void) double_to_shortest_decimal_buf(number, text);
	return show_float(imager, number, text, shown);
}

static bool
show_numeric(ValueImager *imager, Datum value, JsonbValue *shown)
{
	Numeric		number = DatumGetNumeric(value);

	if (numeric_is_nan(number) || numeric_is_inf(number))
	{
		show_cstring(imager, deltaetl_value_text(imager, value), shown);
		return true;
	}
	shown->type = jbvNumeric;
	shown->val.numeric = number;
	return true;
}

/* ---------- strings ---------- */

static bool
show_text(ValueImager *imager, Datum value, JsonbValue *shown)
{
	struct varlena *string = PG_DETOAST_DATUM_PACKED(value);

	deltaetl_show_string(imager, VARDATA_ANY(string), VARSIZE_ANY_EXHDR(string), shown);
	return true;
}

static bool
show_name(ValueImager *imager, Datum value, JsonbValue *shown)
{
	show_cstring(imager, NameStr(*DatumGetName(value)), shown);
	return true;
}

static bool
show_bytea(ValueImager *imager, Datum value, JsonbValue *shown)
{
	Size		len = toast_raw_datum_size(value) - VARHDRSZ;
	Size		size = 2 * len + 2;
	struct varlena *bytes;
	char	   *text;

	if (unlikely(size > JENTRY_OFFLENMASK))
		report_too_large(imager->column, size);
	bytes = PG_DETOAST_DATUM_PACKED(value);
	text = palloc(size);

	memcpy(text, "\\x", 2);
	(void) hex_encode(VARDATA_ANY(bytes), len, text +2);
	deltaetl_show_string(imager, text, size, shown);
	return true;
}

static bool
show_time(ValueImager *imager, Datum value, JsonbValue *shown)
{
	static const int utc = 0;

	show_cstring(imager, JsonEncodeDateTime(NULL, value, imager->type, &utc), shown);
	return true;
}

static bool
show_interval(ValueImager *imager, Datum value, JsonbValue *shown)
{
	Interval   *interval = DatumGetIntervalP(value);
	struct pg_itm parts;
	char	   *text;

	if (interval_is_infinite(interval))
		text = OutputFunctionCall(&imager->output, value);

	else
	{
		text = palloc(MAXDATELEN + 1);

		interval2itm(*interval, &parts);
		EncodeInterval(&parts, INTSTYLE_POSTGRES, text);
	}
	show_cstring(imager, text, shown);
	return true;
}

static bool
show_output(ValueImager *imager, Datum value, JsonbValue *shown)
{
	show_cstring(imager, deltaetl_value_text(imager, value), shown);
	return true;
}

/* Its output lacks the encoding that the value may declare. */
static bool
show_xml(ValueImager *imager, Datum value, JsonbValue *shown)
{
	char	   *output = OutputFunctionCall(&imager->function, value);

	show_cstring(imager, output, shown);
	return strcmp(output, deltaetl_value_text(imager, value)) == 0;
}

/* ---------- json ---------- */

/* Make of a jsonb what can be part of another; its root may be a scalar. */
static void
show_container(Jsonb *jsonb, JsonbValue *shown)
{
	JsonbBuilder builder = {0};
	JsonbValue	binary = {.type = jbvBinary};

	binary.val.binary.data = &jsonb->root;
	binary.val.binary.len = VARSIZE(jsonb) - VARHDRSZ;
	push_jsonb(&builder, WJB_BEGIN_ARRAY, NULL);
	push_jsonb(&builder, WJB_ELEM, &binary);
	push_jsonb(&builder, WJB_END_ARRAY, NULL);
	*shown = builder.result->val.array.elems[0];
}

/* The JSON null is shown as NULL is, and a string as another type's output. */
static bool
show_jsonb(ValueImager *imager, Datum value, JsonbValue *shown)
{
	show_container(DatumGetJsonbP(value), shown);
	return shown->type != jbvNull && shown->type != jbvString;
}

/* Spaces, the order of keys and keys that occur twice are lost. */
static bool
show_json(ValueImager *imager, Datum value, JsonbValue *shown)
{
	char	   *json = TextDatumGetCString(value);

	if (deltaetl_json_fits_jsonb(json))
		show_container(DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(json))),
					   shown);
	else
		show_cstring(imager, json, shown);
	return false;
}

static bool
show_cast(ValueImager *imager, Datum value, JsonbValue *shown)
{
	return show_json(imager, FunctionCall1(&imager->function, value), shown);
}

/* ---------- choice ---------- */

typedef struct TypeShow
{
	Oid			type;
	ShowFunction show;
} TypeShow;

static const TypeShow type_shows[] = {
	{BOOLOID, show_bool},
	{INT2OID, show_int16},
	{INT4OID, show_int32},
	{INT8OID, show_int64},
	{FLOAT4OID, show_float4},
	{FLOAT8OID, show_float8},
	{NUMERICOID, show_numeric},
	{DATEOID, show_time},
	{TIMESTAMPOID, show_time},
	{TIMESTAMPTZOID, show_time},
	{INTERVALOID, show_interval},
	{JSONOID, show_json},
	{JSONBOID, show_jsonb},
	{XMLOID, show_xml},
};

/* Of other types, by their output functions. */
typedef struct OutputShow
{
	PGFunction	output;
	ShowFunction show;
} OutputShow;

static const OutputShow output_shows[] = {
	{textout, show_text},
	{varcharout, show_text},
	{bpcharout, show_text},
	{nameout, show_name},
	{byteaout, show_bytea},
};

/* Output functions that depend on no setting, nor do their input functions. */
static const PGFunction plain_outputs[] = {
	textout, varcharout, bpcharout, nameout, charout, boolout, int2out, int4out,
	int8out, oidout, xidout, xid8out, cidout, tidout, numeric_out, uuid_out,
	inet_out, cidr_out, macaddr_out, macaddr8_out, bit_out, varbit_out, json_out,
	jsonb_out, jsonpath_out, tsvectorout, tsqueryout, pg_lsn_out,
	pg_snapshot_out, enum_out, time_out, timetz_out, int2vectorout, oidvectorout
};

bool
deltaetl_output_is_plain(PGFunction output)
{
	for (int i = 0; i < lengthof(plain_outputs); i++)
		if (plain_outputs[i] == output)
			return true;
	return false;
}

/* Whether the text of a type has names that search_path decides about. */
static bool
has_names(Oid type)
{
	switch (type)
	{
		case REGPROCOID:
		case REGPROCEDUREOID:
		case REGOPEROID:
		case REGOPERATOROID:
		case REGCLASSOID:
		case REGCOLLATIONOID:
		case REGTYPEOID:
		case REGCONFIGOID:
		case REGDICTIONARYOID:
		case REGROLEOID:
		case REGNAMESPACEOID:
		case REGDATABASE_TYPE:
			return true;
		default:
			return false;
	}
}

/* As to_jsonb() does, only for types of users. */
static bool
find_cast_to_json(Oid type, Oid *function)
{
	return type >= FirstNormalObjectId &&
		find_coercion_pathway(JSONOID, type, COERCION_EXPLICIT,
							  function) == COERCION_PATH_FUNC;
}

static void
find_show(ValueImager *imager)
{
	imager->show = show_output;
	for (int i = 0; i < lengthof(output_shows); i++)
		if (output_shows[i].output == imager->output.fn_addr)
			imager->show = output_shows[i].show;
	for (int i = 0; i < lengthof(type_shows); i++)
		if (type_shows[i].type == imager->type)
			imager->show = type_shows[i].show;
}

/* Complete the imager of a type without parts, which has its output function. */
void
deltaetl_scalar_imager_init(ValueImager *imager)
{
	bool		is_plain = deltaetl_output_is_plain(imager->output.fn_addr);
	Oid			cast;

	imager->needs_names = has_names(imager->type);
	if (find_cast_to_json(imager->type, &cast))
	{
		fmgr_info(cast, &imager->function);
		imager->show = show_cast;
	}
	else
		find_show(imager);

	imager->needs_settings = !is_plain &&
		(imager->show == show_output || imager->show == show_cast);
	imager->reads_settings = imager->needs_settings ||
		imager->show == show_interval || imager->show == show_xml;
	if (imager->show == show_xml)
	{
		imager->function = imager->output;
		fmgr_info(F_TEXTOUT, &imager->output);
	}
}
