/*-------------------------------------------------------------------------
 *
 * encode.c
 *	  The canonical bytes of a row: buffer, containers, choice of encoder.
 *
 * The format (doc/encoding.md has it in full, type by type):
 *
 *		row			version byte, then each field
 *		field		0x00 for NULL; else 0x01, int32 length, that many bytes
 *		array		int32 dimensions, int32 length and int32 lower bound of
 *					each, then the elements as fields
 *		composite	int32 columns (without dropped ones), then each as a field
 *		range		byte of flags, then each finite bound as length and bytes
 *		multirange	int32 ranges, then each as length and bytes
 *		domain		its base type
 *		the rest	encode_scalar.c
 *
 * All integers are big-endian.  Nothing in it depends on OIDs, settings, the
 * client, storage (TOAST, compression, dropped columns) or the machine.
 *
 * Values are detoasted and converted in the current memory context, which
 * the caller resets after each row.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "encode.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/multirangetypes.h"
#include "utils/rangetypes.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "compat.h"

#define BUFFER_INITIAL_SIZE 1024

/* A buffer that one huge row has blown up beyond this is not kept. */
#define BUFFER_KEPT_SIZE ((Size) 8 * 1024 * 1024)

/* What of a range's flags is its value; the rest says how it is stored. */
#define RANGE_VALUE_FLAGS (RANGE_EMPTY | RANGE_LB_INC | RANGE_UB_INC | \
						   RANGE_LB_INF | RANGE_UB_INF)

void
deltaetl_buffer_init(EncodeBuffer *buf, MemoryContext context)
{
	buf->context = context;
	buf->data = MemoryContextAlloc(context, BUFFER_INITIAL_SIZE);
	buf->max = BUFFER_INITIAL_SIZE;
	buf->len = 0;
}

void
deltaetl_buffer_enlarge(EncodeBuffer *buf, Size needed)
{
	Size		size = Max(buf->max * 2, buf->len + needed);

	buf->data = repalloc_huge(buf->data, size);
	buf->max = size;
}

void
deltaetl_buffer_reset(EncodeBuffer *buf)
{
	if (unlikely(buf->max > BUFFER_KEPT_SIZE))
	{
		pfree(buf->data);
		deltaetl_buffer_init(buf, buf->context);
	}
	buf->len = 0;
}

/*
 * Fill in the length that begin_counted() left room for.  Raises an error if
 * the value has outgrown the four bytes of a length.
 */
void
deltaetl_end_counted(EncodeBuffer *buf, Size start)
{
	Size		len = buf->len - start;
	uint32		header;

	if (len > PG_INT32_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("value is too large to be encoded"),
				 errdetail("Its encoding has %zu bytes, and a value may have up to %d.",
						   len, PG_INT32_MAX)));
	header = pg_hton32((uint32) len);
	memcpy(buf->data + start - sizeof(uint32), &header, sizeof(uint32));
}

static void
encode_array(FieldEncoder *encoder, Datum value, EncodeBuffer *buf)
{
	ArrayType  *array = DatumGetArrayTypeP(value);
	Size		start = begin_counted(buf);
	Datum	   *elements;
	bool	   *isnull;
	int			nelements;
	int			ndim;

	/* an empty int2vector has a dimension, of no length; an empty array none */
	ndim = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array)) > 0 ? ARR_NDIM(array) : 0;
	put_int32(buf, ndim);
	for (int i = 0; i < ndim; i++)
	{
		put_int32(buf, ARR_DIMS(array)[i]);
		put_int32(buf, ARR_LBOUND(array)[i]);
	}

	deconstruct_array(array, ARR_ELEMTYPE(array), encoder->typlen,
					  encoder->typbyval, encoder->typalign,
					  &elements, &isnull, &nelements);
	for (int i = 0; i < nelements; i++)
	{
		CHECK_FOR_INTERRUPTS();
		encode_field(encoder->element, elements[i], isnull[i], buf);
	}
	deltaetl_end_counted(buf, start);
}

static void
encode_range_bounds(FieldEncoder *encoder, const RangeType *range,
					EncodeBuffer *buf)
{
	RangeBound	lower;
	RangeBound	upper;
	bool		empty;

	range_deserialize(encoder->typcache, range, &lower, &upper, &empty);
	put_byte(buf, range_get_flags(range) & RANGE_VALUE_FLAGS);
	if (!empty && !lower.infinite)
		encoder->element->encode(encoder->element, lower.val, buf);
	if (!empty && !upper.infinite)
		encoder->element->encode(encoder->element, upper.val, buf);
}

static void
encode_range(FieldEncoder *encoder, Datum value, EncodeBuffer *buf)
{
	Size		start = begin_counted(buf);

	encode_range_bounds(encoder, DatumGetRangeTypeP(value), buf);
	deltaetl_end_counted(buf, start);
}

static void
encode_multirange(FieldEncoder *encoder, Datum value, EncodeBuffer *buf)
{
	Size		start = begin_counted(buf);
	RangeType **ranges;
	int32		nranges;

	multirange_deserialize(encoder->typcache->rngtype,
						   DatumGetMultirangeTypeP(value),
						   &nranges, &ranges);
	put_int32(buf, nranges);
	for (int i = 0; i < nranges; i++)
	{
		CHECK_FOR_INTERRUPTS();
		encode_range(encoder->element, RangeTypePGetDatum(ranges[i]), buf);
	}
	deltaetl_end_counted(buf, start);
}

/* Forget the parts of an encoder, to make others in the context returned. */
static MemoryContext
replace_parts(FieldEncoder *encoder)
{
	encoder->element = NULL;
	encoder->columns = NULL;
	encoder->ncolumns = 0;
	if (encoder->parts == NULL)
		encoder->parts = AllocSetContextCreate(encoder->context,
											   "deltaetl encoder",
											   ALLOCSET_SMALL_SIZES);
	else
		MemoryContextReset(encoder->parts);
	return encoder->parts;
}

static bool
columns_fit(const FieldEncoder *encoder, TupleDesc tupdesc)
{
	if (encoder->columns == NULL || encoder->ncolumns != tupdesc->natts)
		return false;
	for (int i = 0; i < tupdesc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(tupdesc, i);

		if (!att->attisdropped && encoder->columns[i].type != att->atttypid)
			return false;
	}
	return true;
}

/*
 * Make the encoders of a composite's columns anew where they do not fit the
 * row type at hand: an anonymous record has another one at each call site,
 * and a named one may have been altered since.
 */
static void
refresh_columns(FieldEncoder *encoder, TupleDesc tupdesc)
{
	MemoryContext context;
	Size		natts = Max(tupdesc->natts, 1);

	if (columns_fit(encoder, tupdesc))
		return;
	context = replace_parts(encoder);
	encoder->values = MemoryContextAlloc(context, natts * sizeof(Datum));
	encoder->isnull = MemoryContextAlloc(context, natts * sizeof(bool));
	encoder->columns = MemoryContextAllocZero(context, natts * sizeof(FieldEncoder));
	encoder->ncolumns = tupdesc->natts;
	for (int i = 0; i < tupdesc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(tupdesc, i);

		if (!att->attisdropped)
			deltaetl_encoder_init(&encoder->columns[i], att->atttypid, context);
	}
}

static int
count_columns(TupleDesc tupdesc)
{
	int			count = 0;

	for (int i = 0; i < tupdesc->natts; i++)
		if (!TupleDescAttr(tupdesc, i)->attisdropped)
			count++;
	return count;
}

/* Append the columns of a row as fields, with their number first if asked. */
static void
encode_columns(FieldEncoder *encoder, Datum record, bool counted,
			   EncodeBuffer *buf)
{
	HeapTupleHeader header = DatumGetHeapTupleHeader(record);
	TupleDesc	tupdesc;
	HeapTupleData tuple;

	check_stack_depth();

	tupdesc = lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(header),
									 HeapTupleHeaderGetTypMod(header));
	refresh_columns(encoder, tupdesc);

	tuple.t_len = HeapTupleHeaderGetDatumLength(header);
	ItemPointerSetInvalid(&tuple.t_self);
	tuple.t_tableOid = InvalidOid;
	tuple.t_data = header;
	heap_deform_tuple(&tuple, tupdesc, encoder->values, encoder->isnull);

	if (counted)
		put_int32(buf, count_columns(tupdesc));
	for (int i = 0; i < tupdesc->natts; i++)
		if (!TupleDescAttr(tupdesc, i)->attisdropped)
			encode_field(&encoder->columns[i], encoder->values[i],
						 encoder->isnull[i], buf);

	ReleaseTupleDesc(tupdesc);
}

static void
encode_composite(FieldEncoder *encoder, Datum value, EncodeBuffer *buf)
{
	Size		start = begin_counted(buf);

	encode_columns(encoder, value, true, buf);
	deltaetl_end_counted(buf, start);
}

/*
 * Append the columns of a record as the fields of a row, as if each had been
 * an argument of deltaetl_encode().  The encoder is one made for RECORDOID.
 */
void
deltaetl_encode_record(FieldEncoder *encoder, Datum record, EncodeBuffer *buf)
{
	encode_columns(encoder, record, false, buf);
}

static FieldEncoder *
make_element(Oid type, MemoryContext context)
{
	FieldEncoder *element;

	element = MemoryContextAllocZero(context, sizeof(FieldEncoder));
	deltaetl_encoder_init(element, type, context);
	return element;
}

static void
init_array(FieldEncoder *encoder, Oid element_type, MemoryContext context)
{
	get_typlenbyvalalign(element_type, &encoder->typlen, &encoder->typbyval,
						 &encoder->typalign);
	encoder->element = make_element(element_type, context);
}

/* An array whose type says nothing of its elements, as in pg_stats. */
static void
encode_any_array(FieldEncoder *encoder, Datum value, EncodeBuffer *buf)
{
	ArrayType  *array = DatumGetArrayTypeP(value);

	if (encoder->element == NULL ||
		encoder->element->type != ARR_ELEMTYPE(array))
		init_array(encoder, ARR_ELEMTYPE(array), replace_parts(encoder));
	encode_array(encoder, PointerGetDatum(array), buf);
}

static void
init_range(FieldEncoder *encoder, Oid type)
{
	encoder->typcache = lookup_type_cache(type, TYPECACHE_RANGE_INFO);
	encoder->element = make_element(encoder->typcache->rngelemtype->type_id,
									encoder->context);
	encoder->encode = encode_range;
}

static void
init_multirange(FieldEncoder *encoder, Oid type)
{
	encoder->typcache = lookup_type_cache(type, TYPECACHE_MULTIRANGE_INFO);
	encoder->element = make_element(encoder->typcache->rngtype->type_id,
									encoder->context);
	encoder->encode = encode_multirange;
}

/*
 * Prepare to encode values of a type.  What the encoder needs is kept in the
 * given context for as long as the encoder is in use.
 */
void
deltaetl_encoder_init(FieldEncoder *encoder, Oid type, MemoryContext context)
{
	Oid			base = getBaseType(type);
	Oid			element_type = get_element_type(base);

	check_stack_depth();

	memset(encoder, 0, sizeof(FieldEncoder));
	encoder->context = context;

	if (OidIsValid(element_type))
	{
		init_array(encoder, element_type, context);
		encoder->encode = encode_array;
	}
	else if (base == ANYARRAYOID)
		encoder->encode = encode_any_array;
	else if (base == RECORDOID || get_typtype(base) == TYPTYPE_COMPOSITE)
		encoder->encode = encode_composite;
	else if (get_typtype(base) == TYPTYPE_RANGE)
		init_range(encoder, base);
	else if (get_typtype(base) == TYPTYPE_MULTIRANGE)
		init_multirange(encoder, base);
	else
		encoder->encode = deltaetl_scalar_encoder(encoder, base);

	/* last, as it says that the encoder is complete */
	encoder->type = type;
}
