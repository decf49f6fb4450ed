/*-------------------------------------------------------------------------
 *
 * deltaetl.h
 *	  What the files of deltaetl share: the mapping, the delta, prototypes.
 *
 * Dependencies point one way:
 *
 *		job_run -> job_entry, job_options, sync
 *		job -> job_entry, job_options, job_cron, lock
 *		job_cron -> job_entry -> owner, names
 *		sync -> options, runlog, lock, snapshot, diff, guard, apply
 *		revert -> reversal, runlog, lock, snapshot, apply
 *		reversal -> logged_run, image, compare
 *		runlog, logged_run, changes -> owner
 *		lock -> mapping, scope
 *		mapping -> key, mapping_hash, relation, names, privileges, coerce
 *		track, verify -> stored, mapping
 *		diff -> census, fingerprint, join
 *		fingerprint -> layout, collection, positions, lone_rows
 *		collect, collection, positions -> setdiff, runs, stored_row, compare
 *		apply -> direct, modify, changelog
 *		direct, changelog -> batch
 *		changelog -> image, compare, owner
 *		explain -> lock, census, fingerprint, apply
 *		all of these -> delta, query, spi, progress
 *		spi, modify -> execute
 *		hash -> encode
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
#include "datatype/timestamp.h"
#include "executor/instrument.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "nodes/params.h"
#include "nodes/parsenodes.h"
#include "nodes/pg_list.h"
#include "storage/lockdefs.h"
#include "utils/jsonb.h"
#include "utils/rel.h"
#include "utils/tuplestore.h"

/* How many keys an error names. */
#define KEYS_SHOWN 10

/* Of each of its columns at most that much. */
#define KEY_BYTES_SHOWN 64

/* Most arguments of a function call, also VARIADIC (FUNC_MAX_ARGS). */
#define MAX_HASH_ARGUMENTS FUNC_MAX_ARGS

/* What the column of a stored hash is called unless told. */
#define DEFAULT_HASH_COLUMN "row_hash"

/* ---------- decisions ---------- */

/*
 * What keeps a faster way from being taken.  The functions that decide return
 * it, and explain_words.c has words for it.
 */
typedef enum ObstacleKind
{
	NO_OBSTACLE,
	OBSTACLE_SETTING,			/* deltaetl.detection */

	/* a relation, by its name */
	OBSTACLE_VIEW,
	OBSTACLE_FOREIGN_TABLE,
	OBSTACLE_FOREIGN_PART,
	OBSTACLE_PARTITIONED,
	OBSTACLE_CHILDREN,
	OBSTACLE_TRIGGERS,
	OBSTACLE_ROW_SECURITY,
	OBSTACLE_ACCESS_METHOD,
	OBSTACLE_VIRTUAL,			/* generated columns that are not stored */
	OBSTACLE_PRIVILEGE,			/* SELECT on all of it */
	OBSTACLE_LAYOUT,
	OBSTACLE_NO_TABLE,			/* but only partitioned ones */
	OBSTACLE_MANY_TABLES,

	/* of a column, by its name */
	OBSTACLE_RESERVED_NAME,
	OBSTACLE_KEY_BYTES,			/* equal keys may differ in bytes */
	OBSTACLE_RECAST,			/* its values have to be assigned */
	OBSTACLE_NOT_MAPPED,		/* stored, but not from the source */
	OBSTACLE_NULLABLE,
	OBSTACLE_COLLATION,			/* calls more values equal than an index */

	/* to the use of a stored hash */
	OBSTACLE_NOT_TRACKED,
	OBSTACLE_HASH_PRIVILEGE,
	OBSTACLE_HASH_LACKS,		/* a compared column */
	OBSTACLE_HASH_HAS,			/* a column that is not compared */
	OBSTACLE_HASH_REPEATS,		/* a column */
	OBSTACLE_OTHER_HASH,
	OBSTACLE_HASH_BELIEVED,
	OBSTACLE_ALGORITHM,
	OBSTACLE_NOT_LAST,			/* column of a table, which is named */

	OBSTACLE_KEY_WIDTH,
	OBSTACLE_LOAD,
	OBSTACLE_SNAPSHOT,			/* older than the locks */
	OBSTACLE_SCOPE,
	OBSTACLE_NO_INDEX,
	OBSTACLE_DEFERRABLE,		/* index */
	OBSTACLE_BY_VALUE,			/* rows of the source have no position */
	OBSTACLE_DELETE
} ObstacleKind;

#define OBSTACLE_KINDS (OBSTACLE_DELETE + 1)

typedef struct Obstacle
{
	ObstacleKind kind;
	const char *name;			/* quoted, of what is in the way; or NULL */
	AttrNumber	attnum;			/* from which on layouts differ, or 0 */
} Obstacle;

static inline Obstacle
deltaetl_obstacle(ObstacleKind kind, const char *name)
{
	Obstacle	obstacle = {.kind = kind,.name = name};

	return obstacle;
}

static inline bool
deltaetl_is_free(Obstacle obstacle)
{
	return obstacle.kind == NO_OBSTACLE;
}

/* ---------- mapping ---------- */

/* What the caller of deltaetl_sync() and its kin asked for. */
typedef struct MappingRequest
{
	Oid			source;			/* InvalidOid: there is only a target */
	Oid			target;
	List	   *key_columns;	/* of char *, as are the others */
	bool		own_key;		/* nobody can name another than the target's */
	bool		all_columns;	/* columns was not given */
	List	   *columns;
	List	   *exclude_columns;
	char	   *scope;			/* NULL: none */
	char	   *source_hash_column; /* NULL: none is believed */
	Oid			extension;		/* its schema */
	AclMode		privileges;		/* ACL_* needed on the target */
	bool		whole_rows;		/* all columns of the target are read */
} MappingRequest;

/* What is done with a column of the target, or why it is left out. */
typedef enum ColumnUse
{
	COLUMN_COMPARED,
	COLUMN_EXCLUDED,
	COLUMN_GENERATED,
	COLUMN_NOT_NAMED,
	COLUMN_NOT_IN_SOURCE
} ColumnUse;

/* A column that both sides have, with the target's type. */
typedef struct MappingColumn
{
	ColumnUse	use;			/* unless it is of the key */
	char	   *name;
	char	   *quoted;
	const char *sort_name;		/* what columns other than the key's go by */
	AttrNumber	attnum;			/* in the target */
	AttrNumber	source_attnum;
	Oid			type;
	int32		typmod;
	Oid			collation;
	Oid			source_type;
	int32		source_typmod;
	bool		recast;			/* the source's type or typmod is another */
	bool		generated;		/* neither compared nor written */
	bool		identity;		/* GENERATED ALWAYS AS IDENTITY */

	/* of a column of the key */
	Oid			equality;		/* operator that matches keys */
	Oid			key_collation;
	bool		nullable;		/* NULL matches NULL */
} MappingColumn;

typedef struct MappingSide
{
	Oid			relid;
	char	   *schema;
	char	   *name;			/* for messages */
	char	   *quoted;			/* schema and name, for SQL */
	bool		exists;			/* false for the source of a lone target */
	bool		keys_unique;	/* an index proves that keys are unique */
	bool		keys_not_null;	/* constraints prove that keys are not NULL */
	const char *unique_index;	/* that proves it, quoted */
	Obstacle	duplicates;		/* what keeps keys from being proved unique */
	Obstacle	nulls;			/* and from being proved not NULL */
	bool		has_children;	/* rows may lie in other tables */
	List	   *tree;			/* it and all of its children, as locked */
} MappingSide;

/* A generated column that holds the hash of its row. */
typedef struct StoredHash
{
	AttrNumber	attnum;
	char	   *name;
	int			ncolumns;
	AttrNumber *columns;		/* that the expression hashes, in its order */
	char	   *algorithm;		/* as digest() calls it; "sha256" is our own */
} StoredHash;

/* Why a key is the key. */
typedef enum KeyOrigin
{
	KEY_GIVEN,
	KEY_PRIMARY,
	KEY_UNIQUE
} KeyOrigin;

/*
 * How the rows of source and target correspond.  columns[] has the key
 * first, in its order, then the compared columns by name in byte order;
 * common[] has every column that scope may speak of.
 */
typedef struct Mapping
{
	Oid			extension;		/* its schema */
	char	   *schema;			/* the same, quoted */
	MappingSide source;
	MappingSide target;
	KeyOrigin	key_origin;
	const char *key_index;		/* that says how keys match, quoted; or NULL */
	int			nkeys;
	int			ncolumns;
	MappingColumn *columns;
	int			ncommon;
	MappingColumn *common;
	List	   *left_out;		/* MappingColumns that are not compared */
	bool		own_key;		/* the caller had no way to name another */
	bool		nulls_match;	/* keys may be NULL and match each other */
	bool		by_ctid;		/* ctid and tableoid identify target rows */
	Obstacle	ctid_obstacle;	/* to that */
	bool		by_fingerprint; /* and those of both sides can be read whole */
	bool		target_moves;	/* a trigger may write to rows before us */
	bool		target_has_triggers;	/* of its users */
	const StoredHash *hash;		/* the target's, of the columns compared */
	char	   *source_hash;	/* column of the source with the same, quoted */
	bool		source_hash_believed;	/* because the caller says so */
	char	   *untracked;		/* column that keeps a hash from being used */
	Obstacle	hash_obstacle;	/* to the use of the target's hash */
	Obstacle	source_hash_obstacle;
	char	   *scope;
} Mapping;

extern bool deltaetl_is_guarded(const Mapping *mapping, int column);

/* ---------- options ---------- */

typedef enum LogLevel
{
	LOG_NONE,
	LOG_KEYS,
	LOG_ROWS
} LogLevel;

/* What to do while another run works on the target. */
typedef enum IfRunning
{
	RUNNING_WAIT,
	RUNNING_SKIP,
	RUNNING_ERROR
} IfRunning;

/* The value of a limit that is not set. */
#define NO_LIMIT (-1)

/* What a run is to do. */
typedef struct SyncOptions
{
	MappingRequest request;
	bool		deletes;
	bool		allow_empty_source;
	float8		max_delete_pct;
	int64		max_delete_rows;
	float8		max_update_pct;
	bool		dry_run;
	LogLevel	log_changes;
	IfRunning	if_running;
	const char *job;			/* NULL: it is not the run of one */
	bool		force;			/* whatever the guards say */
	Jsonb	   *given;			/* those that the caller has set */
} SyncOptions;

/* How the target is locked.  A dry run lets others go on writing to it. */
static inline LOCKMODE
deltaetl_target_lock(const SyncOptions *options)
{
	return options->dry_run ? AccessShareLock : ShareRowExclusiveLock;
}

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
	bool		unconfirmed;	/* rows to update may turn out to be the same */
	TupleDesc	desc;			/* of its rows, or their positions */
	Tuplestorestate *rows[DELTA_STORES];
	uint64		count[DELTA_STORES];
	uint64		source_rows;	/* in scope */
	uint64		target_rows;	/* in scope; counted only if asked for */
	struct FingerprintRun *fingerprints;	/* if detection is by them */
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

/* ---------- run ---------- */

typedef struct AppliedCounts
{
	uint64		count[DELTA_ACTIONS];
} AppliedCounts;

typedef enum RunPhase
{
	RUN_RESOLVE,
	RUN_LOCK,
	RUN_DETECT,
	RUN_APPLY
} RunPhase;

#define RUN_PHASES (RUN_APPLY + 1)

typedef enum RunStatus
{
	RUN_SUCCEEDED,
	RUN_FAILED,
	RUN_SKIPPED,
	RUN_DRY
} RunStatus;

typedef struct RelationName
{
	const char *schema;
	const char *name;			/* NULL: there is none */
} RelationName;

/* One execution of a sync, and what the run log says of it. */
typedef struct Run
{
	int64		run_id;			/* 0: not numbered yet */
	const SyncOptions *options;
	Oid			extension;		/* its schema */
	Oid			role;			/* that it was begun by */
	RelationName source;
	RelationName target;
	List	   *key_columns;	/* of char * */
	TimestampTz started;
	TimestampTz finished;
	RunPhase	phase;
	TimestampTz entered;		/* when this phase began */
	int64		spent[RUN_PHASES];	/* microseconds */
	BufferUsage pages_before;
	uint64		rows_read;
	uint64		bytes_read;
	AppliedCounts applied;
	uint64		unchanged;
	const char *sqlstate;		/* of a failure */
	const char *message;
	const char *detail;
} Run;

/* Tables of the extension. */
#define RUN_TABLE "deltaetl_run_entry"
#define TOTAL_TABLE "deltaetl_total_entry"
#define CHANGE_TABLE "deltaetl_change_entry"
#define JOB_TABLE "deltaetl_job_entry"

/* Those columns of an entry in the run log that do not fill in themselves. */
#define RUN_COLUMNS 26

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

/* options.c */
extern SyncOptions deltaetl_read_options(FunctionCallInfo fcinfo);
extern SyncOptions deltaetl_parse_options(Jsonb *object, Oid source,
										  Oid target, Oid extension,
										  const char *const *others);

/* key.c */
extern void deltaetl_resolve_key(Mapping *mapping, Relation target,
								 List *key_columns);

/* key_proof.c */
extern void deltaetl_prove_source_keys(Mapping *mapping, Relation source);

/* names.c */

/* A name that does not exist, and the nearest to it of those that do. */
typedef struct NearName
{
	const char *wanted;
	char		nearest[NAMEDATALEN];	/* empty: none is near */
	int			limit;			/* how far the next may be */
} NearName;

extern void deltaetl_near_begin(NearName *near, const char *wanted);
extern void deltaetl_near_offer(NearName *near, const char *candidate);
extern AttrNumber deltaetl_column_number(Relation rel, const char *name);
extern void deltaetl_unknown_column(Relation rel, const char *name);

/* relation.c */
extern Relation deltaetl_open_relation(Oid relid);
extern void deltaetl_check_source_kind(Relation rel);
extern void deltaetl_check_target_kind(Relation rel);
extern void deltaetl_check_tracked_kind(Relation rel);
extern void deltaetl_check_logged_kind(Relation rel);
extern bool deltaetl_has_foreign_children(Oid relid);
extern const char *deltaetl_quote_relation(Oid relid);
extern void deltaetl_note_triggers(Mapping *mapping);

/* mapping.c */
extern Mapping *deltaetl_resolve(const MappingRequest *request,
								 const char *schema);
extern void deltaetl_describe_side(MappingSide *side, Relation rel);
extern const char *deltaetl_unmapped_column(const Mapping *mapping,
											Relation target);

/* mapping_hash.c */
extern void deltaetl_resolve_hash(Mapping *mapping,
								  const MappingRequest *request,
								  Relation source, Relation target);
extern void deltaetl_notice_untracked(const Mapping *mapping);
extern char *deltaetl_hash_of(const Mapping *mapping, const char *alias,
							  bool alias_is_relation);

/* privileges.c */
extern void deltaetl_check_owner(Relation rel);
extern void deltaetl_check_readable(Relation rel);
extern void deltaetl_check_whole_rows(Relation rel);
extern void deltaetl_check_sees_all(Relation rel);
extern bool deltaetl_may_read(Relation rel, AttrNumber attnum);
extern void deltaetl_check_updatable(Relation rel, List *columns);
extern void deltaetl_check_privileges(Mapping *mapping, Relation source,
									  Relation target, AclMode privileges);

/* stored.c */
extern List *deltaetl_stored_hashes(Relation rel, Oid extension_namespace);
extern StoredHash *deltaetl_find_stored_hash(Relation rel,
											 Oid extension_namespace,
											 const char *column);
extern char *deltaetl_hash_expression(const StoredHash *hash,
									  const char *schema,
									  const char **references);

/* scope.c */
extern void deltaetl_check_scope_syntax(const Mapping *mapping);
extern void deltaetl_check_scope(const Mapping *mapping);

/* lock.c */
extern void deltaetl_check_request(const MappingRequest *request,
								   const char *schema);
extern bool deltaetl_mark_running(Oid target);
extern Mapping *deltaetl_lock_and_resolve(const MappingRequest *request,
										  const char *schema,
										  LOCKMODE target_mode);
extern void deltaetl_check_trees(const Mapping *mapping);

/* snapshot.c */
extern void deltaetl_check_snapshot(const Mapping *mapping);

/* coerce.c */
extern void deltaetl_coerce_setup(struct ParseState *pstate, void *arg);
extern void deltaetl_collect_setup(struct ParseState *pstate, void *arg);
extern bool deltaetl_can_assign(Oid source_type, Oid target_type);

/* query.c */
extern char *deltaetl_scope_query(const Mapping *mapping, const MappingSide *side);
extern char *deltaetl_count_query(const Mapping *mapping, const MappingSide *side);
extern char *deltaetl_census_query(const Mapping *mapping, const MappingSide *side);
extern char *deltaetl_offenders_query(const Mapping *mapping,
									  const MappingSide *side, bool nulls);
extern char *deltaetl_hashes_query(const Mapping *mapping);

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
extern char *deltaetl_diff_query(const Delta *delta, DeltaAction action);
extern char *deltaetl_delete_query(const Mapping *mapping,
								   const LoggedColumns *logged);
extern bool deltaetl_updates_by_ctid(const Delta *delta);
extern char *deltaetl_update_query(const Delta *delta,
								   const LoggedColumns *logged);
extern char *deltaetl_insert_query(const Delta *delta,
								   const LoggedColumns *logged);
extern char *deltaetl_new_rows_query(const Delta *delta);
extern char *deltaetl_rows_query(const Delta *delta, DeltaAction action);

/* query_track.c */
extern char *deltaetl_track_query(const Mapping *mapping,
								  const char *hash_column,
								  const char *algorithm);
extern char *deltaetl_untrack_query(const MappingSide *target, List *hashes);
extern char *deltaetl_verify_query(const Mapping *mapping, Relation target,
								   const char *hash_column,
								   const StoredHash *hash);

/* spi.c */
typedef void (*RowCallback) (TupleTableSlot *slot, void *arg);

extern int	deltaetl_spi_begin(void);
extern void deltaetl_spi_end(int nestlevel);
extern void deltaetl_spi_begin_procedure(void);
extern void deltaetl_spi_end_procedure(void);
extern void deltaetl_spi_commit(void);
extern void deltaetl_spi_check(const char *query, const Mapping *mapping);
extern void deltaetl_spi_select(const char *query, const Mapping *mapping,
								RowCallback callback, void *arg);
extern uint64 deltaetl_spi_execute(const char *query, ParamListInfo params,
								   RowCallback callback, void *arg);
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
extern uint64 deltaetl_modify(const char *text, const Delta *delta,
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
extern void deltaetl_delta_forget_positions(Delta *delta);
extern void deltaetl_delta_take_values(Delta *delta);
extern const char *deltaetl_delta_name(int store);
extern void deltaetl_delta_free(Delta *delta);

/* census.c */

/* How wrong keys of a side are found. */
typedef enum KeyCheck
{
	KEYS_PROVEN,				/* there can be none */
	KEYS_BY_FINGERPRINT,
	KEYS_BY_DIFFERENCE,			/* among the rows that differ */
	KEYS_BY_CENSUS				/* by a query of its own */
} KeyCheck;

extern void deltaetl_census(Delta *delta, bool count_target);
extern bool deltaetl_keys_are_proven(const Mapping *mapping,
									 const MappingSide *side);
extern KeyCheck deltaetl_key_check(const Mapping *mapping,
								   const MappingSide *side);
extern bool deltaetl_censuses_whole_target(const Mapping *mapping);
extern uint64 deltaetl_take_census(const Mapping *mapping,
								   const MappingSide *side);
extern void deltaetl_check_keys(const Mapping *mapping,
								const MappingSide *side);
extern void deltaetl_describe_key(StringInfo buf, const Mapping *mapping,
								  TupleTableSlot *slot);

/* join.c */
extern void deltaetl_join_detect(Delta *delta);
typedef void (*ChangeCallback) (Delta *delta, const TupleTableSlot *slot);

extern void deltaetl_take_joined(Delta *delta, TupleTableSlot *slot,
								 ChangeCallback note_changes);

/* layout.c */
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
extern void deltaetl_detect(Delta *delta);

/* direct.c */
extern Obstacle deltaetl_obstacle_to_direct(const Delta *delta,
											DeltaAction action);
extern bool deltaetl_can_apply_directly(const Delta *delta, DeltaAction action);
extern uint64 deltaetl_direct_update(Delta *delta, ChangeLog *log);
extern uint64 deltaetl_direct_insert(const Delta *delta, ChangeLog *log);

/* apply.c */
extern char *deltaetl_action_query(const Delta *delta, DeltaAction action,
								   const LoggedColumns *logged);
extern Obstacle deltaetl_obstacle_to_rereading(const Delta *delta);
extern AppliedCounts deltaetl_apply(Delta *delta, ChangeLog *log);

/* guard.c */
extern bool deltaetl_guards_count_target(const SyncOptions *options);
extern void deltaetl_guard_source(const SyncOptions *options, const Delta *delta);
extern void deltaetl_guard_delta(const SyncOptions *options, const Delta *delta);

/* owner.c */
extern Oid	deltaetl_relation_owner(Oid relid);
extern Oid	deltaetl_own_relation(Oid extension, const char *name);
extern uint64 deltaetl_owner_execute(Oid extension, const char *query,
									 ParamListInfo params,
									 RowCallback callback, void *arg);

/* runlog.c */
extern RelationName deltaetl_relation_name(Oid relid);
extern void deltaetl_run_begin(Run *run, const SyncOptions *options);
extern void deltaetl_run_enter(Run *run, RunPhase phase);
extern void deltaetl_run_number(Run *run);
extern void deltaetl_run_note_reading(Run *run, uint64 rows);
extern void deltaetl_run_end(Run *run, RunStatus status);

/* sync.c */
extern RunStatus deltaetl_run_sync(Run *run);

#endif							/* DELTAETL_H */
