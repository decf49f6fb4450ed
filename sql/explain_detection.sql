-- The way of detection, and why no faster one is taken.
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
SET deltaetl.detection = auto;
SET client_min_messages = warning;
SET max_parallel_workers_per_gather = 0;
CREATE FUNCTION detection(source regclass, arguments text DEFAULT '') RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY EXECUTE format('WITH lines AS (SELECT line, n, max(n) FILTER (WHERE line LIKE ''  Detection%%'') OVER () AS first,
			min(n) FILTER (WHERE line LIKE ''  Guards%%'') OVER () AS next
			FROM deltaetl_explain(%L, ''t'', %s) WITH ORDINALITY AS l(line, n))
		SELECT line FROM lines WHERE n >= first AND n < next AND line !~ ''Keys of|is empty''', source, 'deletes => ''delete''' || arguments);
END $$;
CREATE TABLE t (id int PRIMARY KEY, a text, b numeric(8,2));
CREATE TABLE s (LIKE t INCLUDING ALL);
INSERT INTO t SELECT i, 'a', i FROM generate_series(1, 10) AS i;
INSERT INTO s SELECT * FROM t;

-- the setting; a source is read as often as said
CREATE FUNCTION scans_of_sync() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	before bigint := pg_stat_get_xact_numscans('s'::regclass);
BEGIN
	PERFORM deltaetl_sync('s', 't');
	RETURN pg_stat_get_xact_numscans('s'::regclass) - before;
END $$;
SELECT detection('s');
SELECT scans_of_sync();
SET deltaetl.detection = encoded;
SELECT detection('s');
SET deltaetl.detection = join;
SELECT detection('s', ', max_delete_pct => 5');
SELECT scans_of_sync();
SET deltaetl.detection = auto;

-- sources that cannot be read by position: views, foreign tables
CREATE VIEW v AS SELECT * FROM s;
CREATE FOREIGN DATA WRAPPER deltaetl_none;
CREATE SERVER deltaetl_nowhere FOREIGN DATA WRAPPER deltaetl_none;
CREATE FOREIGN TABLE f (id int, a text, b numeric(8,2)) SERVER deltaetl_nowhere;
CREATE TABLE p (LIKE t) PARTITION BY RANGE (id);
SELECT detection('v');
SELECT detection('f');
SELECT detection('p');
CREATE FOREIGN TABLE pf PARTITION OF p DEFAULT SERVER deltaetl_nowhere;
SELECT detection('p');
DROP FOREIGN TABLE pf;

-- rights, row security, names
CREATE ROLE deltaetl_reader;
GRANT SELECT, INSERT, UPDATE, DELETE ON t TO deltaetl_reader;
GRANT SELECT (id, a, b) ON s TO deltaetl_reader;
ALTER TABLE t ENABLE ROW LEVEL SECURITY;
CREATE POLICY small ON t USING (id < 5);
SET ROLE deltaetl_reader;
SELECT detection('s');
RESET ROLE;
GRANT SELECT ON s TO deltaetl_reader;
SET ROLE deltaetl_reader;
SELECT detection('s');
RESET ROLE;
ALTER TABLE t DISABLE ROW LEVEL SECURITY, ADD "deltaetl:x" int;
ALTER TABLE s ADD "deltaetl:x" int;
SELECT detection('s');
ALTER TABLE t DROP "deltaetl:x";
ALTER TABLE s DROP "deltaetl:x";

-- layouts: another order, another type, columns left out, partitions
CREATE TABLE other (id int, b numeric(8,2), a text);
SELECT detection('other');
ALTER TABLE other ALTER b TYPE numeric;
SELECT detection('other');
SELECT detection('s', ', exclude_columns => ''{a}''');
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
CREATE TABLE p2 (a text, id int NOT NULL, b numeric(8,2));
ALTER TABLE p ATTACH PARTITION p2 FOR VALUES FROM (10) TO (20);
SELECT detection('p');
SELECT detection('s');
ALTER TABLE t ADD c int;
SELECT detection('s');

-- stored hashes: of other columns; of the target alone; of both, in places that matter or not
ALTER TABLE t DROP c, DROP COLUMN a, ADD a text;
CREATE TABLE hashed (LIKE t);
SELECT deltaetl_track('t', columns => '{a}');
SELECT detection('s');
SELECT detection('s', ', columns => ''{}''');
SELECT detection('s', ', columns => ''{a}''');
SELECT deltaetl_untrack('t');
ALTER TABLE t ADD row_hash bytea GENERATED ALWAYS AS (deltaetl_row_hash(id, a, b, id)) STORED;
SELECT detection('s');
SELECT deltaetl_untrack('t');
SELECT deltaetl_track('t');
ALTER TABLE hashed ADD row_hash bytea GENERATED ALWAYS AS (deltaetl_row_hash(id, a, b)) STORED;
SELECT detection('hashed');
SELECT detection('v');
ALTER TABLE hashed ADD after int;
SELECT detection('hashed');
GRANT SELECT (id, a, b) ON hashed TO deltaetl_reader;
SET ROLE deltaetl_reader;
SELECT detection('hashed');
RESET ROLE;
ALTER TABLE hashed DROP after;
UPDATE t SET a = (SELECT string_agg(md5(i::text), '') FROM generate_series(1, 500) AS i) WHERE id = 1;
SELECT detection('s');
SELECT detection('hashed');
SELECT deltaetl_untrack('t');
SELECT deltaetl_track('t', algorithm => 'md5');
ALTER TABLE hashed DROP row_hash, ADD row_hash bytea GENERATED ALWAYS AS (digest(deltaetl_encode(id, a, b), 'md5')) STORED, ADD hash bytea;
SELECT detection('hashed');
SELECT detection('hashed', ', source_hash_column => ''hash''');

-- keys that may be equal without being alike; in scope
DROP TABLE t;
CREATE TABLE t (id numeric, a text, row_hash bytea GENERATED ALWAYS AS (deltaetl_row_hash(id, a)) STORED, UNIQUE NULLS NOT DISTINCT (id));
CREATE TABLE same (id numeric, a text, row_hash bytea GENERATED ALWAYS AS (deltaetl_row_hash(id, a)) STORED, hash bytea);
SELECT detection('same', ', scope => ''id > 0''');
SELECT detection('same', ', source_hash_column => ''hash''');
SELECT line FROM deltaetl_explain('same', 't') AS line WHERE line ~ 'Keys of|is empty';

DROP TABLE t, s, p, other, hashed, same CASCADE;
DROP SERVER deltaetl_nowhere CASCADE;
DROP FOREIGN DATA WRAPPER deltaetl_none;
DROP FUNCTION detection, scans_of_sync;
DROP ROLE deltaetl_reader;
