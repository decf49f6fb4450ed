-- Detection with parallel workers and without, inside the functions of another
-- query, and its aggregate called by hand.
\set SHOW_CONTEXT never
\set differ 'SELECT count(*) AS differ FROM ((SELECT t::text FROM items t EXCEPT ALL SELECT s::text FROM new_items s) UNION ALL (SELECT s::text FROM new_items s EXCEPT ALL SELECT t::text FROM items t)) AS d'
\set sync 'SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync(''new_items'', ''items'', deletes => ''delete'')'
\set check 'SELECT * FROM check_sync()'
CREATE TABLE items (id int PRIMARY KEY, name text, price numeric) WITH (autovacuum_enabled = off);
CREATE TABLE new_items (LIKE items) WITH (autovacuum_enabled = off);
INSERT INTO new_items SELECT i, repeat('name ' || i, 1 + (i % 500 = 0)::int * 1000), i / 4.0 FROM generate_series(1, 6000) AS i;

-- Change items and sync them, held against plain SQL.
CREATE FUNCTION check_sync(OUT inserted bigint, OUT updated bigint, OUT deleted bigint, OUT unchanged bigint, OUT wrong text)
LANGUAGE plpgsql AS $$
DECLARE
	expected bigint[];
	got bigint[];
BEGIN
	TRUNCATE items;
	INSERT INTO items SELECT * FROM new_items WHERE id % 4 <> 0;
	INSERT INTO items SELECT id + 6000, name, price FROM new_items WHERE id % 10 = 0;
	UPDATE items SET name = 'changed' WHERE id % 7 = 0;
	UPDATE items SET price = (price || '0')::numeric WHERE id % 11 = 0;
	SELECT ARRAY[count(*) FILTER (WHERE t.id IS NULL), count(*) FILTER (WHERE s::text <> t::text),
		count(*) FILTER (WHERE s.id IS NULL), count(*) FILTER (WHERE s::text = t::text)] INTO expected
	FROM new_items AS s FULL JOIN items AS t USING (id);
	SELECT ARRAY[d.inserted, d.updated, d.deleted, d.unchanged] INTO got FROM deltaetl_sync('new_items', 'items', deletes => 'delete') AS d;
	SELECT got[1], got[2], got[3], got[4] INTO inserted, updated, deleted, unchanged;
	IF got <> expected OR EXISTS (SELECT s::text FROM new_items AS s EXCEPT ALL SELECT t::text FROM items AS t)
		OR (SELECT count(*) FROM items) <> (SELECT count(*) FROM new_items) THEN
		wrong := format('expected %s', expected);
	END IF;
END $$;

-- the same by as many processes as can be had, and by one
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 4;
SET parallel_leader_participation = off;
:check;
SET parallel_leader_participation = on;
:check;
SET work_mem = '64kB';
SET hash_mem_multiplier = 1;
:check;
RESET hash_mem_multiplier;
RESET work_mem;
-- workers that are planned and cannot be had
SET max_parallel_workers = 0;
:check;
RESET max_parallel_workers;
SET max_parallel_workers_per_gather = 0;
:check;
SET max_parallel_workers_per_gather = 4;
SELECT set_config(name, 'on', false) AS debug FROM pg_settings WHERE name IN ('debug_parallel_query', 'force_parallel_mode') \gset
:check;
SELECT set_config(name, 'off', false) AS debug FROM pg_settings WHERE name IN ('debug_parallel_query', 'force_parallel_mode') \gset
BEGIN ISOLATION LEVEL SERIALIZABLE;
:check;
COMMIT;
-- by a query that is itself run by workers: what writes is not
SELECT count(*) FROM items WHERE id = 1 + (SELECT updated FROM deltaetl_sync('new_items', 'items'));
-- workers do not see temporary tables
ALTER TABLE items RENAME TO stored_items;
CREATE TEMPORARY TABLE items (LIKE stored_items INCLUDING ALL);
:check;
ALTER TABLE new_items RENAME TO stored_new_items;
CREATE TEMPORARY TABLE new_items AS SELECT * FROM stored_new_items;
:check;
DROP TABLE pg_temp.items, pg_temp.new_items;
ALTER TABLE stored_items RENAME TO items;
ALTER TABLE stored_new_items RENAME TO new_items;
:check;

-- a diff inside the scope, and the constraint, of another sync
SET max_parallel_workers_per_gather = 0;
CREATE TABLE other (id int PRIMARY KEY, name text);
CREATE TABLE new_other (id int PRIMARY KEY, name text);
INSERT INTO other VALUES (1, 'one'), (2, 'two');
INSERT INTO new_other VALUES (1, 'one'), (2, 'TWO'), (3, 'three');
CREATE FUNCTION other_differs(int) RETURNS boolean LANGUAGE plpgsql STABLE PARALLEL UNSAFE AS
'BEGIN RETURN (SELECT count(*) = 2 FROM deltaetl_diff(''new_other'', ''other'')) AND $1 <= 20; END';
UPDATE items SET name = 'scope' WHERE id < 40 AND id % 2 = 0;
SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync('new_items', 'items', scope => 'id < 30 AND other_differs(id)');
SELECT count(*) FROM items WHERE name = 'scope';
:sync;
ALTER FUNCTION other_differs IMMUTABLE;
ALTER TABLE items ADD CHECK (id > 20 OR id < 11 OR other_differs(id));
UPDATE items SET name = 'check' WHERE id < 12;
DELETE FROM items WHERE id BETWEEN 13 AND 15;
:sync;
:differ;
INSERT INTO other VALUES (3, 'three');
DELETE FROM items WHERE id = 14;
\set VERBOSITY terse
:sync;
\set VERBOSITY default
DROP TABLE items, new_items, other, new_other;
DROP FUNCTION check_sync, other_differs;

-- the aggregate, called by hand
CREATE TABLE called (reference bytea);
SELECT deltaetl_fingerprints(reference, tableoid, ctid, 1) FROM called;
INSERT INTO called VALUES (NULL);
SELECT deltaetl_fingerprints(reference, tableoid, ctid, 1) FROM called;
UPDATE called SET reference = '\x';
SELECT deltaetl_fingerprints(reference, tableoid, ctid, 1) FROM called;
UPDATE called SET reference = '\x00112233445566778899aabbccddeeff00112233445566';
SELECT deltaetl_fingerprints(reference, tableoid, ctid, 1) FROM called;
UPDATE called SET reference = decode(repeat('00', 24), 'hex');
SELECT deltaetl_fingerprints(reference, tableoid, ctid, 1) FROM called;
SELECT deltaetl_fingerprints(reference, NULL, NULL, VARIADIC NULL::int[]) FROM called;
SELECT deltaetl_fingerprints(reference, tableoid, ctid, 1) OVER () FROM called;
UPDATE called SET reference = decode(repeat('ff', 24), 'hex');
SELECT deltaetl_fingerprints(reference, tableoid, ctid, 1) FROM called;
UPDATE called SET reference = decode(repeat('5a', 20) || '00000000' || repeat('5a', 2000), 'hex');
SELECT deltaetl_fingerprints(reference, tableoid, ctid, 1, NULL, 'x') FROM called;
SELECT deltaetl_fingerprints(DISTINCT reference, tableoid, ctid, 1) FROM called;
DROP TABLE called;
