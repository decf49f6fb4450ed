/*-------------------------------------------------------------------------
 *
 * encode.h
 *	  The canonical bytes of values and rows, as doc/encoding.md defines them.
 *
 * A FieldEncoder is made once for a type and then turns any number of values
 * of that type into bytes.  It belongs to the memory context it was made in.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#ifndef DELTAETL_ENCODE_H
#define DELTAETL_ENCODE_H

#include "postgres.h"

#include "access/tupdesc.h"
#include "fmgr.h"
#include "port/pg_bswap.h"

/* First byte of every encoding; a change of the format changes it. */
#define DELTAETL_ENCODING_VERSION 1

/* Bytes of a row hash. */
#define SHA256_LENGTH 32

/* A byte buffer that may grow beyond the 1 GB of a StringInfo. */
typedef struct EncodeBuffer
{
	char	   *data;
	Size		len;
	Size		max;
	MemoryContext context;
} EncodeBuffer;

typedef struct FieldEncoder FieldEncoder;

/* Appends the length and the bytes of a value that is not NULL. */
typedef void (*EncodeFunction) (FieldEncoder *encoder, Datum value,
								EncodeBuffer *buf);

struct FieldEncoder
{
	Oid			type;			/* what the encoder was made for */
	EncodeFunction encode;
	FmgrInfo	function;		/* send or output function, if one is used */
	MemoryContext context;		/* where the encoder and its parts live */
	MemoryContext parts;		/* where those live that may be replaced */
	FieldEncoder *element;		/* of an array, a range or a multirange */
	int16		typlen;			/* storage of the element */
	bool		typbyval;
	char		typalign;
	struct TypeCacheEntry *typcache;	/* of a range or a multirange */
	int			ncolumns;		/* of a composite: its columns, ... */
	FieldEncoder *columns;		/* ... those dropped included */
	Datum	   *values;			/* ... and room for one row of them */
	bool	   *isnull;
};

/* encode.c */
extern void deltaetl_buffer_init(EncodeBuffer *buf, MemoryContext context);
extern void deltaetl_buffer_enlarge(EncodeBuffer *buf, Size needed);
extern void deltaetl_buffer_reset(EncodeBuffer *buf);
extern void deltaetl_encoder_init(FieldEncoder *encoder, Oid type,
								  MemoryContext context);
extern void deltaetl_encode_record(FieldEncoder *encoder, Datum record,
								   EncodeBuffer *buf);

/* encode_text.c */
extern const char *deltaetl_to_utf8(const char *data, Size *len);
extern void deltaetl_put_text(EncodeBuffer *buf, const char *data, Size len);
extern bytea *deltaetl_send_as_utf8(FmgrInfo *function, Datum value);
extern void deltaetl_encode_tsvector(FieldEncoder *encoder, Datum value,
									 EncodeBuffer *buf);
extern void deltaetl_encode_jsonb(FieldEncoder *encoder, Datum value,
								  EncodeBuffer *buf);

/* encode_scalar.c */
extern EncodeFunction deltaetl_scalar_encoder(FieldEncoder *encoder, Oid type);

/* hash.c */
extern const EncodeBuffer *deltaetl_encode_arguments(FunctionCallInfo fcinfo, int first);

/* Make room for some bytes and return where they go. */
static inline char *
buffer_reserve(EncodeBuffer *buf, Size needed)
{
	if (unlikely(buf->max - buf->len < needed))
		deltaetl_buffer_enlarge(buf, needed);
	return buf->data + buf->len;
}

static inline void
put_byte(EncodeBuffer *buf, uint8 value)
{
	*buffer_reserve(buf, 1) = (char) value;
	buf->len += 1;
}

static inline void
put_int32(EncodeBuffer *buf, uint32 value)
{
	char	   *p = buffer_reserve(buf, sizeof(uint32));

	value = pg_hton32(value);
	memcpy(p, &value, sizeof(uint32));
	buf->len += sizeof(uint32);
}

static inline void
put_bytes(EncodeBuffer *buf, const char *data, Size len)
{
	memcpy(buffer_reserve(buf, len), data, len);
	buf->len += len;
}

/* A length and that many bytes. */
static inline void
put_counted(EncodeBuffer *buf, const char *data, uint32 len)
{
	char	   *p = buffer_reserve(buf, sizeof(uint32) + len);
	uint32		header = pg_hton32(len);

	memcpy(p, &header, sizeof(uint32));
	memcpy(p + sizeof(uint32), data, len);
	buf->len += sizeof(uint32) + len;
}

/* Leave room for the length of a value whose length is not known yet. */
static inline Size
begin_counted(EncodeBuffer *buf)
{
	put_int32(buf, 0);
	return buf->len;
}

extern void deltaetl_end_counted(EncodeBuffer *buf, Size start);

/* One column or element: a byte that tells NULL from value, then the value. */
static inline void
encode_field(FieldEncoder *encoder, Datum value, bool isnull,
			 EncodeBuffer *buf)
{
	put_byte(buf, !isnull);
	if (!isnull)
		encoder->encode(encoder, value, buf);
}

#endif							/* DELTAETL_ENCODE_H */
