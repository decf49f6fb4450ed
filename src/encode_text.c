/*-------------------------------------------------------------------------
 *
 * encode_text.c
 *	  Strings in UTF-8, whatever the encodings of database and client are.
 *
 * jsonb and tsvector keep their parts in an order that follows from the bytes
 * of the strings in them, so in a database that is not in UTF-8 the order has
 * to be found anew.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "encode.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

#include "compat.h"

/* ---------- strings ---------- */

static bool
is_ascii(const char *data, Size len)
{
	const char *end = data + len;
	uint64		chunk;

	for (; end - data >= (ptrdiff_t) sizeof(chunk); data += sizeof(chunk))
	{
		memcpy(&chunk, data, sizeof(chunk));
		if (chunk & UINT64CONST(0x8080808080808080))
			return false;
	}
	for (; data < end; data++)
		if (IS_HIGHBIT_SET(*data))
			return false;
	return true;
}

/*
 * The encoding that strings are brought to.  The bytes of an SQL_ASCII
 * database are in no known encoding and stay as they are.
 */
static int
wire_encoding(void)
{
	return GetDatabaseEncoding() == PG_SQL_ASCII ? PG_SQL_ASCII : PG_UTF8;
}

/*
 * Strings in UTF-8: the string itself where no conversion is needed, else a
 * copy in the current memory context, with its length.
 */
const char *
deltaetl_to_utf8(const char *data, Size *len)
{
	const char *converted;

	if (likely(GetDatabaseEncoding() == wire_encoding()) || is_ascii(data, *len))
		return data;
	converted = pg_server_to_any(data, *len, wire_encoding());
	if (converted != data)
		*len = strlen(converted);
	return converted;
}

/* A length and a string in UTF-8. */
void
deltaetl_put_text(EncodeBuffer *buf, const char *data, Size len)
{
	const char *converted = deltaetl_to_utf8(data, &len);

	put_counted(buf, converted, len);
}

/* ---------- send functions ---------- */

/*
 * Run a send function with strings in UTF-8.  Send functions convert strings
 * to client_encoding, in a parallel worker to the database's own encoding, so
 * that is changed around the call; it is no transactional state, hence PG_TRY.
 */
bytea *
deltaetl_send_as_utf8(FmgrInfo *function, Datum value)
{
	int			saved = pg_get_client_encoding();
	bytea	   *result;

	if (saved == wire_encoding())
		return SendFunctionCall(function, value);

	if (PrepareClientEncoding(wire_encoding()) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("there is no conversion from database encoding %s to UTF-8",
						GetDatabaseEncodingName())));
	PG_TRY();
	{
		SetClientEncoding(wire_encoding());
		result = SendFunctionCall(function, value);
	}
	PG_FINALLY();
	{
		SetClientEncoding(saved);
	}
	PG_END_TRY();
	return result;
}

/* ---------- parts in the order of their strings ---------- */

/* A part: where its string and all of it lie. */
typedef struct StringPart
{
	const char *name;
	Size		name_len;
	const char *data;
	Size		data_len;
} StringPart;

static bool
strings_keep_their_order(void)
{
	return GetDatabaseEncoding() == wire_encoding();
}

/* ---------- tsvector ---------- */

/* Lexemes are in the order of their bytes. */
static int
compare_lexemes(const void *a, const void *b)
{
	const StringPart *x = a;
	const StringPart *y = b;

	return strcmp(x->name, y->name);
}

/* Split the sent form: each lexeme ends with a zero byte, then its positions. */
static StringPart *
split_lexemes(const char *data, int count)
{
	StringPart *parts = palloc(Max(count, 1) * sizeof(StringPart));

	for (int i = 0; i < count; i++)
	{
		uint16		positions;

		parts[i].name = parts[i].data = data;
		parts[i].name_len = strlen(data);
		memcpy(&positions, data + parts[i].name_len + 1, sizeof(positions));
		parts[i].data_len = parts[i].name_len + 1 +
			(1 + pg_ntoh16(positions)) * sizeof(uint16);
		data += parts[i].data_len;
	}
	return parts;
}

void
deltaetl_encode_tsvector(FieldEncoder *encoder, Datum value, EncodeBuffer *buf)
{
	bytea	   *sent = deltaetl_send_as_utf8(&encoder->function, value);
	StringPart *parts;
	uint32		count;
	Size		start;

	if (strings_keep_their_order())
	{
		put_counted(buf, VARDATA(sent), VARSIZE(sent) - VARHDRSZ);
		return;
	}
	memcpy(&count, VARDATA(sent), sizeof(count));
	count = pg_ntoh32(count);
	parts = split_lexemes(VARDATA(sent) + sizeof(count), count);
	qsort(parts, count, sizeof(StringPart), compare_lexemes);

	start = begin_counted(buf);
	put_int32(buf, count);
	for (uint32 i = 0; i < count; i++)
		put_bytes(buf, parts[i].data, parts[i].data_len);
	deltaetl_end_counted(buf, start);
}

/* ---------- jsonb ---------- */

static void write_container(StringInfo out, JsonbContainer *container);

/* Keys are in the order of their length, then of their bytes. */
static int
compare_keys(const void *a, const void *b)
{
	const StringPart *x = a;
	const StringPart *y = b;

	if (x->name_len != y->name_len)
		return x->name_len < y->name_len ? -1 : 1;
	return memcmp(x->name, y->name, x->name_len);
}

static void
write_string(StringInfo out, const char *data, Size len)
{
	StringInfoData escaped;
	char	   *string = pnstrdup(data, len);
	const char *converted;
	Size		size;

	/* there may be millions of strings in a value, so nothing is left behind */
	CHECK_FOR_INTERRUPTS();
	initStringInfo(&escaped);
	escape_json(&escaped, string);
	size = escaped.len;
	converted = deltaetl_to_utf8(escaped.data, &size);
	appendBinaryStringInfo(out, converted, size);
	if (converted != escaped.data)
		pfree(unconstify(char *, converted));
	pfree(escaped.data);
	pfree(string);
}

static void
write_value(StringInfo out, const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvNull:
			appendStringInfoString(out, "null");
			break;
		case jbvString:
			write_string(out, value->val.string.val, value->val.string.len);
			break;
		case jbvNumeric:
			appendStringInfoString(out,
								   DatumGetCString(DirectFunctionCall1(numeric_out,
																	   NumericGetDatum(value->val.numeric))));
			break;
		case jbvBool:
			appendStringInfoString(out, value->val.boolean ? "true" : "false");
			break;
		default:
			write_container(out, value->val.binary.data);
			break;
	}
}

/* Write the members of an object, which the iterator has just entered. */
static void
write_object(StringInfo out, JsonbIterator **it, int count)
{
	StringPart *members = palloc(Max(count, 1) * sizeof(StringPart));
	JsonbValue	value;

	for (int i = 0; i < count; i++)
	{
		StringInfoData member;

		(void) JsonbIteratorNext(it, &value, true);
		members[i].name_len = value.val.string.len;
		members[i].name = deltaetl_to_utf8(value.val.string.val, &members[i].name_len);
		initStringInfo(&member);
		write_string(&member, value.val.string.val, value.val.string.len);
		appendStringInfoString(&member, ": ");
		(void) JsonbIteratorNext(it, &value, true);
		write_value(&member, &value);
		members[i].data = member.data;
		members[i].data_len = member.len;
	}
	qsort(members, count, sizeof(StringPart), compare_keys);
	appendStringInfoChar(out, '{');
	for (int i = 0; i < count; i++)
	{
		appendStringInfoString(out, i > 0 ? ", " : "");
		appendBinaryStringInfo(out, members[i].data, members[i].data_len);
		pfree(unconstify(char *, members[i].data));
	}
	appendStringInfoChar(out, '}');
}

static void
write_array(StringInfo out, JsonbIterator **it, int count, bool is_scalar)
{
	JsonbValue	value;

	appendStringInfoString(out, is_scalar ? "" : "[");
	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		appendStringInfoString(out, i > 0 ? ", " : "");
		(void) JsonbIteratorNext(it, &value, true);
		write_value(out, &value);
	}
	appendStringInfoString(out, is_scalar ? "" : "]");
}

static void
write_container(StringInfo out, JsonbContainer *container)
{
	JsonbIterator *it = JsonbIteratorInit(container);
	JsonbValue	value;

	check_stack_depth();
	if (JsonbIteratorNext(&it, &value, true) == WJB_BEGIN_OBJECT)
		write_object(out, &it, value.val.object.nPairs);
	else
		write_array(out, &it, value.val.array.nElems, value.val.array.rawScalar);
}

/* The text that the output function gives, with keys in the order of UTF-8. */
void
deltaetl_encode_jsonb(FieldEncoder *encoder, Datum value, EncodeBuffer *buf)
{
	Jsonb	   *jb = DatumGetJsonbP(value);
	StringInfoData output;

	initStringInfo(&output);
	JsonbToCString(&output, &jb->root, VARSIZE(jb));
	if (!strings_keep_their_order() && !is_ascii(output.data, output.len))
	{
		resetStringInfo(&output);
		write_container(&output, &jb->root);
	}
	put_counted(buf, output.data, output.len);
}
