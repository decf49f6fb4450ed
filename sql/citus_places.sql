-- what can be done wherever Citus keeps rows, as its catalog says
BEGIN;
\set ON_ERROR_ROLLBACK on
SET allow_system_table_mods = on;
CREATE TABLE pg_catalog.pg_dist_partition (logicalrelid regclass, partmethod "char");
CREATE SCHEMA places;
SET search_path = places, public;
CREATE TABLE t (id int PRIMARY KEY, v text, n numeric);
CREATE TABLE s (LIKE t INCLUDING ALL);
-- a catalog of another version
SELECT deltaetl_sync('s', 't');
DROP TABLE pg_catalog.pg_dist_partition;
CREATE TABLE pg_catalog.pg_dist_partition (logicalrelid regclass, partmethod "char", partkey text,
	colocationid int, repmodel text);
SELECT deltaetl_sync('s', 't');
ALTER TABLE pg_catalog.pg_dist_partition ALTER repmodel TYPE "char";

CREATE FUNCTION place(relation regclass, kind text, column_number int DEFAULT 1, colocation int DEFAULT 7) RETURNS void
LANGUAGE sql BEGIN ATOMIC
	DELETE FROM pg_catalog.pg_dist_partition WHERE logicalrelid = relation;
	INSERT INTO pg_catalog.pg_dist_partition
	SELECT relation, method, '{VAR :varno 1 :varattno ' || column_number || ' :vartype 23}', colocation, model
	FROM (VALUES ('distributed', 'h'::"char", 's'::"char"), ('shard', 'n', 's'), ('reference', 'n', 't')) AS k (k, method, model)
	WHERE k = kind;
	INSERT INTO pg_catalog.pg_dist_partition
	SELECT relation, 'n', NULL, 0, 's' WHERE kind = 'managed';
END;

-- every pair of places: which can be synced, what is said, and is it done
CREATE FUNCTION try(source_kind text, target_kind text, colocation int, OUT result text) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM place('s', source_kind, 1, colocation), place('t', target_kind);
	TRUNCATE t, s;
	INSERT INTO t SELECT i, 'v', i FROM generate_series(1, 10) AS i;
	INSERT INTO s SELECT i, CASE WHEN i > 5 THEN 'v' END, i FROM generate_series(4, 15) AS i;
	SELECT concat_ws(' ', inserted, updated, deleted, unchanged) INTO result FROM deltaetl_sync('s', 't', deletes => 'delete');
	SELECT concat_ws(', ', result, max(ltrim(line))) INTO result FROM deltaetl_explain('s', 't') AS line WHERE line ~ 'same node|are brought|are where';
	IF EXISTS ((TABLE s EXCEPT ALL TABLE t) UNION ALL (TABLE t EXCEPT ALL TABLE s)) THEN result := 'wrong'; END IF;
EXCEPTION WHEN feature_not_supported THEN result := SQLERRM;
END $$;
SELECT source, target, colocation, try(source, target, colocation)
FROM unnest('{here,managed,shard,distributed,reference}'::text[]) WITH ORDINALITY AS s (source, i),
	unnest('{here,managed,shard,distributed,reference}'::text[]) WITH ORDINALITY AS t (target, j),
	unnest('{7,8}'::int[]) AS colocation
WHERE colocation = 7 OR source = target AND source IN ('shard', 'distributed')
ORDER BY j, i, colocation;

-- how to co-locate
SELECT place('t', 'distributed'), place('s', 'distributed', 2);
SELECT deltaetl_sync('s', 't');
SELECT place('t', 'shard'), place('s', 'distributed');
SELECT deltaetl_diff('s', 't');
SELECT place('t', 'reference');
SELECT deltaetl_explain('s', 't');
SELECT place('t', 'managed');
SELECT deltaetl_sync('s', 't');

-- a key without the distribution column
SELECT place('t', 'distributed', 2), place('s', 'distributed', 2);
SELECT deltaetl_sync('s', 't');
UPDATE s SET v = 'w' WHERE v IS NULL; UPDATE t SET v = 'x' WHERE v IS NULL;
SELECT inserted, deltaetl_digest('t') = deltaetl_digest('s') FROM deltaetl_sync('s', 't', key_columns => '{id,v}', deletes => 'delete');
UPDATE pg_catalog.pg_dist_partition SET partkey = NULL;
SELECT deltaetl_sync('s', 't');

-- options
SELECT place('t', 'distributed'), place('s', 'distributed');
SELECT deltaetl_sync('s', 't', log_changes => 'keys');
SELECT deltaetl_explain('s', 't', lock_mode => 'row');

-- values of other types: what a cast would do that an assignment does not, or otherwise on another node
ALTER TABLE t ADD a varchar(3), ADD b date, ADD c timestamptz, ADD d bit(3), ADD e numeric(4,1)[];
ALTER TABLE s ADD a int, ADD b timestamp, ADD c timestamptz, ADD d bit(3), ADD e numeric[];
INSERT INTO s VALUES (99, 'v', 9, 123, '2024-01-01 10:00', NULL, '101', '{1.25,NULL}');
SELECT deltaetl_sync('s', 't');
SELECT inserted FROM deltaetl_sync('s', 't', exclude_columns => '{a}');
SELECT * FROM t WHERE id = 99;
SELECT inserted, updated, unchanged FROM deltaetl_sync('s', 't', exclude_columns => '{a}');
SELECT deltaetl_sync('s', 't', exclude_columns => '{a}', scope => 'a IS NULL');
ALTER TABLE s ALTER a TYPE varchar(3), ALTER c TYPE timestamp;
SELECT deltaetl_sync('s', 't');
ALTER TABLE s ALTER c TYPE timestamptz, ALTER id TYPE bigint;
SELECT deltaetl_sync('s', 't');
ALTER TABLE s ALTER id TYPE int;

-- identity columns
ALTER TABLE t ADD i int GENERATED ALWAYS AS IDENTITY;
ALTER TABLE s ADD i int;
SELECT deltaetl_sync('s', 't');
SELECT inserted, updated FROM deltaetl_sync('s', 't', exclude_columns => '{i}');

-- more columns than a function takes arguments
DO $$ BEGIN EXECUTE (SELECT format('ALTER TABLE t %1$s; ALTER TABLE s %1$s', string_agg('ADD x' || i || ' int', ', ')) FROM generate_series(1, 100) AS i); END $$;
UPDATE s SET x99 = 1 WHERE id = 99;
SELECT inserted, updated FROM deltaetl_sync('s', 't', exclude_columns => '{i}');
SELECT x99 FROM t WHERE x99 IS NOT NULL;

-- a run from before
SELECT place('t', 'here'), place('s', 'here');
UPDATE s SET v = 'old';
SELECT run_id FROM deltaetl_sync('s', 't', exclude_columns => '{i}', log_changes => 'rows') \gset
SELECT place('t', 'reference');
\set VERBOSITY sqlstate
SELECT deltaetl_revert(:run_id);
ROLLBACK;
