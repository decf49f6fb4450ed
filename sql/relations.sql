-- What can be a source and what a target.
\set SHOW_CONTEXT never
-- not the list of what CASCADE drops
SET client_min_messages = warning;
\set sync 'SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync(''staging'', ''target'', deletes => ''delete'')'
\set by_id 'SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync(''staging'', ''target'', ''{id}'', deletes => ''delete'')'
\set sync_few 'SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync(''staging'', ''target_a_few'', scope => $$kind = ''a'' AND qty < 10$$)'
\set places 'SELECT tableoid::regclass AS place, target.* FROM target ORDER BY id'
-- rows that only one side has, compared as text
\set differ '(SELECT s::text FROM (SELECT id, kind, qty FROM staging) s EXCEPT ALL SELECT t::text FROM (SELECT id, kind, qty FROM target) t) UNION ALL (SELECT t::text FROM (SELECT id, kind, qty FROM target) t EXCEPT ALL SELECT s::text FROM (SELECT id, kind, qty FROM staging) s)'

-- sources: a partitioned table, into an unlogged target
CREATE UNLOGGED TABLE target (id int PRIMARY KEY, kind text, qty int);
CREATE TABLE staging (kind text, id int, qty int) PARTITION BY LIST (kind);
CREATE TABLE staging_a PARTITION OF staging FOR VALUES IN ('a');
CREATE TABLE staging_rest (qty int, gone int, id int, kind text);
ALTER TABLE staging_rest DROP gone;
ALTER TABLE staging ATTACH PARTITION staging_rest DEFAULT;
INSERT INTO target VALUES (1, 'a', 10), (2, 'a', 20), (3, 'b', 30), (4, 'c', 40);
INSERT INTO staging VALUES ('a', 1, 10), ('b', 2, 20), ('b', 3, 33), (NULL, 5, 50);
:sync;
\g
:differ;
-- a view
ALTER TABLE staging RENAME TO stock;
CREATE VIEW staging AS SELECT qty + 1 AS qty, id, upper(kind) AS kind FROM stock WHERE id < 3
  UNION ALL SELECT 70, 7, NULL;
:sync;
\g
:differ;
DROP VIEW staging;
-- a materialized view
CREATE MATERIALIZED VIEW staging AS SELECT * FROM stock WITH NO DATA;
:sync;
REFRESH MATERIALIZED VIEW staging;
:sync;
\g
:differ;
DROP MATERIALIZED VIEW staging;
-- a foreign table
CREATE EXTENSION postgres_fdw;
DO $$
BEGIN
  EXECUTE format('CREATE SERVER loop_back FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host %L, port %L, dbname %L)',
                 trim(split_part(current_setting('unix_socket_directories'), ',', 1)), current_setting('port'), current_database());
  EXECUTE format('CREATE USER MAPPING FOR CURRENT_USER SERVER loop_back OPTIONS (user %L)', current_user);
END $$;
CREATE FOREIGN TABLE staging (qty int, kind text, id int) SERVER loop_back OPTIONS (table_name 'stock');
UPDATE stock SET qty = qty + 1, kind = 'z' WHERE id > 1;
:sync;
\g
:differ;
-- a temporary table, into a temporary target
CREATE TEMPORARY TABLE target (qty int, kind text NOT NULL, id int PRIMARY KEY);
CREATE TEMPORARY TABLE staging (LIKE target);
INSERT INTO staging SELECT i, 'k', i FROM generate_series(1, 4) i;
INSERT INTO target SELECT i / 2 * 2, 'k', i FROM generate_series(2, 5) i;
:sync;
\g
:differ;
DROP TABLE pg_temp.staging, pg_temp.target;

-- targets: a partitioned table of two levels, where rows move
ALTER TABLE staging RENAME TO remote;
DROP TABLE target, stock;
CREATE TABLE target (id int, kind text, qty int) PARTITION BY LIST (kind);
CREATE TABLE target_a PARTITION OF target FOR VALUES IN ('a') PARTITION BY RANGE (qty);
CREATE TABLE target_a_few PARTITION OF target_a FOR VALUES FROM (0) TO (10);
CREATE TABLE target_a_many (gone int, qty int, kind text, id int);
ALTER TABLE target_a_many DROP gone;
ALTER TABLE target_a ATTACH PARTITION target_a_many FOR VALUES FROM (10) TO (100);
CREATE TABLE target_rest PARTITION OF target DEFAULT;
CREATE TABLE staging (id int, kind text, qty int);
INSERT INTO target VALUES (1, 'a', 1), (2, 'a', 2), (3, 'a', 30), (4, 'b', 4), (5, 'c', 5), (6, 'a', 60), (7, NULL, 7);
INSERT INTO staging VALUES (1, 'a', 1), (2, 'a', 20), (3, 'z', 30), (4, 'a', 4), (5, 'd', 5), (8, 'a', 80), (9, NULL, 9);
:by_id;
\g
:differ;
:places;
-- no partition for a row
UPDATE staging SET qty = 100 WHERE id = 8;
\set VERBOSITY terse
:by_id;
\set VERBOSITY default
DELETE FROM staging WHERE id = 8;
-- with a primary key, which has to have the partition key
DELETE FROM target WHERE kind IS NULL;
UPDATE staging SET kind = 'a', qty = 9 WHERE id = 9;
ALTER TABLE target ADD PRIMARY KEY (kind, qty, id);
:sync;
\g
:differ;
-- a partition alone
:sync_few;
INSERT INTO staging VALUES (10, 'a', 5), (11, 'a', 50);
:sync_few;
\g
:places;
\set VERBOSITY terse
SELECT deltaetl_sync('staging', 'target_a_few');
\set VERBOSITY default
DROP TABLE target;

-- an inheritance parent has the rows of its children; the child its own
CREATE TABLE target (id int PRIMARY KEY, kind text, qty int);
CREATE TABLE child (extra text DEFAULT 'more', PRIMARY KEY (id)) INHERITS (target);
INSERT INTO target VALUES (1, 'a', 1), (2, 'a', 20), (3, 'a', 3);
INSERT INTO child VALUES (4, 'a', 4), (5, 'd', 0), (6, 'a', 6), (7, 'a', 7);
:sync;
\g
:differ;
:places;
TRUNCATE staging;
INSERT INTO staging VALUES (4, 'c', 44), (8, 'c', 80);
SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync('staging', 'child', deletes => 'delete');
\g
SELECT id, kind, qty FROM child EXCEPT ALL TABLE staging;
TABLE staging EXCEPT ALL SELECT id, kind, qty FROM child;
:places;
-- no index spans both, so keys may occur twice
INSERT INTO child VALUES (2, 'twice', 2);
:sync;

-- what can be neither
CREATE VIEW a_view AS TABLE target;
CREATE MATERIALIZED VIEW a_matview AS TABLE target;
CREATE SEQUENCE a_sequence;
CREATE TYPE a_type AS (id int);
SELECT deltaetl_sync('staging', 'a_view');
\echo :SQLSTATE
SELECT deltaetl_sync('staging', 'a_matview');
SELECT deltaetl_sync('staging', 'remote');
SELECT deltaetl_sync('staging', 'a_sequence');
SELECT deltaetl_sync('staging', 'target_pkey');
SELECT deltaetl_sync('staging', 'a_type');
SELECT deltaetl_sync('staging', 'pg_description');
SELECT deltaetl_sync('a_sequence', 'target');
SELECT deltaetl_sync('target_pkey', 'target');
SELECT * FROM deltaetl_diff('a_type', 'target');
SELECT deltaetl_sync('target', 'target');
SELECT deltaetl_sync(1, 'target');
SELECT deltaetl_sync('staging', 1);
CREATE RULE no_delete AS ON DELETE TO target DO INSTEAD NOTHING;
SELECT deltaetl_sync('staging', 'target');
ALTER TABLE staging RENAME id TO ids;
SELECT deltaetl_sync('staging', 'child');
DROP TABLE staging, target, child CASCADE;
DROP SEQUENCE a_sequence;
DROP TYPE a_type;
DROP EXTENSION postgres_fdw CASCADE;
