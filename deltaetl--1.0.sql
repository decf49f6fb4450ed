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

-- ---------- bucket.c ----------

CREATE FUNCTION deltaetl_bucket(bits integer, VARIADIC "any")
RETURNS bigint
AS 'MODULE_PATHNAME'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 25;

COMMENT ON FUNCTION deltaetl_bucket(integer, VARIADIC "any") IS
'the first bits, up to 63, of a hash of the canonical bytes of a row of the other arguments; never null';

CREATE FUNCTION deltaetl_check_types(expected bytea, VARIADIC "any")
RETURNS boolean
AS 'MODULE_PATHNAME'
LANGUAGE C IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION deltaetl_check_types(bytea, VARIADIC "any") IS
'true; an error if the types of the other arguments, and the version of their canonical bytes, are not those expected';

-- ---------- check_table.c ----------

CREATE FUNCTION deltaetl_check_table(schema bytea, name bytea, ctid tid)
RETURNS boolean
AS 'MODULE_PATHNAME'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION deltaetl_check_table(bytea, bytea, tid) IS
'true; an error if a relation, its names in UTF-8, is not a table without partitions and children';

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

-- ---------- assign.c ----------

CREATE FUNCTION deltaetl_assign(internal, type oid, typmod integer, place text, key_names text, VARIADIC "any")
RETURNS internal
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION deltaetl_assign(internal, oid, integer, text, text, VARIADIC "any") IS
'part of deltaetl_sync() and deltaetl_diff(), which alone can call it';

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

-- ---------- digest_agg.c ----------

CREATE FUNCTION deltaetl_digest_add(bytea, bytea)
RETURNS bytea
AS 'MODULE_PATHNAME'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION deltaetl_digest_combine(bytea, bytea)
RETURNS bytea
AS 'MODULE_PATHNAME'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION deltaetl_digest_final(bytea)
RETURNS bytea
AS 'MODULE_PATHNAME'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

-- The state is a sum of 32 bytes and a count of 8.
CREATE AGGREGATE deltaetl_digest_agg(hash bytea) (
	SFUNC = deltaetl_digest_add,
	STYPE = bytea,
	SSPACE = 64,
	INITCOND = '\x00000000000000000000000000000000000000000000000000000000000000000000000000000000',
	COMBINEFUNC = deltaetl_digest_combine,
	FINALFUNC = deltaetl_digest_final,
	PARALLEL = SAFE);

COMMENT ON AGGREGATE deltaetl_digest_agg(bytea) IS
'one digest, 32 bytes, of row hashes in any order; copies count, nulls do not';
COMMENT ON FUNCTION deltaetl_digest_add(bytea, bytea) IS
'transition function of deltaetl_digest_agg()';
COMMENT ON FUNCTION deltaetl_digest_combine(bytea, bytea) IS
'combine function of deltaetl_digest_agg()';
COMMENT ON FUNCTION deltaetl_digest_final(bytea) IS
'final function of deltaetl_digest_agg()';

-- ---------- digest.c ----------

CREATE FUNCTION deltaetl_digest(
	relation regclass,
	columns name[] DEFAULT NULL,
	scope text DEFAULT NULL,
	OUT rows bigint,
	OUT digest bytea)
RETURNS record
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;

COMMENT ON FUNCTION deltaetl_digest(regclass, name[], text) IS
'number of rows and one digest of the content of a relation, the same wherever and however it is stored';

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

-- What pruned runs have done, so that totals never shrink.
CREATE TABLE deltaetl_total_entry (
	target_schema name,
	target_name name,
	runs bigint NOT NULL,
	failures bigint NOT NULL,
	skipped bigint NOT NULL,
	inserted numeric NOT NULL,
	updated numeric NOT NULL,
	deleted numeric NOT NULL,
	unchanged numeric NOT NULL,
	total_time interval NOT NULL,
	last_run timestamptz,
	last_success timestamptz,
	PRIMARY KEY (target_schema, target_name)
);
COMMENT ON TABLE deltaetl_total_entry IS 'totals of runs that have been pruned; see deltaetl_stats';
SELECT pg_catalog.pg_extension_config_dump('deltaetl_total_entry', '');

-- A run is seen by who may read its target; if that is gone, by the role that
-- ran it.  What a message or a scope quotes may be of a row, so it takes the
-- right to all of the table, and the table has to belong to whom it belonged,
-- or else whoever makes a new one of that name could read it.
CREATE VIEW deltaetl_run_log WITH (security_barrier) AS
SELECT r.run_id, r.job,
	pg_catalog.quote_ident(r.source_schema) || '.' || pg_catalog.quote_ident(r.source_name) AS source,
	pg_catalog.quote_ident(r.target_schema) || '.' || pg_catalog.quote_ident(r.target_name) AS target,
	r.status, r.inserted, r.updated, r.deleted, r.unchanged,
	r.started_at, r.finished_at, r.finished_at - r.started_at AS elapsed,
	r.resolve_time, r.lock_time, r.detect_time, r.apply_time,
	r.rows_read, r.bytes_read,
	CASE WHEN v.all_rows THEN r.options ELSE r.options - 'scope' END AS options,
	r.xid, r.role, r.sqlstate,
	CASE WHEN v.all_rows THEN r.message END AS message,
	CASE WHEN v.all_rows THEN r.detail END AS detail
FROM deltaetl_run_entry AS r
	LEFT JOIN pg_catalog.pg_namespace AS n ON n.nspname = r.target_schema
	LEFT JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = r.target_name
		AND c.relkind IN ('r', 'p')
	LEFT JOIN pg_catalog.pg_roles AS o ON o.rolname = r.role
	CROSS JOIN (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) AS u
	CROSS JOIN LATERAL (SELECT
		u.rolsuper OR CASE WHEN c.oid IS NULL THEN pg_catalog.pg_has_role(o.oid, 'USAGE')
			ELSE pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND
				pg_catalog.has_any_column_privilege(c.oid, 'SELECT') END AS run,
		u.rolsuper OR pg_catalog.pg_has_role(o.oid, 'USAGE') OR
			pg_catalog.has_table_privilege(c.oid, 'SELECT') AND
			NOT pg_catalog.row_security_active(c.oid) AND
			pg_catalog.pg_get_userbyid(c.relowner) = r.target_owner AS all_rows) AS v
WHERE v.run;
COMMENT ON VIEW deltaetl_run_log IS 'runs on tables that you may read: what they did, when, how long, and why they failed';
GRANT SELECT ON deltaetl_run_log TO PUBLIC;

CREATE VIEW deltaetl_recent_runs WITH (security_barrier) AS
SELECT run_id, pg_catalog.date_trunc('second', started_at) AS started_at, job, target, status,
	inserted, updated, deleted, elapsed::interval(3) AS elapsed,
	message
FROM deltaetl_run_log
ORDER BY run_id DESC
LIMIT 20;
COMMENT ON VIEW deltaetl_recent_runs IS 'the last 20 runs of deltaetl_run_log, for reading';
GRANT SELECT ON deltaetl_recent_runs TO PUBLIC;

-- Runs that were skipped or only looked have done nothing, so they do not
-- count as runs.
CREATE VIEW deltaetl_stats WITH (security_barrier) AS
SELECT pg_catalog.quote_ident(a.target_schema) || '.' || pg_catalog.quote_ident(a.target_name) AS target,
	a.runs::bigint, a.failures::bigint, a.skipped::bigint,
	a.inserted, a.updated, a.deleted, a.unchanged,
	pg_catalog.round(EXTRACT(epoch FROM a.total_time), 3) AS total_seconds,
	pg_catalog.round(EXTRACT(epoch FROM a.total_time) / NULLIF(a.runs, 0), 3) AS mean_seconds,
	pg_catalog.date_trunc('second', a.last_run) AS last_run,
	CASE WHEN a.last_run = a.last_success THEN 'succeeded'
		WHEN a.last_run IS NOT NULL THEN 'failed' END AS last_status,
	pg_catalog.date_trunc('second', a.last_success) AS last_success
FROM (
	SELECT target_schema, target_name,
		pg_catalog.sum(runs) AS runs, pg_catalog.sum(failures) AS failures,
		pg_catalog.sum(skipped) AS skipped, pg_catalog.sum(inserted) AS inserted,
		pg_catalog.sum(updated) AS updated, pg_catalog.sum(deleted) AS deleted,
		pg_catalog.sum(unchanged) AS unchanged, pg_catalog.sum(total_time) AS total_time,
		pg_catalog.max(last_run) AS last_run, pg_catalog.max(last_success) AS last_success
	FROM (
		TABLE deltaetl_total_entry
		UNION ALL
		SELECT target_schema, target_name,
			count(*) FILTER (WHERE status IN ('succeeded', 'failed')),
			count(*) FILTER (WHERE status = 'failed'),
			count(*) FILTER (WHERE status = 'skipped'),
			COALESCE(pg_catalog.sum(inserted) FILTER (WHERE status = 'succeeded'), 0),
			COALESCE(pg_catalog.sum(updated) FILTER (WHERE status = 'succeeded'), 0),
			COALESCE(pg_catalog.sum(deleted) FILTER (WHERE status = 'succeeded'), 0),
			COALESCE(pg_catalog.sum(unchanged) FILTER (WHERE status = 'succeeded'), 0),
			COALESCE(pg_catalog.sum(finished_at - started_at)
				FILTER (WHERE status IN ('succeeded', 'failed')), '0'),
			pg_catalog.max(started_at) FILTER (WHERE status IN ('succeeded', 'failed')),
			pg_catalog.max(started_at) FILTER (WHERE status = 'succeeded')
		FROM deltaetl_run_entry
		GROUP BY target_schema, target_name) AS e
	GROUP BY target_schema, target_name) AS a
	LEFT JOIN pg_catalog.pg_namespace AS n ON n.nspname = a.target_schema
	LEFT JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = a.target_name
		AND c.relkind IN ('r', 'p')
WHERE pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND
		pg_catalog.has_any_column_privilege(c.oid, 'SELECT')
	OR (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user);
COMMENT ON VIEW deltaetl_stats IS 'totals of all runs on each table that you may read, those pruned included';
GRANT SELECT ON deltaetl_stats TO PUBLIC;

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

CREATE FUNCTION deltaetl_prune_log(keep interval)
RETURNS bigint
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;

COMMENT ON FUNCTION deltaetl_prune_log(interval) IS
'delete runs that ended longer ago than that, and their changes; returns how many runs';

-- It deletes what users have no right to.
REVOKE EXECUTE ON FUNCTION deltaetl_prune_log(interval) FROM PUBLIC;

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
	lock_mode text DEFAULT 'table',
	OUT run_id bigint,
	OUT inserted bigint,
	OUT updated bigint,
	OUT deleted bigint,
	OUT unchanged bigint,
	OUT elapsed interval)
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;

COMMENT ON FUNCTION deltaetl_sync(regclass, regclass, name[], name[], name[], text, text, boolean, float8, boolean, name, text, text, bigint, float8, text) IS
'bring target to the content of source, touching only rows that differ';

-- ---------- explain.c ----------

CREATE FUNCTION deltaetl_explain(
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
	lock_mode text DEFAULT 'table')
RETURNS SETOF text
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000 ROWS 30;

COMMENT ON FUNCTION deltaetl_explain(regclass, regclass, name[], name[], name[], text, text, boolean, float8, boolean, name, text, text, bigint, float8, text) IS
'what deltaetl_sync() would do with these arguments, and why; reads no rows and writes nothing';

-- ---------- changes.c ----------

-- Changes hold rows, so they are seen by who may read every row of the target,
-- as long as it belongs to whom it belonged: who makes a new table of the same
-- name does not get to see the rows of the old one.
CREATE VIEW deltaetl_change_log WITH (security_barrier) AS
SELECT e.run_id,
	pg_catalog.quote_ident(r.target_schema) || '.' || pg_catalog.quote_ident(r.target_name) AS target,
	e.action, e.key, e.changed_columns, e.old_row, e.new_row
FROM deltaetl_change_entry AS e
	JOIN deltaetl_run_entry AS r ON r.run_id = e.run_id
	LEFT JOIN pg_catalog.pg_namespace AS n ON n.nspname = r.target_schema
	LEFT JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = r.target_name
		AND c.relkind IN ('r', 'p')
	CROSS JOIN (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) AS u
WHERE u.rolsuper OR
	pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND
	pg_catalog.has_table_privilege(c.oid, 'SELECT') AND
	NOT pg_catalog.row_security_active(c.oid) AND
	pg_catalog.pg_get_userbyid(c.relowner) = r.target_owner;
COMMENT ON VIEW deltaetl_change_log IS 'rows that runs have changed in tables of which you may read every row';
GRANT SELECT ON deltaetl_change_log TO PUBLIC;

CREATE FUNCTION deltaetl_changes(
	target regclass,
	after_run bigint DEFAULT 0,
	OUT run_id bigint,
	OUT action text,
	OUT key jsonb,
	OUT changed_columns name[],
	OUT old_row jsonb,
	OUT new_row jsonb)
RETURNS SETOF record
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;

COMMENT ON FUNCTION deltaetl_changes(regclass, bigint) IS
'rows that runs after that one have changed in target, in the order in which they were changed';

-- ---------- revert.c ----------

-- run_id is the run to take back, and in the result the number of the revert.
CREATE FUNCTION deltaetl_revert(
	INOUT run_id bigint,
	on_conflict text DEFAULT 'error',
	OUT inserted bigint,
	OUT updated bigint,
	OUT deleted bigint,
	OUT skipped bigint,
	OUT elapsed interval)
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;

COMMENT ON FUNCTION deltaetl_revert(bigint, text) IS
'take back what a run has changed, where it has not been changed since';

-- ---------- job_entry.c ----------

-- Names, not OIDs, as in the run log, and as closed.
CREATE TABLE deltaetl_job_entry (
	name text PRIMARY KEY,
	source_schema name NOT NULL,
	source_name name NOT NULL,
	target_schema name NOT NULL,
	target_name name NOT NULL,
	schedule text,
	owner name NOT NULL,
	options jsonb NOT NULL
);
COMMENT ON TABLE deltaetl_job_entry IS 'the jobs; see deltaetl_job';
SELECT pg_catalog.pg_extension_config_dump('deltaetl_job_entry', '');

CREATE INDEX deltaetl_run_entry_job ON deltaetl_run_entry (job, run_id) WHERE job IS NOT NULL;

-- A job is seen by its owner, by who may read its target, and by superusers,
-- whatever has been dropped or renamed since it was made.  Its scope may quote
-- rows, so it is for the owner and superusers.
CREATE VIEW deltaetl_job WITH (security_barrier) AS
SELECT j.name,
	pg_catalog.format('%I.%I', j.source_schema, j.source_name) AS source,
	pg_catalog.format('%I.%I', j.target_schema, j.target_name) AS target,
	j.schedule,
	j.owner,
	last.status AS last_status,
	pg_catalog.date_trunc('second', last.started_at)::timestamptz(0) AS last_started,
	last.run_id AS last_run,
	CASE WHEN v.owner THEN j.options ELSE j.options - 'scope' END AS options
FROM deltaetl_job_entry AS j
CROSS JOIN LATERAL (
	SELECT EXISTS (
			SELECT FROM pg_catalog.pg_roles AS o
			WHERE o.rolname = j.owner AND pg_catalog.pg_has_role(o.oid, 'USAGE'))
		OR EXISTS (
			SELECT FROM pg_catalog.pg_roles AS u
			WHERE u.rolname = CURRENT_USER AND u.rolsuper) AS owner) AS v
LEFT JOIN LATERAL (
	SELECT r.status, r.started_at, r.run_id FROM deltaetl_run_entry AS r
	WHERE r.job = j.name AND r.role = j.owner
	ORDER BY r.run_id DESC LIMIT 1) AS last ON true
WHERE v.owner
	OR EXISTS (
		SELECT FROM pg_catalog.pg_namespace AS n
		JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid
		WHERE n.nspname = j.target_schema AND c.relname = j.target_name
			AND c.relkind IN ('r', 'p')
			AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
			AND pg_catalog.has_any_column_privilege(c.oid, 'SELECT'));
COMMENT ON VIEW deltaetl_job IS 'the jobs, and what the last run of each has come to';
COMMENT ON COLUMN deltaetl_job.name IS 'name of the job';
COMMENT ON COLUMN deltaetl_job.source IS 'relation that is right';
COMMENT ON COLUMN deltaetl_job.target IS 'table that is brought to it';
COMMENT ON COLUMN deltaetl_job.schedule IS 'when pg_cron runs it; null if it does not';
COMMENT ON COLUMN deltaetl_job.owner IS 'role that made it, and that it runs as';
COMMENT ON COLUMN deltaetl_job.last_status IS 'status of its last run';
COMMENT ON COLUMN deltaetl_job.last_started IS 'when its last run began';
COMMENT ON COLUMN deltaetl_job.last_run IS 'number of its last run in the run log';
COMMENT ON COLUMN deltaetl_job.options IS 'arguments of deltaetl_sync(), retries and lock_timeout';
GRANT SELECT ON deltaetl_job TO PUBLIC;

-- ---------- job.c ----------

CREATE FUNCTION deltaetl_create_job(
	name text,
	source regclass,
	target regclass,
	options jsonb DEFAULT '{}',
	schedule text DEFAULT NULL)
RETURNS void
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;

COMMENT ON FUNCTION deltaetl_create_job(text, regclass, regclass, jsonb, text) IS
'make a job, a sync with a name, that pg_cron runs if it has a schedule';

CREATE FUNCTION deltaetl_alter_job(
	name text,
	source regclass DEFAULT NULL,
	target regclass DEFAULT NULL,
	options jsonb DEFAULT NULL,
	schedule text DEFAULT NULL)
RETURNS void
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;

COMMENT ON FUNCTION deltaetl_alter_job(text, regclass, regclass, jsonb, text) IS
'change what is not null of a job; an empty schedule takes it away';

CREATE FUNCTION deltaetl_drop_job(name text)
RETURNS void
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;

COMMENT ON FUNCTION deltaetl_drop_job(text) IS
'drop a job and its schedule';

-- ---------- job_run.c ----------

CREATE PROCEDURE deltaetl_run_job(name text, force boolean DEFAULT false)
AS 'MODULE_PATHNAME'
LANGUAGE C;

COMMENT ON PROCEDURE deltaetl_run_job(text, boolean) IS
'run a job, whatever its guards say with force; a failed run is logged and raises its error';

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

-- ---------- progress.c ----------

CREATE FUNCTION deltaetl_progress_entries(
	OUT pid integer,
	OUT run_id bigint,
	OUT source regclass,
	OUT target regclass,
	OUT phase text,
	OUT rows_done bigint,
	OUT rows_expected bigint,
	OUT workers integer,
	OUT started_at timestamptz)
RETURNS SETOF record
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL RESTRICTED COST 100 ROWS 10;

COMMENT ON FUNCTION deltaetl_progress_entries() IS
'runs that are going on, for the view deltaetl_progress';

CREATE VIEW deltaetl_progress AS
SELECT
	e.pid,
	e.run_id,
	e.source,
	e.target,
	e.phase,
	e.rows_done,
	e.rows_expected,
	CASE
		WHEN e.rows_done <= e.rows_expected THEN pg_catalog.round(100.0 * e.rows_done::pg_catalog.numeric / e.rows_expected::pg_catalog.numeric, 1)
	END AS percent,
	e.workers,
	pg_catalog.date_trunc('second', e.started_at)::pg_catalog.timestamptz(0) AS started_at,
	pg_catalog.date_trunc('second', pg_catalog.clock_timestamp() - e.started_at) AS elapsed
FROM deltaetl_progress_entries() AS e;

COMMENT ON VIEW deltaetl_progress IS
'how far the runs are that are going on in this database';
GRANT SELECT ON deltaetl_progress TO PUBLIC;
