/*-------------------------------------------------------------------------
 *
 * encode_scalar.c
 *	  The canonical bytes of values that have no parts.
 *
 * The encoder of a type follows from its send function, which is what says
 * how its values are stored: citext sends with textsend, so it is text.
 *
 *		fixed width			big-endian, as the send function has it; NaN in
 *							one form
 *		text-like			UTF-8 of the stored value
 *		numeric, bytea, ... the bytes of the send function, without its cost
 *		enum				UTF-8 of the label
 *		jsonb				UTF-8 of its text
 *		reg*				qualified name, since OIDs do not outlive a dump
 *		other				send function; output function where it has none
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "encode.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_enum.h"
#include "catalog/pg_type.h"
#include "settings.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "compat.h"

#define CANONICAL_NAN4 ((uint32) 0x7FC00000)
#define CANONICAL_NAN8 UINT64CONST(0x7FF8000000000000)

/* ---------- fixed width ---------- */

static void
encode_int8bit(FieldEncoder *encoder, Datum value, EncodeBuffer *buf)
{
	char		byte = DatumGetChar(value);

	put_counted(buf, &byte, 1);
}

static void
encode_int16(FieldEncoder *encoder, Datum value, EncodeBuffer *buf)
{
	uint16		n = pg_hton16(DatumGetUInt16(value));

	put_counted(buf, (char *) &n, sizeof(n));
}

static void
encode_int32(FieldEncoder *encoder, Datum value, EncodeBuffer *buf)
{
	uint32		n = pg_hton32(DatumGetUInt32(value));

	put_counted(buf, (char *) &n, sizeof(n));
}

static void
encode_int64(FieldEncoder *encoder, Datum value, EncodeBuffer *buf)
{
	uint64		n = pg_hton64(DatumGetUInt64(value));

	put_counted(buf, (char *) &n, sizeof(n));
}

/*
 * A NaN may have any of many bit patterns, but prints, compares and is
 * restored from a dump as one value.
 */
static void
encode_float4(FieldEncoder *encoder, Datum value, EncodeBuffer *buf)
{
	float4		number = DatumGetFloat4(value);
	uint32		n;

	memcpy(&n, &number, sizeof(n));
	n = pg_hton32(isnan(number) ? CANONICAL_NAN4 : n);
	put_counted(buf, (char *) &n, sizeof(n));
}

static void
encode_float8(FieldEncoder *encoder, Datum value, EncodeBuffer *buf)
{
	float8		number = DatumGetFloat8(value);
	uint64		n;

	memcpy(&n, &number, sizeof(n));
	n = pg_hton64(isnan(number) ? CANONICAL_NAN8 : n);
	put_counted(buf, (char *) &n, sizeof(n));
}

static void
encode_timetz(FieldEncoder *encoder, Datum value, EncodeBuffer *buf)
{
	TimeTzADT  *time = DatumGetTimeTzADTP(value);
	uint64		micros = pg_hton64((uint64) time->time);
	char		bytes[sizeof(uint64) + sizeof(uint32)];
	uint32		zone = pg_hton32((uint32) time->zone);

	memcpy(bytes, &micros, sizeof(micros));
	memcpy(bytes + sizeof(micros), &zone, sizeof(zone));
	put_counted(buf, bytes, sizeof(bytes));
}

static void
encode_interval(FieldEncoder *encoder, Datum value, EncodeBuffer *buf)
{
	Interval   *interval = DatumGetIntervalP(value);
	uint64		micros = pg_hton64((uint64) interval->time);
	uint32		parts[2] = {pg_hton32((uint32) interval->day),
	pg_hton32((uint32) interval->month)};
	char		bytes[sizeof(micros) + sizeof(parts)];

	memcpy(bytes, &micros, sizeof(micros));
	memcpy(bytes + sizeof(micros), parts, sizeof(parts));
	put_counted(buf, bytes, sizeof(bytes));
}

static void
encode_uuid(FieldEncoder *encoder, Datum value, EncodeBuffer *buf)
{
	put_counted(buf, (char *) DatumGetUUIDP(value)->data, UUID_LEN);
}

/* ---------- text-like ---------- */

static void
encode_text(FieldEncoder *encoder, Datum value, EncodeBuffer *buf)
{
	struct varlena *string = PG_DETOAST_DATUM_PACKED(value);

	deltaetl_put_text(buf, VARDATA_ANY(string), VARSIZE_ANY_EXHDR(string));
}

static void
encode_name(FieldEncoder *encoder, Datum value, EncodeBuffer *buf)
{
	const char *name = NameStr(*DatumGetName(value));

	deltaetl_put_text(buf, name, strnlen(name, NAMEDATALEN));
}

static void
encode_cstring(FieldEncoder *encoder, Datum value, EncodeBuffer *buf)
{
	const char *string = DatumGetCString(value);

	deltaetl_put_text(buf, string, strlen(string));
}

static void
encode_bytea(FieldEncoder *encoder, Datum value, EncodeBuffer *buf)
{
	struct varlena *bytes = PG_DETOAST_DATUM_PACKED(value);

	put_counted(buf, VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
}

static void
encode_enum(FieldEncoder *encoder, Datum value, EncodeBuffer *buf)
{
	Oid			label = DatumGetObjectId(value);
	HeapTuple	tuple = SearchSysCache1(ENUMOID, ObjectIdGetDatum(label));
	const char *name;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("invalid internal value for enum: %u", label)));
	name = NameStr(((Form_pg_enum) GETSTRUCT(tuple))->enumlabel);
	deltaetl_put_text(buf, name, strlen(name));
	ReleaseSysCache(tuple);
}

/* ---------- numeric ---------- */

/*
 * The header of a stored numeric, which numeric.c keeps to itself but which
 * is the same on disk in all supported versions.  Two high bits tell the
 * format: 11 special (NaN, infinities), 10 short, else long with the weight
 * in a second word.
 */
#define NUMERIC_FORMAT_MASK			0xC000
#define NUMERIC_FORMAT_SHORT		0x8000
#define NUMERIC_FORMAT_SPECIAL		0xC000
#define NUMERIC_SPECIAL_SIGN_MASK	0xF000
#define NUMERIC_LONG_DSCALE_MASK	0x3FFF
#define NUMERIC_SHORT_NEGATIVE		0x2000
#define NUMERIC_SHORT_DSCALE_MASK	0x1F80
#define NUMERIC_SHORT_DSCALE_SHIFT	7
#define NUMERIC_SHORT_WEIGHT_SIGN	0x0040
#define NUMERIC_SHORT_WEIGHT_MASK	0x003F
#define NUMERIC_SIGN_NEGATIVE		0x4000

typedef struct NumericHeader
{
	uint16		weight;
	uint16		sign;
	uint16		dscale;
	uint16		size;			/* of the header, in bytes */
} NumericHeader;

static NumericHeader
read_numeric_header(const char *data)
{
	NumericHeader header;
	uint16		word;

	memcpy(&word, data, sizeof(word));
	if (word & NUMERIC_FORMAT_SHORT)
	{
		header.size = sizeof(word);
		header.weight = word & NUMERIC_SHORT_WEIGHT_MASK;
		if (word & NUMERIC_SHORT_WEIGHT_SIGN)
			header.weight |= (uint16) ~NUMERIC_SHORT_WEIGHT_MASK;
		header.dscale = (word & NUMERIC_SHORT_DSCALE_MASK) >> NUMERIC_SHORT_DSCALE_SHIFT;
		header.sign = (word & NUMERIC_SHORT_NEGATIVE) ? NUMERIC_SIGN_NEGATIVE : 0;
		if ((word & NUMERIC_FORMAT_MASK) == NUMERIC_FORMAT_SPECIAL)
			header.sign = word & NUMERIC_SPECIAL_SIGN_MASK;
	}
	else
	{
		header.size = 2 * sizeof(word);
		memcpy(&header.weight, data + sizeof(word), sizeof(word));
		header.dscale = word & NUMERIC_LONG_DSCALE_MASK;
		header.sign = word & NUMERIC_FORMAT_MASK;
	}
	return header;
}

static inline char *
write_int16(char *p, uint16 value)
{
	value = pg_hton16(value);
	memcpy(p, &value, sizeof(value));
	return p + sizeof(value);
}

/* int16 number of digits, weight, sign and dscale, then int16 digits. */
static void
encode_numeric(FieldEncoder *encoder, Datum value, EncodeBuffer *buf)
{
	struct varlena *number = PG_DETOAST_DATUM_PACKED(value);
	const char *data = VARDATA_ANY(number);
	NumericHeader header = read_numeric_header(data);
	int			ndigits = (VARSIZE_ANY_EXHDR(number) - header.size) / sizeof(uint16);
	uint32		len = (4 + ndigits) * sizeof(uint16);
	char	   *p;

	put_int32(buf, len);
	p = buffer_reserve(buf, len);
	p = write_int16(p, ndigits);
	p = write_int16(p, header.weight);
	p = write_int16(p, header.sign);
	p = write_int16(p, header.dscale);
	for (int i = 0; i < ndigits; i++)
	{
		uint16		digit;

		memcpy(&digit, data + header.size + i * sizeof(digit), sizeof(digit));
		p = write_int16(p, digit);
	}
	buf->len += len;
}

/* ---------- by function ---------- */

static void
encode_sent(FieldEncoder *encoder, Datum value, EncodeBuffer *buf)
{
	bytea	   *sent = deltaetl_send_as_utf8(&encoder->function, value);

	put_counted(buf, VARDATA_ANY(sent), VARSIZE_ANY_EXHDR(sent));
}

/*
 * Geometric types send floats, some of them after a header of fewer bytes
 * than a float has.  A NaN is brought to its one form here too.
 */
static void
encode_floats(FieldEncoder *encoder, Datum value, EncodeBuffer *buf)
{
	bytea	   *sent = SendFunctionCall(&encoder->function, value);
	char	   *data = VARDATA(sent);
	Size		len = VARSIZE(sent) - VARHDRSZ;
	uint64		canonical = pg_hton64(CANONICAL_NAN8);

	for (Size at = len % sizeof(uint64); at < len; at += sizeof(uint64))
	{
		uint64		bits;
		float8		number;

		memcpy(&bits, data + at, sizeof(bits));
		bits = pg_ntoh64(bits);
		memcpy(&number, &bits, sizeof(number));
		if (isnan(number))
			memcpy(data + at, &canonical, sizeof(canonical));
	}
	put_counted(buf, data, len);
}

/* The text of a value, whatever the session's settings are. */
static void
encode_output(FieldEncoder *encoder, Datum value, EncodeBuffer *buf)
{
	int			nestlevel = deltaetl_pin_settings(true);
	char	   *output = OutputFunctionCall(&encoder->function, value);

	deltaetl_unpin_settings(nestlevel);
	deltaetl_put_text(buf, output, strlen(output));
}

/* ---------- choice ---------- */

typedef struct ScalarCodec
{
	PGFunction	send;
	EncodeFunction encode;
} ScalarCodec;

static const ScalarCodec scalar_codecs[] = {
	{boolsend, encode_int8bit},
	{charsend, encode_int8bit},
	{int2send, encode_int16},
	{int4send, encode_int32},
	{date_send, encode_int32},
	{oidsend, encode_int32},
	{xidsend, encode_int32},
	{cidsend, encode_int32},
	{int8send, encode_int64},
	{time_send, encode_int64},
	{timestamp_send, encode_int64},
	{timestamptz_send, encode_int64},
	{cash_send, encode_int64},
	{pg_lsn_send, encode_int64},
	{xid8send, encode_int64},
	{float4send, encode_float4},
	{float8send, encode_float8},
	{timetz_send, encode_timetz},
	{interval_send, encode_interval},
	{uuid_send, encode_uuid},
	{textsend, encode_text},
	{varcharsend, encode_text},
	{bpcharsend, encode_text},
	{json_send, encode_text},
	{namesend, encode_name},
	{cstring_send, encode_cstring},
	{unknownsend, encode_cstring},
	{byteasend, encode_bytea},
	{numeric_send, encode_numeric},
	{enum_send, encode_enum},
	{point_send, encode_floats},
	{line_send, encode_floats},
	{lseg_send, encode_floats},
	{box_send, encode_floats},
	{path_send, encode_floats},
	{poly_send, encode_floats},
	{circle_send, encode_floats},
	{tsvectorsend, deltaetl_encode_tsvector},
	{jsonb_send, deltaetl_encode_jsonb},
	/* what a dump has, which is without a declaration of the encoding */
	{xml_send, encode_output},
	/* names instead of OIDs */
	{regprocsend, encode_output},
	{regproceduresend, encode_output},
	{regopersend, encode_output},
	{regoperatorsend, encode_output},
	{regclasssend, encode_output},
	{regcollationsend, encode_output},
	{regtypesend, encode_output},
	{regconfigsend, encode_output},
	{regdictionarysend, encode_output},
	{regrolesend, encode_output},
	{regnamespacesend, encode_output},
	{REGDATABASE_SEND, encode_output},
};

static EncodeFunction
find_codec(PGFunction send)
{
	for (int i = 0; i < lengthof(scalar_codecs); i++)
		if (scalar_codecs[i].send == send)
			return scalar_codecs[i].encode;
	return encode_sent;
}

static Oid
lookup_send_function(Oid type)
{
	HeapTuple	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
	Oid			send;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for type %u", type);
	send = ((Form_pg_type) GETSTRUCT(tuple))->typsend;
	ReleaseSysCache(tuple);
	return send;
}

/*
 * The function that encodes values of a base type; the encoder gets the send
 * or output function that it will call.
 */
EncodeFunction
deltaetl_scalar_encoder(FieldEncoder *encoder, Oid type)
{
	Oid			send = lookup_send_function(type);
	EncodeFunction encode = encode_output;
	Oid			output;
	bool		isvarlena;

	if (OidIsValid(send))
	{
		fmgr_info_cxt(send, &encoder->function, encoder->context);
		encode = find_codec(encoder->function.fn_addr);
	}
	if (encode == encode_output)
	{
		getTypeOutputInfo(type, &output, &isvarlena);
		fmgr_info_cxt(output, &encoder->function, encoder->context);
	}
	return encode;
}
