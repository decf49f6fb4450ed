-- Foreign tables as targets: what is written, by keys of all kinds.
\set SHOW_CONTEXT never
-- not the list of what CASCADE drops
SET client_min_messages = warning;
CREATE EXTENSION postgres_fdw;
DO $$
BEGIN
  EXECUTE format('CREATE SERVER loop_back FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host %L, port %L, dbname %L, extensions ''deltaetl'', batch_size %L)',
                 trim(split_part(current_setting('unix_socket_directories'), ',', 1)), current_setting('port'), current_database(), '50');
  EXECUTE format('CREATE USER MAPPING FOR CURRENT_USER SERVER loop_back OPTIONS (user %L)', current_user);
END $$;
-- how rows are written, without the statements
\set ways 'SELECT line FROM deltaetl_explain(''staging'', ''target'', :key, deletes => ''delete'') AS line WHERE line ~ ''^    (Delete|Update|Insert)'''

\set sync 'SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync(''staging'', ''target'', :key, deletes => ''delete'')'
-- what the other server has against the source: how many rows only one has
\set differ 'SELECT count(*) AS differ FROM ((SELECT ROW(:columns)::text FROM staging EXCEPT ALL SELECT ROW(:columns)::text FROM remote) UNION ALL (SELECT ROW(:columns)::text FROM remote EXCEPT ALL SELECT ROW(:columns)::text FROM staging)) AS d'

-- a key of one column: more rows than go into one statement
\set key '''{id}'''
CREATE TABLE remote (id int PRIMARY KEY, name varchar(20), qty numeric(10,2), note text, data bytea, doc jsonb, at timestamptz);
CREATE FOREIGN TABLE target (id int NOT NULL, name varchar(20), qty numeric(10,2), note text, data bytea, doc jsonb, at timestamptz)
  SERVER loop_back OPTIONS (table_name 'remote');
INSERT INTO remote SELECT i, 'name ' || i, i, repeat('{"\''', i % 3), decode(md5(i::text), 'hex'), '{"a": [1, null]}', '2026-01-01 UTC'::timestamptz + i * interval '1 s'
FROM generate_series(1, 3000) AS i;
CREATE TABLE staging AS TABLE remote;
UPDATE staging SET name = CASE WHEN id % 4 = 0 THEN NULL ELSE ' "quoted\" {}' END, qty = -qty, data = '\x00', at = 'infinity' WHERE id BETWEEN 1000 AND 1250;
DELETE FROM staging WHERE id > 1700;
INSERT INTO staging (id, note) SELECT i, 'new' FROM generate_series(5001, 5120) AS i;
:ways;
\set columns 'id, name, qty, note, data, doc, at'
:sync;
\g
:differ;
-- rows that are together larger than one statement
UPDATE staging SET note = repeat('x', 300000) WHERE id < 20;
:sync;
\g
:differ;
-- an array does not fit into one
ALTER TABLE remote ADD tags text[];
ALTER FOREIGN TABLE target ADD tags text[];
ALTER TABLE staging ADD tags text[];
UPDATE staging SET tags = CASE id WHEN 1 THEN NULL WHEN 2 THEN '{}' WHEN 3 THEN '{NULL, "{}"}' ELSE '{{a,b},{c,NULL}}' END::text[] WHERE id < 10;
:ways;
\set columns 'id, name, note, tags'
:sync;
\g
:differ;
DROP TABLE remote, staging;
DROP FOREIGN TABLE target;

-- a key of several columns, with values in common
\set key '''{shop, article, size}'''
CREATE TABLE remote (shop int, article text COLLATE "C", size char(4), qty int, PRIMARY KEY (shop, article, size));
CREATE FOREIGN TABLE target (shop int NOT NULL, article text COLLATE "C" NOT NULL, size char(4) NOT NULL, qty int) SERVER loop_back OPTIONS (table_name 'remote');
INSERT INTO remote SELECT i % 10, 'article ' || i / 10 % 20, i / 200, i FROM generate_series(0, 999) AS i;
CREATE TABLE staging AS TABLE remote;
UPDATE staging SET qty = -qty WHERE qty % 3 = 0;
DELETE FROM staging WHERE qty % 3 = 1;
INSERT INTO staging VALUES (100, 'new', 'xl', 1), (1, 'article 1', '9', 1);
:ways;
\set columns 'shop, article, size, qty'
:sync;
\g
:differ;
DROP TABLE remote, staging;
DROP FOREIGN TABLE target;

-- equal keys of other bytes
\set key '''{id}'''
CREATE TABLE remote (id numeric PRIMARY KEY, qty int);
CREATE FOREIGN TABLE target (id numeric NOT NULL, qty int) SERVER loop_back OPTIONS (table_name 'remote');
INSERT INTO remote VALUES (1.0, 1), (2, 2), (3.000, 3), ('NaN', 4);
CREATE TABLE staging AS SELECT id, qty FROM (VALUES (1.00, 1), (2, 20), (3.0, 30), ('NaN', 40)) AS v (id, qty);
\set columns 'id, qty'
:sync;
\g
:differ;
DROP TABLE remote, staging;
DROP FOREIGN TABLE target;

-- more columns than a code has room for
\set key '''{a, b, c, d, e, f, g, h, i, j}'''
CREATE TABLE remote (a int, b int, c int, d int, e int, f int, g int, h int, i int, j int, k int);
CREATE FOREIGN TABLE target (a int, b int, c int, d int, e int, f int, g int, h int, i int, j int, k int) SERVER loop_back OPTIONS (table_name 'remote');
INSERT INTO remote SELECT 1, 2, 3, 4, 5, 6, 7, 8, n / 3, n % 3, n FROM generate_series(1, 9) AS n;
CREATE TABLE staging AS SELECT a, b, c, d, e, f, g, h, i, j, CASE WHEN j = 1 THEN -k ELSE k END AS k FROM remote WHERE i < 3;
:ways;
\set columns 'a, b, c, d, e, f, g, h, i, j, k'
:sync;
\g
:differ;
DROP TABLE remote, staging;
DROP FOREIGN TABLE target;

-- what is not sent: rows are read by their keys, as far as those are
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE DOMAIN code AS text CHECK (value <> '');
CREATE TABLE remote (id int, part mood, code code, feels mood, qty int, PRIMARY KEY (id, part));
CREATE FOREIGN TABLE target (id int NOT NULL, part mood NOT NULL, code code, feels mood, qty int) SERVER loop_back OPTIONS (table_name 'remote');
INSERT INTO remote SELECT i / 2, (ARRAY['sad', 'happy']::mood[])[i % 2 + 1], 'c' || i, 'sad', i FROM generate_series(1, 500) AS i;
CREATE TABLE staging AS SELECT id, part, CASE id WHEN 7 THEN 'new' ELSE code END::code AS code, CASE WHEN id < 5 THEN 'happy' ELSE feels END AS feels, qty
FROM remote WHERE id <> 100;
\set key '''{id, part}'''
:ways;
\set key '''{id}'''
:ways;
\set key '''{id, part}'''
\set columns 'id, part, code, feels, qty'
:sync;
\g
:differ;
ALTER TABLE remote DROP part;
DELETE FROM remote WHERE qty % 2 = 0;
ALTER FOREIGN TABLE target DROP part;
DELETE FROM staging WHERE part = 'happy' OR id > 200;
UPDATE staging SET feels = 'happy' WHERE id BETWEEN 100 AND 120;
\set key '''{id}'''
\set columns 'id, code, feels, qty'
:sync;
\g
:differ;
DROP TABLE remote, staging;
DROP FOREIGN TABLE target;
DROP TYPE mood;
DROP DOMAIN code;
DROP EXTENSION postgres_fdw CASCADE;
