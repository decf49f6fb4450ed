/*-------------------------------------------------------------------------
 *
 * digest_agg.c
 *	  deltaetl_digest_agg(): one digest of many hashes, whatever their order.
 *
 * The hashes are added up as numbers of 256 bits, and counted.  A sum knows no
 * order and, other than an exclusive or, tells two copies from none; sums of
 * parts add up to that of the whole.  The construction is AdHash, in "A New
 * Paradigm for Collision-Free Hashing: Incrementality at Reduced Cost"
 * (Bellare, Micciancio, 1997).
 *
 * The state is a bytea, not internal: it goes to other processes and servers as
 * it is, and engines that spread an aggregate over servers, such as Citus, do
 * so with such states only.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "deltaetl.h"

#include "encode.h"
#include "port/pg_bswap.h"
#include "utils/fmgrprotos.h"

#include "compat.h"

/* The sum in 64 bits each, the most significant first, then the count. */
#define SUM_LIMBS (SHA256_LENGTH / sizeof(uint64))
#define STATE_LIMBS (SUM_LIMBS + 1)
#define STATE_LENGTH (STATE_LIMBS * sizeof(uint64))

static inline uint64
get_limb(const char *limbs, int i)
{
	uint64		limb;

	memcpy(&limb, limbs + i * sizeof(uint64), sizeof(uint64));
	return pg_ntoh64(limb);
}

static inline void
set_limb(char *limbs, int i, uint64 value)
{
	uint64		limb = pg_hton64(value);

	memcpy(limbs + i * sizeof(uint64), &limb, sizeof(uint64));
}

/* Add a number to a sum; what is carried out of it is lost. */
static void
add_number(char *sum, const char *number)
{
	uint64		carry = 0;

	for (int i = SUM_LIMBS - 1; i >= 0; i--)
	{
		uint64		a = get_limb(sum, i);
		uint64		b = get_limb(number, i);
		uint64		total = a + b + carry;

		set_limb(sum, i, total);
		carry = carry ? total <= a : total < a;
	}
}

static inline void
add_count(char *state, uint64 count)
{
	set_limb(state, SUM_LIMBS, get_limb(state, SUM_LIMBS) + count);
}

static void
check_state(const bytea *state)
{
	if (VARSIZE_ANY_EXHDR(state) != STATE_LENGTH)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid state of deltaetl_digest_agg()"),
				 errdetail("Expected %d bytes, but there are %d.",
						   (int) STATE_LENGTH, (int) VARSIZE_ANY_EXHDR(state))));
}

/* The state that a call may write to: an aggregate's own, else a copy. */
static bytea *
state_argument(FunctionCallInfo fcinfo)
{
	struct varlena *state = (struct varlena *) PG_GETARG_POINTER(0);

	if (AggCheckCallContext(fcinfo, NULL) == 0 || !VARATT_IS_4B_U(state))
		state = PG_GETARG_BYTEA_P_COPY(0);
	check_state(state);
	return state;
}

PG_FUNCTION_INFO_V1(deltaetl_digest_add);
PG_FUNCTION_INFO_V1(deltaetl_digest_combine);
PG_FUNCTION_INFO_V1(deltaetl_digest_final);

/*
 * deltaetl_digest_add(state bytea, hash bytea) returns bytea
 *
 * What is not as long as a row hash is hashed first.
 */
Datum
deltaetl_digest_add(PG_FUNCTION_ARGS)
{
	bytea	   *state = state_argument(fcinfo);
	bytea	   *hash = PG_GETARG_BYTEA_PP(1);

	if (VARSIZE_ANY_EXHDR(hash) != SHA256_LENGTH)
		hash = DatumGetByteaPP(DirectFunctionCall1(sha256_bytea, PointerGetDatum(hash)));
	add_number(VARDATA(state), VARDATA_ANY(hash));
	add_count(VARDATA(state), 1);
	PG_RETURN_BYTEA_P(state);
}

/* deltaetl_digest_combine(state bytea, other bytea) returns bytea */
Datum
deltaetl_digest_combine(PG_FUNCTION_ARGS)
{
	bytea	   *state = state_argument(fcinfo);
	bytea	   *other = PG_GETARG_BYTEA_PP(1);

	check_state(other);
	add_number(VARDATA(state), VARDATA_ANY(other));
	add_count(VARDATA(state), get_limb(VARDATA_ANY(other), SUM_LIMBS));
	PG_RETURN_BYTEA_P(state);
}

/*
 * deltaetl_digest_final(state bytea) returns bytea
 *
 * SHA-256 of sum and count, 32 bytes.
 */
Datum
deltaetl_digest_final(PG_FUNCTION_ARGS)
{
	check_state(PG_GETARG_BYTEA_PP(0));
	return DirectFunctionCall1(sha256_bytea, PG_GETARG_DATUM(0));
}
