/*-------------------------------------------------------------------------
 *
 * hash.c
 *	  Hashes of the encoding and the SQL functions on them.
 *
 * A call site keeps what it can for its whole life: an encoder per argument,
 * the buffer, and the digest's context and algorithm, since fetching those
 * anew for each row costs more than hashing the row.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "encode.h"

#include <openssl/err.h>
#include <openssl/evp.h>

#include "miscadmin.h"
#include "nodes/supportnodes.h"
#include "utils/array.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "compat.h"
#include "deltaetl.h"

/* The share of rows that a planner should expect to differ. */
#define DIFFERING_SHARE 0.01

/* Bytes that are hashed between two looks at whether to go on. */
#define DIGEST_BYTES ((Size) 4 * 1024 * 1024)

typedef struct Hasher
{
	EVP_MD_CTX *context;
	EVP_MD	   *algorithm;
	MemoryContextCallback callback;
} Hasher;

typedef struct CallSite
{
	MemoryContext scratch;		/* reset after each row */
	EncodeBuffer buf;
	int			first;			/* argument that is encoded */
	bool		is_variadic;	/* called as f(VARIADIC array) */
	int			nfields;
	FieldEncoder *fields;		/* one an argument, or one for all elements */
	int16		typlen;			/* storage of the array's elements */
	bool		typbyval;
	char		typalign;
	Hasher		hasher;
} CallSite;

/* ---------- digest ---------- */

static void
free_hasher(void *arg)
{
	Hasher	   *hasher = arg;

	EVP_MD_CTX_free(hasher->context);
	free_sha256(hasher->algorithm);
}

static void
report_digest_failure(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
			 errmsg("could not compute SHA-256 hash"),
			 errdetail("OpenSSL reports: %s.",
					   ERR_reason_error_string(ERR_get_error()))));
}

/* The library's memory is not PostgreSQL's: a callback gives it back. */
static void
init_hasher(Hasher *hasher, MemoryContext context)
{
	hasher->callback.func = free_hasher;
	hasher->callback.arg = hasher;
	MemoryContextRegisterResetCallback(context, &hasher->callback);

	hasher->context = EVP_MD_CTX_new();
	hasher->algorithm = fetch_sha256();
	if (hasher->context == NULL || hasher->algorithm == NULL)
		report_digest_failure();
}

/* Some at a time: the bytes of a row can take seconds. */
static void
digest_buffer(Hasher *hasher, const EncodeBuffer *buf)
{
	for (Size done = 0; done < buf->len; done += DIGEST_BYTES)
	{
		CHECK_FOR_INTERRUPTS();
		if (!EVP_DigestUpdate(hasher->context, buf->data + done,
							  Min(buf->len - done, DIGEST_BYTES)))
			report_digest_failure();
	}
}

static bytea *
hash_buffer(Hasher *hasher, const EncodeBuffer *buf)
{
	bytea	   *hash = palloc(VARHDRSZ + SHA256_LENGTH);

	SET_VARSIZE(hash, VARHDRSZ + SHA256_LENGTH);
	if (!EVP_DigestInit_ex(hasher->context, hasher->algorithm, NULL))
		report_digest_failure();
	digest_buffer(hasher, buf);
	if (!EVP_DigestFinal_ex(hasher->context, (unsigned char *) VARDATA(hash),
							NULL))
		report_digest_failure();
	return hash;
}

static bytea *
copy_buffer(const EncodeBuffer *buf)
{
	bytea	   *copy;

	if (buf->len > MaxAllocSize - VARHDRSZ)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("encoding is too large for a bytea"),
				 errdetail("It has %zu bytes.", buf->len),
				 errhint("deltaetl_row_hash() hashes rows of any size.")));
	copy = palloc(VARHDRSZ + buf->len);
	SET_VARSIZE(copy, VARHDRSZ + buf->len);
	memcpy(VARDATA(copy), buf->data, buf->len);
	return copy;
}

/* ---------- call site ---------- */

static Oid
argument_type(FunctionCallInfo fcinfo, int argno)
{
	Oid			type = get_fn_expr_argtype(fcinfo->flinfo, argno);

	if (!OidIsValid(type))
		elog(ERROR, "could not determine data type of argument %d", argno + 1);
	return type;
}

static void
init_variadic_site(FunctionCallInfo fcinfo, CallSite *site)
{
	Oid			element = get_base_element_type(argument_type(fcinfo, site->first));

	if (!OidIsValid(element))
		elog(ERROR, "VARIADIC argument is not an array");
	get_typlenbyvalalign(element, &site->typlen, &site->typbyval,
						 &site->typalign);
	site->is_variadic = true;
	site->fields = palloc0(sizeof(FieldEncoder));
	deltaetl_encoder_init(site->fields, element, CurrentMemoryContext);
}

static void
init_site(FunctionCallInfo fcinfo, CallSite *site)
{
	site->scratch = AllocSetContextCreate(CurrentMemoryContext,
										  "deltaetl row",
										  ALLOCSET_DEFAULT_SIZES);
	deltaetl_buffer_init(&site->buf, CurrentMemoryContext);
	init_hasher(&site->hasher, CurrentMemoryContext);

	if (get_fn_expr_variadic(fcinfo->flinfo))
		init_variadic_site(fcinfo, site);
	else
	{
		site->nfields = PG_NARGS() - site->first;
		site->fields = palloc0(site->nfields * sizeof(FieldEncoder));
		for (int i = 0; i < site->nfields; i++)
			deltaetl_encoder_init(&site->fields[i],
								  argument_type(fcinfo, site->first + i),
								  CurrentMemoryContext);
	}
}

static CallSite *
get_site(FunctionCallInfo fcinfo, int first)
{
	FmgrInfo   *flinfo = fcinfo->flinfo;

	if (unlikely(flinfo->fn_extra == NULL))
	{
		MemoryContext oldcontext = MemoryContextSwitchTo(flinfo->fn_mcxt);
		CallSite   *site = palloc0(sizeof(CallSite));

		site->first = first;
		init_site(fcinfo, site);
		flinfo->fn_extra = site;
		MemoryContextSwitchTo(oldcontext);
	}
	return flinfo->fn_extra;
}

static void
encode_elements(CallSite *site, Datum value)
{
	ArrayType  *array = DatumGetArrayTypeP(value);
	Datum	   *elements;
	bool	   *isnull;
	int			nelements;

	deconstruct_array(array, ARR_ELEMTYPE(array), site->typlen, site->typbyval,
					  site->typalign, &elements, &isnull, &nelements);
	for (int i = 0; i < nelements; i++)
	{
		CHECK_FOR_INTERRUPTS();
		encode_field(site->fields, elements[i], isnull[i], &site->buf);
	}
}

/*
 * Encode the arguments from the first one on into the site's buffer.  A NULL
 * array has no elements.
 */
static CallSite *
encode_arguments(FunctionCallInfo fcinfo, int first)
{
	CallSite   *site = get_site(fcinfo, first);
	MemoryContext oldcontext = MemoryContextSwitchTo(site->scratch);

	deltaetl_buffer_reset(&site->buf);
	put_byte(&site->buf, DELTAETL_ENCODING_VERSION);
	if (!site->is_variadic)
		for (int i = 0; i < site->nfields; i++)
			encode_field(&site->fields[i], fcinfo->args[first + i].value,
						 fcinfo->args[first + i].isnull, &site->buf);
	else if (!fcinfo->args[first].isnull)
		encode_elements(site, fcinfo->args[first].value);

	MemoryContextSwitchTo(oldcontext);
	MemoryContextReset(site->scratch);
	return site;
}

/*
 * The encoding of a row of the arguments from the first one on; valid until
 * the next call at this site.
 */
const EncodeBuffer *
deltaetl_encode_arguments(FunctionCallInfo fcinfo, int first)
{
	return &encode_arguments(fcinfo, first)->buf;
}

/* Encode the columns of the one argument, a record, into the site's buffer. */
static CallSite *
encode_record_argument(FunctionCallInfo fcinfo)
{
	CallSite   *site = get_site(fcinfo, 0);
	MemoryContext oldcontext = MemoryContextSwitchTo(site->scratch);

	deltaetl_buffer_reset(&site->buf);
	put_byte(&site->buf, DELTAETL_ENCODING_VERSION);
	deltaetl_encode_record(&site->fields[0], fcinfo->args[0].value,
						   &site->buf);

	MemoryContextSwitchTo(oldcontext);
	MemoryContextReset(site->scratch);
	return site;
}

/* ---------- SQL functions ---------- */

PG_FUNCTION_INFO_V1(deltaetl_encode);
PG_FUNCTION_INFO_V1(deltaetl_row_hash);
PG_FUNCTION_INFO_V1(deltaetl_record_encode);
PG_FUNCTION_INFO_V1(deltaetl_record_hash);
PG_FUNCTION_INFO_V1(deltaetl_differs);
PG_FUNCTION_INFO_V1(deltaetl_differs_support);

/*
 * deltaetl_encode(VARIADIC "any") returns bytea
 *
 * The encoding of a row whose columns are the arguments, in their order.
 * Never NULL.
 */
Datum
deltaetl_encode(PG_FUNCTION_ARGS)
{
	PG_RETURN_BYTEA_P(copy_buffer(&encode_arguments(fcinfo, 0)->buf));
}

/*
 * deltaetl_row_hash(VARIADIC "any") returns bytea
 *
 * SHA-256 of that encoding, 32 bytes.  Never NULL.
 */
Datum
deltaetl_row_hash(PG_FUNCTION_ARGS)
{
	CallSite   *site = encode_arguments(fcinfo, 0);

	PG_RETURN_BYTEA_P(hash_buffer(&site->hasher, &site->buf));
}

/*
 * deltaetl_record_encode(record) returns bytea
 *
 * The encoding of a row whose columns are those of the record: what
 * deltaetl_encode() returns for them, without its limit of 100 arguments.
 */
Datum
deltaetl_record_encode(PG_FUNCTION_ARGS)
{
	PG_RETURN_BYTEA_P(copy_buffer(&encode_record_argument(fcinfo)->buf));
}

/*
 * deltaetl_record_hash(record) returns bytea
 *
 * SHA-256 of that encoding, 32 bytes.
 */
Datum
deltaetl_record_hash(PG_FUNCTION_ARGS)
{
	CallSite   *site = encode_record_argument(fcinfo);

	PG_RETURN_BYTEA_P(hash_buffer(&site->hasher, &site->buf));
}

/*
 * deltaetl_differs(bytea, bytea) returns boolean
 *
 * Whether two row hashes differ; a NULL hash stands for a row that does not
 * exist.  The same as IS DISTINCT FROM, but the planner learns that few rows
 * pass, without which it sees no use in parallel workers.
 */
Datum
deltaetl_differs(PG_FUNCTION_ARGS)
{
	bytea	   *a;
	bytea	   *b;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_BOOL(PG_ARGISNULL(0) != PG_ARGISNULL(1));
	a = PG_GETARG_BYTEA_PP(0);
	b = PG_GETARG_BYTEA_PP(1);
	PG_RETURN_BOOL(VARSIZE_ANY_EXHDR(a) != VARSIZE_ANY_EXHDR(b) ||
				   memcmp(VARDATA_ANY(a), VARDATA_ANY(b),
						  VARSIZE_ANY_EXHDR(a)) != 0);
}

/* deltaetl_differs_support(internal) returns internal */
Datum
deltaetl_differs_support(PG_FUNCTION_ARGS)
{
	Node	   *request = (Node *) PG_GETARG_POINTER(0);

	if (IsA(request, SupportRequestSelectivity))
	{
		((SupportRequestSelectivity *) request)->selectivity = DIFFERING_SHARE;
		PG_RETURN_POINTER(request);
	}
	PG_RETURN_POINTER(NULL);
}
