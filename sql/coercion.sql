-- Source values are brought to the target's types as INSERT would: the oracle
-- is a table that INSERT has filled from the source.
\set SHOW_CONTEXT never
\set counts 'inserted, updated, deleted, unchanged'
\set sync 'SELECT :counts FROM deltaetl_sync(''staging'', ''target'', deletes => ''delete'')'
\set insert 'TRUNCATE oracle; INSERT INTO oracle (:columns) SELECT :columns FROM staging'
-- rows that only one of them has, compared as text, so to the letter
\set differ '(SELECT o::text FROM oracle o EXCEPT ALL SELECT t::text FROM target t) UNION ALL (SELECT t::text FROM target t EXCEPT ALL SELECT o::text FROM oracle o)'
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE DOMAIN code AS varchar(3) CHECK (VALUE <> 'bad');
CREATE TYPE level AS ENUM ('low', 'high');

-- rounding, padding, cutting of blanks, and types that are stored otherwise
\set columns 'id, num, whole, vc, ch, ts, tm, f4, i4, i2, txt, js, vcs, pos, cod, d, bt, iv'
CREATE TABLE target (id int PRIMARY KEY, num numeric(10,2), whole numeric(4,-2), vc varchar(3), ch char(3),
  ts timestamp(0), tm time(1), f4 float4, i4 int, i2 smallint, txt text, js jsonb, vcs varchar(3)[],
  pos positive, cod code, d date, bt bit varying(3), iv interval(0));
CREATE TABLE oracle (LIKE target);
CREATE TABLE staging (id bigint, num numeric, whole int, vc text, ch text, ts timestamp, tm time, f4 float8,
  i4 bigint, i2 numeric, txt varchar, js json, vcs text[], pos bigint, cod text, d timestamp, bt bit varying, iv interval);
INSERT INTO staging VALUES
  (1, 1.005, 149, 'abc  ', 'a', '2024-02-29 23:59:59.5', '10:00:00.05', 0.1, 1, 1.4, 'x', '{"b": 1,  "a":2}',
   '{abc,NULL,"d     "}', 1, 'abc   ', '2024-02-29 23:59', B'101', '1.5 s'),
  (2, 1.004999, 150, 'a', 'abc    ', '2024-02-29 23:59:59.4', '10:00:00.04', 1e-7, 2147483647, 1.5, '', '[1.0, 1.00 ]',
   '{}', 2147483647, 'ab', '2024-03-01', B'', '1.4 s'),
  (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
:sync;
\g
:insert;
:differ;
SELECT id, num, whole, vc, ch || '|' AS ch, ts, tm, f4, i2, js, vcs, cod FROM target ORDER BY id;
-- what rounds to the same is no change, what rounds to something else is one
UPDATE staging SET num = 1.0051, whole = 51, vc = 'abc', ch = 'a  ', ts = ts + '1 ms', f4 = 0.1::float4, i2 = 1.3,
  js = '{"a":2,"b":1}', d = '2024-02-29' WHERE id = 1;
:sync;
UPDATE staging SET num = 1.0149, whole = 149.9, ts = ts - interval '2 ms' WHERE id = 1;
SELECT key, changed_columns FROM deltaetl_diff('staging', 'target');
:sync;
\g
:insert;
:differ;
-- scope sees the target's types
UPDATE staging SET txt = 'changed' WHERE id IN (1, 2);
SELECT key, changed_columns FROM deltaetl_diff('staging', 'target', scope => $$ch = 'a' AND num = 1.01 AND js ? 'a'$$);
SELECT :counts FROM deltaetl_sync('staging', 'target',
  scope => $$pg_typeof(num) = 'numeric'::regtype AND i2 = 2 AND pg_typeof(i2) = 'smallint'::regtype$$);
SELECT id, txt FROM target ORDER BY id;
-- also where a column cannot be assigned, if it is excluded
ALTER TABLE staging ALTER i4 TYPE point USING NULL;
SELECT :counts FROM deltaetl_sync('staging', 'target', exclude_columns => '{i4}', scope => 'id < 3');
\g
SELECT id, txt, i4 FROM target ORDER BY id;
DROP TABLE staging, target, oracle;

-- values that do not fit are errors, and nothing is written
\set VERBOSITY terse
CREATE TABLE target (id int PRIMARY KEY, vc varchar(3), ch char(3), num numeric(4,2), i4 int, f4 float4, pos positive,
  cod code, vcs varchar(3)[], js jsonb);
CREATE TABLE staging (id int, vc varchar(9), ch varchar, num numeric, i4 bigint, f4 float8, pos int,
  cod text, vcs text[], js json);
INSERT INTO target VALUES (2, 'abc'), (9, 'old');
INSERT INTO staging VALUES (1, 'new'), (2, 'abcd');
:sync;
\echo :SQLSTATE
UPDATE staging SET vc = NULL, ch = 'abcd' WHERE id = 2;
:sync;
\echo :SQLSTATE
UPDATE staging SET ch = NULL, num = 99.996 WHERE id = 2;
:sync;
\echo :SQLSTATE
UPDATE staging SET num = NULL, i4 = 2147483648 WHERE id = 2;
:sync;
\echo :SQLSTATE
UPDATE staging SET i4 = NULL, f4 = 1e39 WHERE id = 2;
:sync;
\echo :SQLSTATE
UPDATE staging SET f4 = NULL, pos = 0 WHERE id = 2;
:sync;
\echo :SQLSTATE
UPDATE staging SET pos = NULL, cod = 'bad' WHERE id = 2;
:sync;
\echo :SQLSTATE
UPDATE staging SET cod = 'good' WHERE id = 2;
:sync;
\echo :SQLSTATE
UPDATE staging SET cod = NULL, vcs = '{abc,abcd}' WHERE id = 2;
:sync;
\echo :SQLSTATE
UPDATE staging SET vcs = NULL, js = '"\u0000"' WHERE id = 2;
:sync;
\echo :SQLSTATE
\set VERBOSITY default
SELECT id, vc FROM target ORDER BY id;
-- out of scope they are not looked at
SELECT :counts FROM deltaetl_sync('staging', 'target', scope => 'id <> 2');
\g
DROP TABLE staging, target;

-- without an assignment cast there is no sync
CREATE TABLE target (id int PRIMARY KEY, l level, n int, x text);
CREATE TABLE oracle (LIKE target);
CREATE TABLE staging (id int, l text, n text, x int);
INSERT INTO staging VALUES (1, 'low', '10', 100), (2, 'high', '20', 200);
:sync;
\echo :SQLSTATE
SELECT * FROM deltaetl_diff('staging', 'target', exclude_columns => '{l}');
SELECT * FROM deltaetl_diff('staging', 'target', '{x,n}');
SELECT :counts FROM deltaetl_sync('staging', 'target', columns => '{x}');
\g
SELECT * FROM target ORDER BY id;
-- with one there is, by the type's input or by a function
CREATE CAST (text AS level) WITH INOUT AS ASSIGNMENT;
CREATE FUNCTION to_int(text) RETURNS int LANGUAGE sql IMMUTABLE STRICT AS 'SELECT length($1)';
CREATE CAST (text AS int) WITH FUNCTION to_int AS ASSIGNMENT;
\set columns 'id, l, n, x'
:sync;
\g
:insert;
:differ;
SELECT * FROM target ORDER BY id;
UPDATE staging SET l = 'medium';
:sync;
\echo :SQLSTATE
DROP TABLE staging, target, oracle;
DROP CAST (text AS level);
DROP CAST (text AS int);
DROP FUNCTION to_int;
DROP DOMAIN positive, code;
DROP TYPE level;
