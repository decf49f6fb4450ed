/* deltaetl--1.0.sql */

-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION deltaetl" to load this file. \quit

-- ---------- hash.c ----------

CREATE FUNCTION deltaetl_encode(VARIADIC "any")
RETURNS bytea
AS 'MODULE_PATHNAME'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 25;

COMMENT ON FUNCTION deltaetl_encode(VARIADIC "any") IS
'canonical bytes of a row of the arguments, the same on any server with any settings';

CREATE FUNCTION deltaetl_row_hash(VARIADIC "any")
RETURNS bytea
AS 'MODULE_PATHNAME'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 50;

COMMENT ON FUNCTION deltaetl_row_hash(VARIADIC "any") IS
'SHA-256 hash, 32 bytes, of the canonical bytes of a row of the arguments; never null';

CREATE FUNCTION deltaetl_record_encode(record)
RETURNS bytea
AS 'MODULE_PATHNAME'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 50;

COMMENT ON FUNCTION deltaetl_record_encode(record) IS
'deltaetl_encode() of the columns of a record, of which there may be more than a function takes arguments';

CREATE FUNCTION deltaetl_record_hash(record)
RETURNS bytea
AS 'MODULE_PATHNAME'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100;

COMMENT ON FUNCTION deltaetl_record_hash(record) IS
'deltaetl_row_hash() of the columns of a record, of which there may be more than a function takes arguments';

CREATE FUNCTION deltaetl_differs_support(internal)
RETURNS internal
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT;

COMMENT ON FUNCTION deltaetl_differs_support(internal) IS
'planner support for deltaetl_differs()';

CREATE FUNCTION deltaetl_differs(a bytea, b bytea)
RETURNS boolean
AS 'MODULE_PATHNAME'
LANGUAGE C IMMUTABLE PARALLEL SAFE
SUPPORT deltaetl_differs_support;

COMMENT ON FUNCTION deltaetl_differs(bytea, bytea) IS
'whether two row hashes are distinct; the planner expects few to be';

-- ---------- collect.c ----------

CREATE FUNCTION deltaetl_fingerprints_add(internal, reference bytea, tableoid oid, ctid tid, VARIADIC "any")
RETURNS internal
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL SAFE COST 25;

CREATE FUNCTION deltaetl_fingerprints_combine(internal, internal)
RETURNS internal
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL SAFE;

CREATE FUNCTION deltaetl_fingerprints_serialize(internal)
RETURNS bytea
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE STRICT PARALLEL SAFE;

CREATE FUNCTION deltaetl_fingerprints_deserialize(bytea, internal)
RETURNS internal
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE STRICT PARALLEL SAFE;

CREATE FUNCTION deltaetl_fingerprints_finish(internal)
RETURNS bigint
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL SAFE;

CREATE AGGREGATE deltaetl_fingerprints(reference bytea, tableoid oid, ctid tid, VARIADIC "any") (
	SFUNC = deltaetl_fingerprints_add,
	STYPE = internal,
	COMBINEFUNC = deltaetl_fingerprints_combine,
	SERIALFUNC = deltaetl_fingerprints_serialize,
	DESERIALFUNC = deltaetl_fingerprints_deserialize,
	FINALFUNC = deltaetl_fingerprints_finish,
	FINALFUNC_MODIFY = READ_WRITE,
	PARALLEL = SAFE);

COMMENT ON AGGREGATE deltaetl_fingerprints(bytea, oid, tid, VARIADIC "any") IS
'part of deltaetl_sync() and deltaetl_diff(), which alone can call it';
COMMENT ON FUNCTION deltaetl_fingerprints_add(internal, bytea, oid, tid, VARIADIC "any") IS
'transition function of deltaetl_fingerprints()';
COMMENT ON FUNCTION deltaetl_fingerprints_combine(internal, internal) IS
'combine function of deltaetl_fingerprints()';
COMMENT ON FUNCTION deltaetl_fingerprints_serialize(internal) IS
'serialize function of deltaetl_fingerprints()';
COMMENT ON FUNCTION deltaetl_fingerprints_deserialize(bytea, internal) IS
'deserialize function of deltaetl_fingerprints()';
COMMENT ON FUNCTION deltaetl_fingerprints_finish(internal) IS
'final function of deltaetl_fingerprints()';

-- ---------- hashes.c ----------

CREATE FUNCTION deltaetl_hashes(
	relation regclass,
	key_columns name[] DEFAULT NULL,
	columns name[] DEFAULT NULL,
	OUT key jsonb,
	OUT row_hash bytea)
RETURNS SETOF record
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;

COMMENT ON FUNCTION deltaetl_hashes(regclass, name[], name[]) IS
'key and row hash of every row of a relation';

-- ---------- diff.c ----------

CREATE FUNCTION deltaetl_diff(
	source regclass,
	target regclass,
	key_columns name[] DEFAULT NULL,
	columns name[] DEFAULT NULL,
	exclude_columns name[] DEFAULT NULL,
	scope text DEFAULT NULL,
	source_hash_column name DEFAULT NULL,
	OUT action text,
	OUT key jsonb,
	OUT changed_columns name[],
	OUT old_row jsonb,
	OUT new_row jsonb)
RETURNS SETOF record
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;

COMMENT ON FUNCTION deltaetl_diff(regclass, regclass, name[], name[], name[], text, name) IS
'rows to insert, update and delete to bring target to the content of source; writes nothing';

-- ---------- runlog.c ----------

CREATE SEQUENCE deltaetl_run_id_seq;
COMMENT ON SEQUENCE deltaetl_run_id_seq IS 'numbers the runs of deltaetl_sync()';

-- Names, not OIDs, so that it outlives dump and restore.  Nobody but the
-- extension writes to it, and nobody reads it but through the views.
CREATE TABLE deltaetl_run_entry (
	run_id bigint PRIMARY KEY,
	job text,
	source_schema name,
	source_name name,
	target_schema name NOT NULL,
	target_name name NOT NULL,
	target_owner name,
	role name NOT NULL,
	started_at timestamptz NOT NULL,
	finished_at timestamptz NOT NULL,
	status text NOT NULL CHECK (status IN ('succeeded', 'failed', 'skipped', 'dry run')),
	inserted bigint,
	updated bigint,
	deleted bigint,
	unchanged bigint,
	resolve_time interval NOT NULL,
	lock_time interval NOT NULL,
	detect_time interval NOT NULL,
	apply_time interval NOT NULL,
	rows_read bigint,
	bytes_read bigint,
	options jsonb NOT NULL,
	key_columns name[],
	xid xid8,
	sqlstate text,
	message text,
	detail text
);
CREATE INDEX deltaetl_run_entry_target ON deltaetl_run_entry (target_schema, target_name, run_id);
CREATE INDEX deltaetl_run_entry_finished ON deltaetl_run_entry (finished_at);
COMMENT ON TABLE deltaetl_run_entry IS 'the runs; see deltaetl_run_log';

SELECT pg_catalog.pg_extension_config_dump('deltaetl_run_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('deltaetl_run_entry', '');

CREATE TABLE deltaetl_change_entry (
	run_id bigint NOT NULL,
	position bigint NOT NULL,
	action text NOT NULL,
	key jsonb NOT NULL,
	changed_columns name[],
	old_row jsonb,
	new_row jsonb,
	old_text jsonb,
	new_text jsonb,
	PRIMARY KEY (run_id, position)
);
COMMENT ON TABLE deltaetl_change_entry IS 'rows that runs have changed; see deltaetl_change_log';
SELECT pg_catalog.pg_extension_config_dump('deltaetl_change_entry', '');

-- ---------- sync.c ----------

CREATE FUNCTION deltaetl_sync(
	source regclass,
	target regclass,
	key_columns name[] DEFAULT NULL,
	columns name[] DEFAULT NULL,
	exclude_columns name[] DEFAULT NULL,
	deletes text DEFAULT 'ignore',
	scope text DEFAULT NULL,
	allow_empty_source boolean DEFAULT false,
	max_delete_pct float8 DEFAULT NULL,
	dry_run boolean DEFAULT false,
	source_hash_column name DEFAULT NULL,
	log_changes text DEFAULT 'none',
	if_running text DEFAULT 'wait',
	max_delete_rows bigint DEFAULT NULL,
	max_update_pct float8 DEFAULT NULL,
	OUT run_id bigint,
	OUT inserted bigint,
	OUT updated bigint,
	OUT deleted bigint,
	OUT unchanged bigint,
	OUT elapsed interval)
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;

COMMENT ON FUNCTION deltaetl_sync(regclass, regclass, name[], name[], name[], text, text, boolean, float8, boolean, name, text, text, bigint, float8) IS
'bring target to the content of source, touching only rows that differ';

-- ---------- track.c ----------

CREATE FUNCTION deltaetl_track(
	target regclass,
	columns name[] DEFAULT NULL,
	hash_column name DEFAULT 'row_hash',
	algorithm text DEFAULT 'sha256')
RETURNS void
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;

COMMENT ON FUNCTION deltaetl_track(regclass, name[], name, text) IS
'add a generated column to target that stores the hash of each row; rewrites the table';

CREATE FUNCTION deltaetl_untrack(target regclass)
RETURNS void
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;

COMMENT ON FUNCTION deltaetl_untrack(regclass) IS
'drop what deltaetl_track() has added';

-- ---------- verify.c ----------

CREATE FUNCTION deltaetl_verify(
	target regclass,
	hash_column name DEFAULT NULL,
	OUT key jsonb,
	OUT stored_hash bytea,
	OUT row_hash bytea)
RETURNS SETOF record
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;

COMMENT ON FUNCTION deltaetl_verify(regclass, name) IS
'rows of target whose stored hash is not the hash of the row; writes nothing';
