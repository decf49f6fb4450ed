/*-------------------------------------------------------------------------
 *
 * mapping.h
 *	  How the rows of source and target correspond, and what decides on it.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#ifndef DELTAETL_MAPPING_H
#define DELTAETL_MAPPING_H

#include "postgres.h"

#include "nodes/bitmapset.h"
#include "nodes/parsenodes.h"
#include "nodes/pg_list.h"
#include "storage/lockdefs.h"
#include "utils/rel.h"

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
	OBSTACLE_ELSEWHERE,			/* where Citus keeps it */
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
	OBSTACLE_PARTITION_KEY,		/* an update may move rows */
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

	/* to digests from another server */
	OBSTACLE_BELIEF,			/* a hash of the source is believed */
	OBSTACLE_BUCKET_WIDTH,
	OBSTACLE_NOT_SENT,			/* nothing of a foreign table is */
	OBSTACLE_COLUMN_NOT_SENT,
	OBSTACLE_SCOPE_NOT_SENT,
	OBSTACLE_SUMS_NOT_SENT,
	OBSTACLE_SERVER,			/* says something */

	OBSTACLE_KEY_WIDTH,
	OBSTACLE_LOAD,
	OBSTACLE_ROW_LOCKS,			/* others may write meanwhile */
	OBSTACLE_SNAPSHOT,			/* older than the locks */
	OBSTACLE_SCOPE,
	OBSTACLE_NO_INDEX,
	OBSTACLE_DEFERRABLE,		/* index */
	OBSTACLE_BY_VALUE,			/* rows of the source have no position */
	OBSTACLE_DELETE,

	/* to leaving an update or delete to another server */
	OBSTACLE_STORED_COLUMNS,
	OBSTACLE_OLD_ROWS,			/* have to be known here */
	OBSTACLE_KEY_NOT_SENT,
	OBSTACLE_VALUE_NOT_SENT
} ObstacleKind;

#define OBSTACLE_KINDS (OBSTACLE_VALUE_NOT_SENT + 1)

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

/* ---------- placement ---------- */

/* Where Citus keeps the rows of a relation. */
typedef enum PlacementKind
{
	PLACED_HERE,				/* or where a view or wrapper has them from */
	PLACED_LOCALLY,				/* here as well, but as a shard */
	PLACED_DISTRIBUTED,			/* in shards, by the values of a column */
	PLACED_TOGETHER,			/* in one shard, on one node */
	PLACED_EVERYWHERE			/* a reference table */
} PlacementKind;

typedef struct Placement
{
	PlacementKind kind;
	AttrNumber	column;			/* by which rows are distributed, or 0 */
	uint32		colocation;		/* shards of the same group lie together */
} Placement;

/* ---------- mapping ---------- */

/* What the caller of deltaetl_sync() and its kin asked for. */
typedef struct MappingRequest
{
	Oid			source;			/* InvalidOid: there is only a target */
	Oid			target;
	List	   *key_columns;	/* of char *, as are the others */
	bool		keyless;		/* rows need not be told apart */
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
	bool		distributes;	/* rows of one of the sides over nodes */
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
	bool		is_foreign;		/* a foreign table */
	List	   *tree;			/* it and all of its children, as locked */
	Obstacle	leaves;			/* to reading and writing its partitions on
								 * their own */
	Bitmapset  *partition_columns;	/* what partitions are by; 0: any column */
	Placement	placement;
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
	bool		key_is_constraint;	/* that index */
	Obstacle	arbiter_obstacle;	/* to its keeping one key from being there
									 * twice */
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
	bool		across_servers; /* a side is a foreign table */
	bool		by_digest;		/* and each server adds up hashes of its rows */
	Obstacle	digest_obstacle;	/* to that */
	bool		by_statements;	/* Citus finds and writes what differs */
	bool		node_local;		/* and no row travels between nodes */
	bool		casts_source;	/* where the source is read elsewhere, by
								 * casts that do what assignment does */
	bool		target_moves;	/* a trigger may write to rows before us */
	bool		target_has_triggers;	/* of its users */
	const StoredHash *hash;		/* the target's, of the columns compared */
	char	   *source_hash;	/* column of the source with the same, quoted */
	bool		source_hash_believed;	/* because the caller says so */
	char	   *untracked;		/* column that keeps a hash from being used */
	Obstacle	hash_obstacle;	/* to the use of the target's hash */
	Obstacle	source_hash_obstacle;
	char	   *scope;
	bool		scope_by_key;	/* rows with the same key are both in scope,
								 * or neither */
} Mapping;

extern bool deltaetl_is_guarded(const Mapping *mapping, int column);

/* leaves.c */
extern void deltaetl_note_leaves(MappingSide *side);

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
extern void deltaetl_check_foreign_writes(Relation rel, AclMode privileges);
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
extern void deltaetl_check_may_read(Relation rel, AttrNumber attnum);
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
extern void deltaetl_check_scope(Mapping *mapping);

/* citus.c */
extern void deltaetl_find_placements(Mapping *mapping);

/* placement.c */
extern void deltaetl_resolve_placement(Mapping *mapping);

/* lock.c */
extern void deltaetl_check_request(const MappingRequest *request,
								   const char *schema);
extern bool deltaetl_mark_running(Oid target);
extern Mapping *deltaetl_lock_and_resolve(const MappingRequest *request,
										  const char *schema,
										  LOCKMODE target_mode);
extern void deltaetl_check_trees(const Mapping *mapping);

/* ship.c */
extern bool deltaetl_digests_stored_hash(const Mapping *mapping);
extern bool deltaetl_has_declared_types(const Mapping *mapping, const MappingSide *side);
extern void deltaetl_resolve_remote(Mapping *mapping);

/* snapshot.c */
extern void deltaetl_check_snapshot(const Mapping *mapping);
extern void deltaetl_check_source_files(const Mapping *mapping);

/* coerce.c */
extern void deltaetl_coerce_setup(struct ParseState *pstate, void *arg);
extern void deltaetl_collect_setup(struct ParseState *pstate, void *arg);
extern void deltaetl_place_setup(struct ParseState *pstate, void *arg);
extern bool deltaetl_assigns_values(const Mapping *mapping);
extern bool deltaetl_can_assign(Oid source_type, Oid target_type);

#endif							/* DELTAETL_MAPPING_H */
