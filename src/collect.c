/*-------------------------------------------------------------------------
 *
 * collect.c
 *	  Collecting the fingerprints of a relation's rows through SQL.
 *
 * An ordinary query reads a relation, so that the planner chooses how, and
 * how many workers help:
 *
 *		SELECT deltaetl_fingerprints($1, tableoid, ctid, key...) FROM ...
 *
 * The aggregate takes each row in the process that reads it, and what comes
 * to the leader is not rows but runs of fingerprints, in bulk or in files.
 * All processes find what they have to know in a segment of shared memory
 * that the reference names, $1.  It holds a random token, too, without which
 * the aggregate does nothing, and which is good only while the query runs.
 * Whoever calls the aggregate by hand has none: it is a parameter, since the
 * text of a query can be read by any function that is called in it.
 *
 * Fingerprints are XXH3-128 with a secret drawn for the run (libxxhash by
 * Yann Collet, https://github.com/Cyan4973/xxHash): they are never stored, and
 * nobody can prepare rows that collide.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "collect.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "catalog/pg_type.h"
#include "encode.h"
#include "miscadmin.h"
#include "stored_row.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "compat.h"

/* How many rows ahead what of a row is prefetched. */
#define PREFETCH_ROWS 2
#define PREFETCH_BYTES 512

/* Rows that a process reads before it says so; a power of two. */
#define COUNTED_ROWS 1024

/* Tell rows apart that are hashed in different ways. */
#define BYTES_WITH_NULLS UINT64CONST(0x9E3779B97F4A7C15)
#define TAKEN_APART UINT64CONST(0xC2B2AE3D27D4EB4F)

/* State of the aggregate; in the leader, once runs are handed over, no more. */
typedef struct Collector
{
	SharedCollection *shared;
	Reference	reference;
	RunBuffer  *buffer;
	EncodeBuffer bytes;
	int			nfields;
	FieldEncoder *fields;		/* of the key, and what follows it */
	Oid			tableoid;		/* of the last row, and its number */
	uint16		table;
	StoredRowReader reader;
	Datum	   *values;			/* of a row of the open relation */
	bool	   *isnull;
	uint64		rows;			/* handed over, in the leader */
} Collector;

static void
report_bad_call(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("deltaetl_fingerprints() is not meant to be called by hand")));
}

/* Find what a reference names, in this process. */
static SharedCollection *
find_shared(const Reference *reference)
{
	dsm_segment *segment = dsm_find_mapping(reference->handle);
	SharedCollection *shared;
	bool		attached = false;

	if (segment == NULL)
	{
		segment = dsm_attach(reference->handle);
		attached = true;
	}
	if (segment == NULL ||
		dsm_segment_map_length(segment) < sizeof(SharedCollection))
		report_bad_call();
	shared = dsm_segment_address(segment);
	if (memcmp(shared->token, reference->token, sizeof(reference->token)) != 0 ||
		!shared->open[reference->side])
		report_bad_call();
	if (attached)
	{
		/* a worker needs it, and its files, for as long as it lives */
		dsm_pin_mapping(segment);
		SharedFileSetAttach(&shared->files, segment);
	}
	return shared;
}

static void
read_reference(Reference *reference, const bytea *value)
{
	if (VARSIZE_ANY_EXHDR(value) < sizeof(Reference))
		report_bad_call();
	memcpy(reference, VARDATA_ANY(value), sizeof(Reference));
	if (reference->side >= SET_SIDES)
		report_bad_call();
}

static void
init_fields(Collector *collector, FunctionCallInfo fcinfo)
{
	collector->nfields = PG_NARGS() - 4;
	collector->fields = palloc0(Max(collector->nfields, 1) * sizeof(FieldEncoder));
	for (int i = 0; i < collector->nfields; i++)
		deltaetl_encoder_init(&collector->fields[i],
							  get_fn_expr_argtype(fcinfo->flinfo, i + 4),
							  CurrentMemoryContext);
	if (collector->nfields < collector->shared->nkeys)
		report_bad_call();
}

static Collector *
create_collector(FunctionCallInfo fcinfo, MemoryContext context)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(context);
	Collector  *collector = palloc0(sizeof(Collector));
	SharedCollection *shared;

	if (PG_ARGISNULL(1))
		report_bad_call();
	read_reference(&collector->reference, PG_GETARG_BYTEA_PP(1));
	shared = collector->shared = find_shared(&collector->reference);
	collector->buffer =
		deltaetl_runs_create(shared->npartitions, shared->memory_limit,
							 &shared->files.fs,
							 pg_atomic_fetch_add_u32(&shared->participants, 1));
	deltaetl_buffer_init(&collector->bytes, context);
	init_fields(collector, fcinfo);
	MemoryContextSwitchTo(oldcontext);
	return collector;
}

/* ---------- content ---------- */

static void
make_room_for_values(Collector *collector)
{
	int			natts = RelationGetDescr(collector->reader.rel)->natts;
	MemoryContext context = collector->bytes.context;

	collector->values = MemoryContextAlloc(context, natts * sizeof(Datum));
	collector->isnull = MemoryContextAlloc(context, natts * sizeof(bool));
}

/* A value as it is, but in line and not compressed. */
static void
put_image(EncodeBuffer *bytes, Form_pg_attribute att, Datum value)
{
	if (att->attbyval)
		put_bytes(bytes, (char *) &value, sizeof(Datum));
	else if (att->attlen > 0)
		put_bytes(bytes, DatumGetPointer(value), att->attlen);
	else if (att->attlen == -1)
	{
		struct varlena *plain = PG_DETOAST_DATUM_PACKED(value);

		put_counted(bytes, VARDATA_ANY(plain), VARSIZE_ANY_EXHDR(plain));
	}
	else
		put_counted(bytes, DatumGetCString(value), strlen(DatumGetCString(value)));
}

/*
 * A row whose bytes are not all there is to it.  Its values need not be
 * encoded: as with other rows, those that differ are compared once more.
 */
static XXH128_hash_t
hash_taken_apart(Collector *collector, HeapTuple tuple)
{
	TupleDesc	desc = RelationGetDescr(collector->reader.rel);
	XXH128_hash_t hash;

	if (collector->values == NULL)
		make_room_for_values(collector);
	heap_deform_tuple(tuple, desc, collector->values, collector->isnull);
	deltaetl_buffer_reset(&collector->bytes);
	for (int i = 0; i < desc->natts; i++)
	{
		put_byte(&collector->bytes, collector->isnull[i]);
		if (!collector->isnull[i])
			put_image(&collector->bytes, TupleDescAttr(desc, i), collector->values[i]);
	}
	hash = XXH3_128bits_withSecret(collector->bytes.data, collector->bytes.len,
								   collector->shared->secret, SECRET_SIZE);
	hash.low64 ^= TAKEN_APART;
	return hash;
}

/*
 * The bytes of a row after what is there for its visibility: where the data
 * start, which values are NULL, and the data.
 */
static XXH128_hash_t
hash_stored_bytes(Collector *collector, HeapTuple tuple)
{
	const Size	skipped = offsetof(HeapTupleHeaderData, t_hoff);
	XXH128_hash_t hash;

	if (unlikely(!deltaetl_is_complete(tuple, RelationGetDescr(collector->reader.rel))))
		return hash_taken_apart(collector, tuple);
	hash = XXH3_128bits_withSecret((char *) tuple->t_data + skipped,
								   tuple->t_len - skipped,
								   collector->shared->secret, SECRET_SIZE);
	if (HeapTupleHasNulls(tuple))
		hash.low64 ^= BYTES_WITH_NULLS;
	return hash;
}

/* The hash that a row has in its last column. */
static XXH128_hash_t
hash_stored_hash(Collector *collector, HeapTuple tuple)
{
	bytea	   *hash = (bytea *) deltaetl_last_bytes(tuple, VARHDRSZ_SHORT + SHA256_LENGTH);

	if (unlikely(hash == NULL))
		hash = deltaetl_last_value(&collector->reader, tuple);
	if (unlikely(hash == NULL))
		elog(ERROR, "a stored hash is null");
	return XXH3_128bits_withSecret(VARDATA_ANY(hash), VARSIZE_ANY_EXHDR(hash),
								   collector->shared->secret, SECRET_SIZE);
}

static XXH128_hash_t
hash_stored_row(Collector *collector, ItemPointer tid)
{
	OffsetNumber offset = ItemPointerGetOffsetNumberNoCheck(tid);
	HeapTuple	tuple;

	tuple = deltaetl_read_row(&collector->reader,
							  ItemPointerGetBlockNumberNoCheck(tid), offset);
	if (collector->shared->stored == STORED_HASH)
	{
		deltaetl_prefetch_row(&collector->reader, offset + PREFETCH_ROWS, SHA256_LENGTH);
		return hash_stored_hash(collector, tuple);
	}
	deltaetl_prefetch_row(&collector->reader, offset + PREFETCH_ROWS, PREFETCH_BYTES);
	return hash_stored_bytes(collector, tuple);
}

/* Arguments of the aggregate from one number of field to another. */
static XXH128_hash_t
hash_fields(Collector *collector, FunctionCallInfo fcinfo, int from, int to)
{
	deltaetl_buffer_reset(&collector->bytes);
	for (int i = from; i < to; i++)
		encode_field(&collector->fields[i], fcinfo->args[i + 4].value,
					 fcinfo->args[i + 4].isnull, &collector->bytes);
	return XXH3_128bits_withSecret(collector->bytes.data, collector->bytes.len,
								   collector->shared->secret, SECRET_SIZE);
}

/* ---------- a row ---------- */

/* A table that was not there when the run began can be a new child of one. */
static void
enter_table(Collector *collector, Oid tableoid)
{
	const SharedCollection *shared = collector->shared;
	int			i = 0;

	while (i < shared->ntables && shared->tables[i] != tableoid)
		i++;
	if (i == shared->ntables)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("table \"%s\" has become a child or partition during the run",
						get_rel_name(tableoid)),
				 errhint("Try again.")));
	if (shared->stored != STORED_NOT)
	{
		deltaetl_reader_open(&collector->reader, tableoid);
		collector->values = NULL;
	}
	collector->table = i;
	collector->tableoid = tableoid;
}

static void
set_key(Collector *collector, FunctionCallInfo fcinfo, Fingerprint *row)
{
	int			nkeys = collector->shared->nkeys;
	XXH128_hash_t hash = hash_fields(collector, fcinfo, 0, nkeys);

	row->key = hash.low64;
	row->key_more = (uint32) hash.high64;
	for (int i = 0; i < nkeys; i++)
		collector->buffer->null_keys |= fcinfo->args[i + 4].isnull;
}

/* Where the key has no canonical bytes, the content identifies the row. */
static void
set_content(Collector *collector, FunctionCallInfo fcinfo, ItemPointer tid,
			Fingerprint *row)
{
	int			nkeys = collector->shared->nkeys;
	XXH128_hash_t hash = collector->shared->stored != STORED_NOT ?
	hash_stored_row(collector, tid) :
	hash_fields(collector, fcinfo, nkeys, collector->nfields);

	row->content = hash.low64;
	row->content_more = (uint32) hash.high64;
	if (nkeys == 0)
	{
		row->key = hash.high64;
		row->key_more = (uint32) hash.low64;
	}
}

static void
add_row(Collector *collector, FunctionCallInfo fcinfo, Oid tableoid,
		ItemPointer tid)
{
	Fingerprint row;

	if (tableoid != collector->tableoid)
		enter_table(collector, tableoid);
	if (collector->shared->nkeys > 0)
		set_key(collector, fcinfo, &row);
	set_content(collector, fcinfo, tid, &row);
	row.position = row_position(collector->table,
								ItemPointerGetBlockNumberNoCheck(tid),
								ItemPointerGetOffsetNumberNoCheck(tid));
	deltaetl_runs_add(collector->buffer, &row);
	if (unlikely(collector->buffer->rows % COUNTED_ROWS == 0))
		deltaetl_progress_count(&collector->shared->progress, COUNTED_ROWS);
}

/* ---------- handing over ---------- */

static bytea *
pack(Collector *collector)
{
	deltaetl_reader_close(&collector->reader);
	collector->tableoid = InvalidOid;
	deltaetl_progress_count(&collector->shared->progress,
							collector->buffer->rows % COUNTED_ROWS);
	return deltaetl_runs_pack(collector->buffer);
}

/* Give packed runs to the set, which is the leader's. */
static void
hand_over(SharedCollection *shared, SetSide side, const char *packed)
{
	if (shared->leader != MyProcPid)
		report_bad_call();
	deltaetl_setdiff_take(shared->set, side, packed);
}

static MemoryContext
aggregate_context(FunctionCallInfo fcinfo)
{
	MemoryContext context;

	if (AggCheckCallContext(fcinfo, &context) != AGG_CONTEXT_AGGREGATE)
		report_bad_call();
	return context;
}

/* ---------- SQL functions ---------- */

PG_FUNCTION_INFO_V1(deltaetl_fingerprints_add);
PG_FUNCTION_INFO_V1(deltaetl_fingerprints_combine);
PG_FUNCTION_INFO_V1(deltaetl_fingerprints_serialize);
PG_FUNCTION_INFO_V1(deltaetl_fingerprints_deserialize);
PG_FUNCTION_INFO_V1(deltaetl_fingerprints_finish);

/*
 * deltaetl_fingerprints_add(internal, reference bytea, tableoid oid, ctid tid,
 *							 VARIADIC "any") returns internal
 *
 * Take a row: where it lies, the columns of its key and, unless it is its
 * bytes that count, the others.
 */
Datum
deltaetl_fingerprints_add(PG_FUNCTION_ARGS)
{
	Collector  *collector;

	if (likely(!PG_ARGISNULL(0)))
		collector = (Collector *) PG_GETARG_POINTER(0);
	else
		collector = create_collector(fcinfo, aggregate_context(fcinfo));
	if (unlikely(PG_ARGISNULL(2) || PG_ARGISNULL(3) || collector->buffer == NULL))
		report_bad_call();
	add_row(collector, fcinfo, PG_GETARG_OID(2),
			(ItemPointer) PG_GETARG_POINTER(3));
	PG_RETURN_POINTER(collector);
}

/* deltaetl_fingerprints_combine(internal, internal) returns internal */
Datum
deltaetl_fingerprints_combine(PG_FUNCTION_ARGS)
{
	MemoryContext context = aggregate_context(fcinfo);
	Collector  *sum = PG_ARGISNULL(0) ? NULL : (Collector *) PG_GETARG_POINTER(0);

	if (sum == NULL)
		sum = MemoryContextAllocZero(context, sizeof(Collector));
	if (!PG_ARGISNULL(1))
		sum->rows += ((Collector *) PG_GETARG_POINTER(1))->rows;
	PG_RETURN_POINTER(sum);
}

/* deltaetl_fingerprints_serialize(internal) returns bytea */
Datum
deltaetl_fingerprints_serialize(PG_FUNCTION_ARGS)
{
	Collector  *collector = (Collector *) PG_GETARG_POINTER(0);
	bytea	   *packed;

	(void) aggregate_context(fcinfo);
	packed = pack(collector);

	/* the reference goes in front, in the room that is left for it */
	memcpy(VARDATA(packed), &collector->reference, sizeof(Reference));
	PG_RETURN_BYTEA_P(packed);
}

/* deltaetl_fingerprints_deserialize(bytea, internal) returns internal */
Datum
deltaetl_fingerprints_deserialize(PG_FUNCTION_ARGS)
{
	bytea	   *packed = PG_GETARG_BYTEA_PP(0);
	Collector  *collector = palloc0(sizeof(Collector));
	PackedRuns	header;

	(void) aggregate_context(fcinfo);
	read_reference(&collector->reference, packed);
	if (VARSIZE_ANY_EXHDR(packed) < PACKED_PREFIX + sizeof(header))
		report_bad_call();
	memcpy(&header, VARDATA_ANY(packed) + PACKED_PREFIX, sizeof(header));
	collector->rows = header.rows;
	hand_over(find_shared(&collector->reference), collector->reference.side,
			  VARDATA_ANY(packed) + PACKED_PREFIX);
	PG_RETURN_POINTER(collector);
}

/* deltaetl_fingerprints_finish(internal) returns bigint, the rows taken */
Datum
deltaetl_fingerprints_finish(PG_FUNCTION_ARGS)
{
	Collector  *collector;

	(void) aggregate_context(fcinfo);
	if (PG_ARGISNULL(0))
		PG_RETURN_INT64(0);
	collector = (Collector *) PG_GETARG_POINTER(0);
	if (collector->buffer != NULL)
	{
		collector->rows = collector->buffer->rows;
		hand_over(collector->shared, collector->reference.side,
				  VARDATA(pack(collector)) + PACKED_PREFIX);
		collector->buffer = NULL;
	}
	PG_RETURN_INT64((int64) collector->rows);
}
