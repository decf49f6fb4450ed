-- Which columns identify a row, and keys that do not identify one.
\set SHOW_CONTEXT never
\set counts 'inserted, updated, deleted, unchanged'
-- rows that only one side has, compared as text, so to the letter
\set differ '(SELECT s::text FROM staging s EXCEPT ALL SELECT t::text FROM target t) UNION ALL (SELECT t::text FROM target t EXCEPT ALL SELECT s::text FROM staging s)'

-- the primary key, although a unique index would do as well
CREATE TABLE target (id int PRIMARY KEY, code text NOT NULL UNIQUE, qty int);
CREATE TABLE staging (id int, code text, qty int);
INSERT INTO target VALUES (1, 'a', 10), (2, 'b', 20), (3, 'c', 30), (4, 'd', 40);
INSERT INTO staging VALUES (1, 'a', 10), (2, 'b2', 20), (3, 'c', 33), (5, 'd', 40);
SELECT action, key, changed_columns FROM deltaetl_diff('staging', 'target')
  ORDER BY key->'id';
SELECT :counts FROM deltaetl_sync('staging', 'target', deletes => 'delete');
\g
:differ;

-- without it the one usable unique index, so a new id is an update
ALTER TABLE target DROP CONSTRAINT target_pkey;
UPDATE staging SET id = 50 WHERE code = 'd';
SELECT :counts FROM deltaetl_sync('staging', 'target', deletes => 'delete');
\g
:differ;

-- a second index over the same columns changes nothing, over others it does
CREATE UNIQUE INDEX target_again ON target (code) INCLUDE (qty);
SELECT :counts FROM deltaetl_sync('staging', 'target');
CREATE UNIQUE INDEX target_both ON target (qty, code);
SELECT :counts FROM deltaetl_sync('staging', 'target');
ALTER TABLE target ALTER qty SET NOT NULL;
SELECT :counts FROM deltaetl_sync('staging', 'target');
\echo :SQLSTATE
SELECT * FROM deltaetl_diff('staging', 'target');
-- a primary key decides, also if it is the youngest of them
ALTER TABLE target ADD PRIMARY KEY (id);
SELECT :counts FROM deltaetl_sync('staging', 'target');
ALTER TABLE target DROP CONSTRAINT target_pkey;

-- unless told: by a column with an index, by one without, by both
INSERT INTO staging VALUES (6, 'f', 60);
SELECT :counts FROM deltaetl_sync('staging', 'target', key_columns => '{code}');
\g
:differ;
UPDATE staging SET code = code || '!', qty = qty + 1;
SELECT :counts FROM deltaetl_sync('staging', 'target', key_columns => '{id}');
\g
:differ;
UPDATE staging SET qty = 0 WHERE id = 6;
SELECT :counts FROM deltaetl_sync('staging', 'target', key_columns => '{id,code}');
\g
:differ;
SELECT :counts FROM deltaetl_sync('staging', 'target', key_columns => '{cde}');
\echo :SQLSTATE
SELECT :counts FROM deltaetl_sync('staging', 'target', key_columns => '{id,code,id}');
SELECT :counts FROM deltaetl_sync('staging', 'target', key_columns => '{id,NULL}');

-- indexes that do not identify every row
CREATE TABLE loose (id int, code text);
SELECT :counts FROM deltaetl_sync('staging', 'loose');
\echo :SQLSTATE
CREATE UNIQUE INDEX loose_nullable ON loose (id);
SELECT :counts FROM deltaetl_sync('staging', 'loose');
ALTER TABLE loose ALTER id SET NOT NULL, ALTER code SET NOT NULL;
DROP INDEX loose_nullable;
CREATE UNIQUE INDEX loose_partial ON loose (id) WHERE id > 0;
CREATE UNIQUE INDEX loose_expression ON loose (id, lower(code));
INSERT INTO loose VALUES (1, 'a'), (2, 'a');
CREATE UNIQUE INDEX CONCURRENTLY loose_invalid ON loose (code);
DELETE FROM loose WHERE id = 2;
ALTER TABLE loose ADD CONSTRAINT loose_deferrable UNIQUE (id) DEFERRABLE;
CREATE INDEX loose_not_unique ON loose (id);
SELECT :counts FROM deltaetl_sync('staging', 'loose');
REINDEX INDEX loose_invalid;
SELECT :counts FROM deltaetl_sync('staging', 'loose', deletes => 'delete');
\g
SELECT id, code FROM staging EXCEPT ALL TABLE loose;
TABLE loose EXCEPT ALL SELECT id, code FROM staging;

-- keys that occur twice: in the target, where no index forbids it
DROP TABLE loose;
CREATE TABLE loose (id int, code text);
INSERT INTO loose VALUES (7, 'a'), (7, 'a'), (8, 'a'), (8, 'b'), (9, 'a'), (9, 'a'), (9, 'b');
SELECT :counts FROM deltaetl_sync('staging', 'loose', '{id}');
\echo :SQLSTATE
SELECT :counts FROM deltaetl_sync('staging', 'loose', '{id,code}');
INSERT INTO loose VALUES (NULL, 'a'), (10, NULL);
SELECT :counts FROM deltaetl_sync('staging', 'loose', '{code,id}');
\echo :SQLSTATE
-- in the source: copies of a new row, of a row of the target, one of each
TRUNCATE staging, target;
INSERT INTO target VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3);
INSERT INTO staging TABLE target;
INSERT INTO staging VALUES (7, 'g', 7), (7, 'g', 7);
SELECT :counts FROM deltaetl_sync('staging', 'target', '{id}');
INSERT INTO staging VALUES (1, 'a', 1), (1, 'a', 1), (3, 'x', 3);
SELECT :counts FROM deltaetl_sync('staging', 'target', '{id}');
\echo :SQLSTATE
SELECT * FROM deltaetl_diff('staging', 'target', '{id}');
SELECT :counts FROM deltaetl_sync('staging', 'target', '{id}', dry_run => true);
-- more than ten: ten are named, in their order
INSERT INTO staging SELECT i, 'n' || i, i FROM generate_series(10, 20) i, generate_series(1, 2);
SELECT :counts FROM deltaetl_sync('staging', 'target', '{id}');
-- rows without a key come first
INSERT INTO staging VALUES (NULL, 'n1', 1);
SELECT :counts FROM deltaetl_sync('staging', 'target', '{id}');
\echo :SQLSTATE
INSERT INTO staging SELECT NULL, 'n' || i, 1 FROM generate_series(1, 12) i;
SELECT :counts FROM deltaetl_sync('staging', 'target', '{code,id}');
SELECT * FROM target ORDER BY id;

-- composite keys have the order of the index, or that of key_columns
DROP TABLE staging, target, loose;
CREATE TABLE target (a int, b text, c int, v int, PRIMARY KEY (c, a));
CREATE TABLE staging (LIKE target);
ALTER TABLE staging ALTER a DROP NOT NULL, ALTER c DROP NOT NULL;
INSERT INTO target VALUES (1, 'x', 1, 1), (1, 'y', 2, 2), (2, 'x', 1, 3);
INSERT INTO staging VALUES (1, 'x', 1, 1), (1, 'y', 2, 0), (3, 'x', 1, 3), (3, 'x', 1, 3);
SELECT :counts FROM deltaetl_sync('staging', 'target');
SELECT :counts FROM deltaetl_sync('staging', 'target', '{v,a,c}');
DELETE FROM staging WHERE a = 3;
SELECT :counts FROM deltaetl_sync('staging', 'target', deletes => 'delete');
\g
:differ;
INSERT INTO staging VALUES (NULL, 'z', 2, 2), (4, 'z', NULL, 3);
SELECT :counts FROM deltaetl_sync('staging', 'target');

-- NULLS NOT DISTINCT: NULL is a key like another, and occurs once
DROP TABLE staging, target;
CREATE TABLE target (a int, b text, v int, UNIQUE NULLS NOT DISTINCT (a, b));
CREATE TABLE staging (a int, b text, v int);
INSERT INTO target VALUES (1, 'x', 1), (1, NULL, 2), (NULL, 'x', 3), (NULL, NULL, 4), (2, NULL, 5);
INSERT INTO staging VALUES (1, 'x', 1), (1, NULL, 20), (NULL, 'x', 30), (NULL, NULL, 4), (NULL, 'y', 6);
SELECT :counts FROM deltaetl_sync('staging', 'target', deletes => 'delete');
\g
:differ;
INSERT INTO staging VALUES (NULL, NULL, 4), (1, NULL, 20), (1, NULL, 20);
SELECT :counts FROM deltaetl_sync('staging', 'target');
SELECT :counts FROM deltaetl_sync('staging', 'target', '{b,a}');
TRUNCATE staging;
SELECT :counts FROM deltaetl_sync('staging', 'target', deletes => 'delete', allow_empty_source => true);
\g
:differ;
DROP TABLE staging, target;
