/*-------------------------------------------------------------------------
 *
 * deltaetl.h
 *	  What the files of deltaetl share: the delta, prototypes; with mapping.h,
 *	  and beside run.h.
 *
 * Dependencies point one way:
 *
 *		job_run -> job_entry, job_options, sync
 *		job -> job_entry, job_options, job_cron, lock
 *		job_cron -> job_entry -> owner, names
 *		sync -> options, runlog, lock, snapshot, strategy, guard
 *		revert -> reversal, runlog, lock, snapshot, strategy
 *		reversal -> logged_run, image, compare
 *		runlog, logged_run, changes -> owner
 *		strategy -> census, diff, remote, apply, distributed
 *		remote -> difference, join, census
 *		lock -> mapping, placement, scope, snapshot, ship
 *		placement -> citus
 *		mapping -> key, mapping_hash, relation, names, privileges, coerce
 *		track, verify -> stored, mapping
 *		diff -> census, fingerprint, join
 *		fingerprint -> layout, collection, positions, lone_rows
 *		collect, collection, positions -> setdiff, runs, stored_row, compare
 *		apply -> direct, foreign, modify, overtaken, changelog
 *		direct, changelog -> batch
 *		foreign -> modify, changelog
 *		direct, delta -> leaves
 *		changelog -> image, compare, owner
 *		explain -> lock, census, fingerprint, apply
 *		all of these -> delta, query, params, spi, progress
 *		spi, modify -> coerce -> assign
 *		spi, modify -> execute
 *		bucket -> hash -> encode
 *		image -> image_value -> image_scalar -> image_json
 *		image, encode -> settings
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#ifndef DELTAETL_H
#define DELTAETL_H

#include "postgres.h"

#include "access/tupdesc.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "nodes/params.h"
#include "nodes/parsenodes.h"
#include "nodes/pg_list.h"
#include "storage/lockdefs.h"
#include "utils/rel.h"
#include "utils/tuplestore.h"

#include "mapping.h"

/* How many keys an error names. */
#define KEYS_SHOWN 10

/* Of each of its columns at most that much. */
#define KEY_BYTES_SHOWN 64

/* Most arguments of a function call, also VARIADIC (FUNC_MAX_ARGS). */
#define MAX_HASH_ARGUMENTS FUNC_MAX_ARGS

/* What the column of a stored hash is called unless told. */
#define DEFAULT_HASH_COLUMN "row_hash"

/* ---------- delta ---------- */

typedef enum DeltaAction
{
	DELTA_DELETE,
	DELTA_UPDATE,
	DELTA_INSERT
} DeltaAction;

#define DELTA_ACTIONS (DELTA_INSERT + 1)

/* Rows of the source that are not to be inserted, where the others are. */
#define DELTA_KNOWN DELTA_ACTIONS
#define DELTA_STORES (DELTA_KNOWN + 1)

/* Columns of a delta row: where the target's row is; then ... */
#define DELTA_COLUMN_TABLEOID 0
#define DELTA_COLUMN_CTID 1

/* ... either those of the mapping, ... */
#define DELTA_FIRST_COLUMN 2

/* ... or where the source's row is. */
#define DELTA_COLUMN_SOURCE_TABLEOID 2
#define DELTA_COLUMN_SOURCE_CTID 3
#define DELTA_POSITION_COLUMNS 4

/*
 * The rows to delete, update and insert, each in a tuplestore that SQL sees
 * as a table (see deltaetl_delta_name()) with columns oid and tid, which name
 * the target's row, and either c1 .. cn, the mapping's columns with the
 * source's values in the target's types, or source_oid and source_tid, which
 * name the source's row.  Of a row to delete only the target's is named.
 * However a delta is detected, one of these two comes out, and query_delta.c
 * makes the same of both.
 */
typedef struct Delta
{
	const Mapping *mapping;
	bool		with_deletes;
	bool		by_position;	/* of the source's rows */
	bool		insert_rest;	/* all rows of the source but those known */
	bool		confirm_late;	/* rows to update may be confirmed when they
								 * are written */
	bool		count_first[DELTA_ACTIONS]; /* before any are written, as
											 * somebody wants to know */
	bool		unconfirmed;	/* rows to update may turn out to be the same */
	bool		lock_rows;		/* others may write to the target meanwhile */
	bool		last_try;		/* a key that is there is an error */
	uint64		conflicts;		/* rows not inserted, as their keys are there */
	TupleDesc	desc;			/* of its rows, or their positions */
	Tuplestorestate *rows[DELTA_STORES];
	uint64		count[DELTA_STORES];
	uint64		source_rows;	/* in scope */
	uint64		target_rows;	/* in scope; counted only if asked for */
	struct FingerprintRun *fingerprints;	/* if detection is by them */
	struct BucketRun *buckets;	/* if it is by digests */
	char	   *target_part;	/* condition on t, a row of the target, that
								 * holds for all keys in the delta; or NULL */
	bool	   *changed;		/* of guarded columns: does an update change
								 * it */
	bool		only_changed;	/* of others too, and it sets no others */
} Delta;

/* Whether an update sets a column. */
static inline bool
deltaetl_is_written(const Delta *delta, int column)
{
	bool		always = !delta->only_changed &&
	!deltaetl_is_guarded(delta->mapping, column);

	return !delta->mapping->columns[column].generated &&
		(always || delta->changed[column]);
}

typedef struct AppliedCounts
{
	uint64		count[DELTA_ACTIONS];
} AppliedCounts;

/* changelog.h */
typedef struct ChangeLog ChangeLog;
typedef struct LoggedColumns LoggedColumns;

/* How the delta is detected; a setting for developers. */
typedef enum DetectionMethod
{
	DETECT_AUTO,
	DETECT_ENCODED,				/* by fingerprints, but not of stored bytes */
	DETECT_JOIN
} DetectionMethod;

/* deltaetl.c */
extern int	deltaetl_detection;
extern bool deltaetl_notify;
extern bool deltaetl_progress_notices;

extern PGDLLEXPORT void _PG_init(void);

/* arguments.c */
extern void deltaetl_require_argument(FunctionCallInfo fcinfo, int argno,
									  const char *argname);
extern List *deltaetl_name_list(FunctionCallInfo fcinfo, int argno,
								const char *argname);
extern List *deltaetl_key_list(FunctionCallInfo fcinfo, int argno);
extern Oid	deltaetl_relation_argument(FunctionCallInfo fcinfo, int argno,
									   const char *argname);
extern bool deltaetl_bool_argument(FunctionCallInfo fcinfo, int argno,
								   const char *argname);
extern char *deltaetl_text_argument(FunctionCallInfo fcinfo, int argno);
extern char *deltaetl_name_argument(FunctionCallInfo fcinfo, int argno);
extern Oid	deltaetl_extension(FunctionCallInfo fcinfo);
extern char *deltaetl_quote_schema(Oid schema);
extern char *deltaetl_extension_schema(FunctionCallInfo fcinfo);

/* bucket.c */
extern void deltaetl_begin_types(StringInfo buf);
extern void deltaetl_append_type(StringInfo buf, const char *name, Oid type,
								 int32 typmod);

/* query.c */
extern char *deltaetl_scope_query(const Mapping *mapping, const MappingSide *side);
extern char *deltaetl_assigned_query(const Mapping *mapping);
extern char *deltaetl_count_query(const Mapping *mapping, const MappingSide *side);
extern char *deltaetl_census_query(const Mapping *mapping, const MappingSide *side);
extern char *deltaetl_offenders_query(const Mapping *mapping,
									  const MappingSide *side, bool nulls);
extern char *deltaetl_hashes_query(const Mapping *mapping);
extern char *deltaetl_digest_query(const Mapping *mapping, bool here);

/* query_detect.c */

/* What of a row beside its key an aggregate over rows takes as arguments. */
typedef enum RowContent
{
	CONTENT_NONE,
	CONTENT_COLUMNS,
	CONTENT_HASH				/* stored, or of the same expression */
} RowContent;

extern char *deltaetl_join_query(const Mapping *mapping, bool with_deletes);
extern char *deltaetl_lone_rows_query(const Mapping *mapping);
extern char *deltaetl_any_row_query(const MappingSide *side);
extern char *deltaetl_fingerprints_query(const Mapping *mapping,
										 const MappingSide *side, bool keys,
										 RowContent content);

/* query_delta.c */
extern char *deltaetl_out_of_scope_query(const Delta *delta);
extern char *deltaetl_doubtful_keys_query(const Delta *delta);
extern char *deltaetl_changes_query(const Delta *delta);
extern char *deltaetl_logged_rows_query(const Mapping *mapping);
extern char *deltaetl_logged_twice_query(const Mapping *mapping);
extern void deltaetl_append_difference(StringInfo buf, const Mapping *mapping,
									   DeltaAction action, const char *source,
									   const char *target);
extern char *deltaetl_diff_query(const Delta *delta, DeltaAction action);
extern char *deltaetl_delete_query(const Mapping *mapping,
								   const LoggedColumns *logged,
								   const char *conditions);
extern bool deltaetl_updates_by_ctid(const Delta *delta);
extern char *deltaetl_update_query(const Delta *delta,
								   const LoggedColumns *logged,
								   const char *conditions);
extern char *deltaetl_insert_query(const Delta *delta,
								   const LoggedColumns *logged);
extern char *deltaetl_new_rows_query(const Delta *delta);
extern char *deltaetl_rows_query(const Delta *delta, DeltaAction action);

/* query_citus.c */
extern bool deltaetl_can_update(const Mapping *mapping);
extern char *deltaetl_node_statement(const Mapping *mapping, DeltaAction action);
extern char *deltaetl_node_count_query(const Mapping *mapping, DeltaAction action);
extern char *deltaetl_node_diff_query(const Mapping *mapping, DeltaAction action);
extern char *deltaetl_node_out_of_scope_query(const Mapping *mapping);

/* query_track.c */
extern char *deltaetl_track_check_query(const Mapping *mapping,
										const char *algorithm);
extern char *deltaetl_track_query(const Mapping *mapping,
								  const char *hash_column,
								  const char *algorithm);
extern char *deltaetl_untrack_query(const MappingSide *target, List *hashes);
extern char *deltaetl_verify_query(const Mapping *mapping, Relation target,
								   const char *hash_column,
								   const StoredHash *hash);

/* params.c */
extern ParamListInfo deltaetl_params_create(int count);
extern void deltaetl_params_add(ParamListInfo params, Oid type, Datum value,
								bool isnull);
extern void deltaetl_params_add_text(ParamListInfo params, const char *value);
extern void deltaetl_params_add_name(ParamListInfo params, const char *value);
extern void deltaetl_params_add_bigint(ParamListInfo params, int64 value);

/* spi.c */
typedef void (*RowCallback) (TupleTableSlot *slot, void *arg);
typedef bool (*QueryTest) (const Query *query, const Mapping *mapping);

extern int	deltaetl_spi_begin(void);
extern void deltaetl_spi_end(int nestlevel);
extern void deltaetl_spi_begin_procedure(void);
extern void deltaetl_spi_end_procedure(void);
extern void deltaetl_spi_commit(void);
extern bool deltaetl_spi_check(const char *query, const Mapping *mapping,
							   QueryTest test);
extern void deltaetl_spi_select(const char *query, const Mapping *mapping,
								RowCallback callback, void *arg);
extern void deltaetl_spi_select_shipped(const char *query,
										const Mapping *mapping,
										RowCallback callback, void *arg);
extern bool deltaetl_spi_probe(const char *query, const Mapping *mapping,
							   bool run, char **error);
extern uint64 deltaetl_spi_execute(const char *query, ParamListInfo params,
								   RowCallback callback, void *arg);
extern const char *deltaetl_spi_plan(const char *query, const Mapping *mapping);
extern uint64 deltaetl_spi_modify(const char *query, const Mapping *mapping);
extern void deltaetl_spi_define(const char *command, const MappingSide *side);
extern void deltaetl_spi_select_serially(const char *query,
										 const Mapping *mapping,
										 RowCallback callback, void *arg);
extern void deltaetl_spi_collect(const char *query, const Mapping *mapping,
								 bytea *reference);
extern void deltaetl_spi_unregister(const char *name);
extern void deltaetl_spi_register(const char *name, TupleDesc desc,
								  Tuplestorestate *rows, uint64 count);

/* modify.c */
extern void deltaetl_hold_triggers(void);
typedef struct Modification Modification;

typedef struct ParamType
{
	Oid			type;
	int32		typmod;
} ParamType;

extern Modification *deltaetl_modify_prepare(const char *text, Delta *delta,
											 const ParamType *param_types);
extern bool deltaetl_modify_is_remote(const Modification *modification);
extern uint64 deltaetl_modify_run(Modification *modification, ParamListInfo params,
								  RowCallback callback, void *arg);
extern void deltaetl_modify_end(Modification *modification);
extern uint64 deltaetl_modify(const char *text, Delta *delta,
							  RowCallback callback, void *arg);
extern void deltaetl_fire_triggers(void);

/* delta.c */
extern Delta *deltaetl_delta_create(const Mapping *mapping, bool with_deletes);
extern void deltaetl_delta_put(Delta *delta, int store, Datum *values,
							   bool *isnull);
extern void deltaetl_delta_note_change(Delta *delta, int column,
									   const TupleTableSlot *slot,
									   int source, int target);
extern void deltaetl_delta_register(Delta *delta);
extern void deltaetl_delta_unregister(void);
extern void deltaetl_delta_replace(Delta *delta, int store,
								   Tuplestorestate *rows, uint64 count);
extern void deltaetl_delta_forget_positions(Delta *delta);
extern void deltaetl_delta_take_values(Delta *delta);
extern bool deltaetl_delta_fetches(const Delta *delta, DeltaAction action);
extern void deltaetl_delta_fetch(Delta *delta, DeltaAction first);
extern const char *deltaetl_delta_name(int store);
extern void deltaetl_delta_free(Delta *delta);

/* census.c */

/* How wrong keys of a side are found. */
typedef enum KeyCheck
{
	KEYS_PROVEN,				/* there can be none */
	KEYS_BY_FINGERPRINT,
	KEYS_BY_DIFFERENCE,			/* among the rows that differ */
	KEYS_BY_BUCKET,				/* in the buckets that differ */
	KEYS_BY_CENSUS,				/* by a query of its own */
	KEYS_BY_SERVER				/* which the other server answers */
} KeyCheck;

extern void deltaetl_local_census(Delta *delta, bool count_target);
extern bool deltaetl_keys_are_proven(const Mapping *mapping,
									 const MappingSide *side);
extern KeyCheck deltaetl_key_check(const Mapping *mapping,
								   const MappingSide *side);
extern bool deltaetl_censuses_whole_target(const Mapping *mapping);
extern uint64 deltaetl_take_census(const Mapping *mapping,
								   const MappingSide *side);
extern void deltaetl_check_keys(const Mapping *mapping,
								const MappingSide *side);
extern void deltaetl_append_clipped(StringInfo buf, const char *value);
extern void deltaetl_describe_key(StringInfo buf, const Mapping *mapping,
								  TupleTableSlot *slot);

/* join.c */
extern void deltaetl_join_detect(Delta *delta, const Mapping *extent);
typedef void (*ChangeCallback) (Delta *delta, const TupleTableSlot *slot);

extern void deltaetl_note_joined(Delta *delta, const TupleTableSlot *slot);
extern void deltaetl_take_joined(Delta *delta, TupleTableSlot *slot,
								 ChangeCallback note_changes);

/* layout.c */
extern bool deltaetl_has_canonical_bytes(const MappingColumn *column);
extern Obstacle deltaetl_obstacle_to_canonical_keys(const Mapping *mapping);
extern Obstacle deltaetl_obstacle_to_stored_bytes(const Mapping *mapping);
extern Obstacle deltaetl_obstacle_to_last_hashes(const Mapping *mapping);
extern bool deltaetl_has_toast(const MappingSide *side);

/* fingerprint.c */
typedef struct FingerprintRun FingerprintRun;

extern Obstacle deltaetl_obstacle_to_fingerprints(const Mapping *mapping);
extern Obstacle deltaetl_obstacle_to_key_fingerprints(const Mapping *mapping);
extern void deltaetl_fingerprint_source(Delta *delta);
extern bool deltaetl_fingerprints_tell_keys(const Delta *delta);
extern void deltaetl_fingerprint_detect(Delta *delta);
extern double deltaetl_estimate_rows(const MappingSide *side);

/* diff.c */
extern void deltaetl_check_out_of_scope(const Mapping *mapping, const char *query);
extern void deltaetl_local_detect(Delta *delta);
extern void deltaetl_check_known_keys(const Delta *delta);
extern void deltaetl_local_show(const Delta *delta, DeltaAction action,
								RowCallback callback, void *arg);

/* remote.c */
typedef struct BucketRun BucketRun;

extern KeyCheck deltaetl_remote_key_check(const Mapping *mapping,
										  const MappingSide *side);
extern void deltaetl_remote_census(Delta *delta, bool count_target);
extern void deltaetl_remote_detect(Delta *delta);

/* distributed.c */
extern bool deltaetl_passes_here(const char *node);
extern void deltaetl_distributed_detect(Delta *delta);
extern AppliedCounts deltaetl_distributed_apply(Delta *delta, ChangeLog *log);
extern void deltaetl_distributed_show(const Delta *delta, DeltaAction action,
									  RowCallback callback, void *arg);

/* direct.c */
extern Obstacle deltaetl_obstacle_to_direct(const Delta *delta,
											DeltaAction action);
extern bool deltaetl_can_apply_directly(const Delta *delta, DeltaAction action);
extern uint64 deltaetl_direct_delete(const Delta *delta, ChangeLog *log);
extern uint64 deltaetl_direct_update(Delta *delta, ChangeLog *log);
extern uint64 deltaetl_direct_insert(const Delta *delta, ChangeLog *log);

/* query_overtaken.c */
extern char *deltaetl_overtaken_query(const Mapping *mapping, DeltaAction action);
extern char *deltaetl_not_inserted_query(const Mapping *mapping);

/* overtaken.c */
extern void deltaetl_check_row_locks(const Mapping *mapping);
extern Delta *deltaetl_lock_rows(Delta *delta);
extern void deltaetl_note_not_inserted(Delta *delta, Delta *overtaken,
									   uint64 conflicts);
extern Delta *deltaetl_look_again(Delta *overtaken);
extern void deltaetl_report_overtaken(const Delta *overtaken);

/* apply.c */
extern char *deltaetl_action_query(const Delta *delta, DeltaAction action,
								   const LoggedColumns *logged);
extern Obstacle deltaetl_obstacle_to_rereading(const Delta *delta);
extern AppliedCounts deltaetl_local_apply(Delta *delta, ChangeLog *log);

/* strategy.c */
extern void deltaetl_census(Delta *delta, bool count_target);
extern void deltaetl_detect(Delta *delta);
extern AppliedCounts deltaetl_apply(Delta *delta, ChangeLog *log);
extern void deltaetl_show(const Delta *delta, DeltaAction action,
						  RowCallback callback, void *arg);

#endif							/* DELTAETL_H */
