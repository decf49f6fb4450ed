-- reference tables, tables in one shard, on this node alone, and views
SET search_path = deltaetl_citus, public;
SET client_min_messages = warning;
SET citus.shard_count = 4;
CREATE FUNCTION make(name text, place text, first int, last int, changed int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('DROP TABLE IF EXISTS %I CASCADE', name);
	EXECUTE format('CREATE TABLE %I (id bigint, k text, v numeric(10,2), w text, PRIMARY KEY (id, k))', name);
	EXECUTE format('INSERT INTO %I SELECT i, ''k'' || i, i, CASE WHEN i %% %s = 0 THEN NULL ELSE ''w'' END FROM generate_series(%s, %s) AS i', name, changed, first, last);
	CASE place
		WHEN 'here' THEN
		WHEN 'managed' THEN PERFORM citus_add_local_table_to_metadata(name::regclass);
		WHEN 'shard' THEN PERFORM create_distributed_table(name, NULL, colocate_with => 'one');
		WHEN 'distributed' THEN PERFORM create_distributed_table(name, 'id', colocate_with => 'many');
		WHEN 'elsewhere' THEN PERFORM create_distributed_table(name, 'id', colocate_with => 'none');
		WHEN 'reference' THEN PERFORM create_reference_table(name);
	END CASE;
END $$;
CREATE TABLE one (id int);
CREATE TABLE many (id bigint);
SELECT create_distributed_table('one', NULL), create_distributed_table('many', 'id');
CREATE TABLE tried (source text, target text, done text, problem text);
CREATE PROCEDURE try(source text, target text) LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO tried SELECT source, target, x.* FROM sync('s', 't', 'id,k') AS x;
EXCEPTION WHEN feature_not_supported THEN INSERT INTO tried VALUES (source, target, NULL, SQLERRM);
END $$;
-- each in a transaction of its own: Citus does not read in parallel what it has loaded so
SELECT format('DO $x$ BEGIN PERFORM make(''s'', %L, 11, 120, 3), make(''t'', %L, 1, 100, 5); END $x$', source, target),
	format('CALL try(%L, %L)', source, target)
FROM unnest('{here,managed,shard,distributed,elsewhere,reference}'::text[]) WITH ORDINALITY AS s (source, i),
	unnest('{here,managed,shard,distributed,reference}'::text[]) WITH ORDINALITY AS t (target, j)
ORDER BY j, i
\set ECHO none
\gexec
\set ECHO all
TABLE tried;
-- a view, which need not be known to be co-located
SELECT make('s', 'distributed', 11, 120, 3), make('t', 'distributed', 1, 100, 5);
CREATE VIEW v AS SELECT id, k, v, upper(w) AS w FROM s WHERE id % 2 = 0;
SELECT * FROM sync('v', 't', 'id,k');
SELECT make('e', 'elsewhere', 11, 120, 3);
CREATE VIEW ve AS TABLE e;
SELECT deltaetl_sync('ve', 't');
SELECT make('t', 'here', 1, 100, 5);
SELECT * FROM sync('v', 't', 'id,k');
SELECT * FROM sync('s', 't', 'id,k', 'ignore');
SELECT make('t', 'distributed', 1, 100, 5);
SELECT * FROM sync('s', 't', 'id,k', 'ignore');
-- a temporary table
CREATE TEMP TABLE mine AS TABLE s;
UPDATE mine SET w = 'mine' WHERE id < 50;
SELECT * FROM sync('mine', 't', 'id,k');
-- how they are run
SELECT * FROM plans('s', 't');
SELECT action, said, plan FROM plans('mine', 't');
SELECT make('s', 'reference', 11, 120, 3);
SELECT action, said, plan FROM plans('s', 't');
SELECT make('t', 'reference', 11, 120, 3);
SELECT action, said, plan FROM plans('s', 't');
-- a value of all NULLs is a key like others, also where an outer join looks for it
CREATE TYPE key_pair AS (x int, y text);
CREATE TABLE pairs (k key_pair, v text);
CREATE TABLE new_pairs (k key_pair, v text);
INSERT INTO new_pairs VALUES ('(,)', 'nothing'), ('(1,a)', 'a');
SELECT create_distributed_table('pairs', 'k');
SELECT * FROM sync('new_pairs', 'pairs', 'k');
-- numbers that one node gives out
CREATE TABLE new_cities (name text PRIMARY KEY, country text);
CREATE TABLE cities (id bigserial, LIKE new_cities INCLUDING ALL);
INSERT INTO new_cities SELECT 'city ' || i, 'country ' || i % 7 FROM generate_series(1, 50) AS i;
SELECT create_reference_table('cities');
SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync('new_cities', 'cities', deletes => 'delete');
UPDATE new_cities SET country = NULL WHERE name ~ '3$';
UPDATE new_cities SET name = 'town' WHERE name = 'city 1';
SELECT create_reference_table('new_cities');
SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync('new_cities', 'cities', deletes => 'delete');
SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync('new_cities', 'cities', deletes => 'delete');
SELECT name, country FROM cities EXCEPT ALL TABLE new_cities;
SELECT count(DISTINCT id), (SELECT count(DISTINCT result) FROM run_command_on_placements('cities', 'SELECT md5(string_agg(c::text, '''' ORDER BY c)) FROM %s AS c')) AS contents FROM cities;
DROP TABLE pairs, new_pairs, cities, new_cities;
