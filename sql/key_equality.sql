-- Keys match by the equality of their type and collation.  Where the keys
-- that match differ in bytes, the target gets the source's.
\set SHOW_CONTEXT never
\set sync 'SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync(''staging'', ''target'', deletes => ''delete'')'
\set diff 'SELECT action, key, changed_columns FROM deltaetl_diff(''staging'', ''target'')'
-- rows that only one side has, compared as text, so to the letter
\set differ '(SELECT s::text FROM staging s EXCEPT ALL SELECT t::text FROM target t) UNION ALL (SELECT t::text FROM target t EXCEPT ALL SELECT s::text FROM staging s)'

-- numeric, float8, interval
CREATE TABLE target (n numeric, f float8, i interval, v int, PRIMARY KEY (n, f, i));
CREATE TABLE staging (LIKE target);
INSERT INTO target VALUES (1.0, 1, '1 day', 1), (2, 0, '1 day', 2), (3, '-0', '1 mon', 3),
  (4.0, 'NaN', '1 day', 4), (5.0, 0, '1 day', 5);
INSERT INTO staging VALUES (1.00, 1, '1 day', 1), (2, '-0', '1 day', 2), (3, 0, '30 days', 30),
  (4.0, 'NaN', '24:00', 4), (5.5, 0, '1 day', 5), (5.0, 0, '1 day', 5);
:diff ORDER BY key->'n';
:sync;
\g
:differ;
-- which one of keys that are equal an error shows is left open
\set VERBOSITY terse
INSERT INTO staging VALUES (5.000, '-0', '24:00', 6);
:sync;
\set VERBOSITY default
DROP TABLE staging, target;

-- array, range, composite, jsonb
CREATE TYPE pair AS (n numeric, t text);
CREATE TABLE target (a numeric[], r numrange, c pair, j jsonb, v int, PRIMARY KEY (a, r, c, j));
CREATE TABLE staging (LIKE target);
INSERT INTO target VALUES ('{1.0,NULL}', '[1,2)', '(1,x)', '{"a": 1}', 1),
  ('{2}', '[1.0,2)', '(1,x)', '{"a": 1}', 2), ('{3}', '[1,2)', '(1.0,)', '{"a": 1}', 3),
  ('{4}', '[1,2)', '(1,x)', '{"a": 1.0}', 4), ('{5}', 'empty', '(1,x)', 'null', 5),
  ('{6}', '[1,2)', '(1,x)', '{}', 6);
INSERT INTO staging VALUES ('{1.00,NULL}', '[1,2)', '(1,x)', '{"a": 1}', 1),
  ('{2}', '[1.00,2)', '(1,x)', '{"a": 1}', 2), ('{3}', '[1,2)', '(1.00,)', '{"a": 1}', 30),
  ('{4}', '[1,2)', '(1,x)', '{"a": 1.00}', 4), ('{5}', 'empty', '(1,x)', 'null', 5),
  ('{{6}}', '[1,2)', '(1,x)', '{}', 6);
:diff ORDER BY key->'a', action;
:sync;
\g
:differ;
DROP TABLE staging, target;

-- an array that is null is not one that is empty, where nulls match
CREATE TABLE target (a int[], v int, UNIQUE NULLS NOT DISTINCT (a));
CREATE TABLE staging (LIKE target);
INSERT INTO target VALUES (NULL, 1), ('{}', 2), ('{1,2}', 3), ('[0:1]={1,2}', 4), ('{NULL}', 5);
INSERT INTO staging SELECT a, v + 10 FROM target;
:sync;
\g
:differ;
DROP TABLE staging, target;

-- uuid, enum, and xid, which has an equality but no order
CREATE TYPE level AS ENUM ('low', 'high');
CREATE TABLE target (u uuid, e level, x xid, v int);
CREATE TABLE staging (LIKE target);
INSERT INTO target SELECT u, e, x, x::text::int
  FROM unnest('{0f9d0b1c-0000-4000-8000-000000000001,0f9d0b1c-0000-4000-8000-000000000002}'::uuid[]) u,
       unnest(enum_range(NULL::level)) e, unnest('{1,2}'::xid[]) x;
INSERT INTO staging SELECT u, e, x, CASE e WHEN 'low' THEN v ELSE v + 1 END FROM target
  WHERE u::text LIKE '%1' OR x <> '2';
INSERT INTO staging SELECT u, e, '3', 3 FROM staging WHERE x = '2';
SELECT inserted, updated, deleted, unchanged
  FROM deltaetl_sync('staging', 'target', '{x,e,u}', deletes => 'delete');
\g
:differ;
INSERT INTO staging SELECT * FROM staging WHERE x = '3' AND e = 'high';
SELECT * FROM deltaetl_diff('staging', 'target', '{x,e,u}');
DROP TABLE staging, target;
DROP TYPE level;

-- char(n) pads what it gets, bpchar keeps blanks that count for nothing
CREATE TABLE target (c char(3), b bpchar, v int, PRIMARY KEY (c, b));
CREATE TABLE staging (v int, b bpchar, c text);
INSERT INTO target VALUES ('a', 'a', 1), ('b', 'a', 2), ('c', 'a  ', 3), ('d', 'a', 4);
INSERT INTO staging VALUES (1, 'a', 'a'), (2, 'a', 'b     '), (3, 'a', 'c  '), (40, 'a    ', 'd');
:diff ORDER BY key->>'c' COLLATE "C";
:sync;
\g
SELECT c || '|' AS c, b::bytea, v FROM target ORDER BY v;
DROP TABLE staging, target;

-- citext, from text
CREATE EXTENSION citext;
CREATE TABLE target (k citext PRIMARY KEY, v int);
CREATE TABLE staging (k text, v int);
INSERT INTO target VALUES ('Ann', 1), ('Bob', 2), ('Cid', 3), ('Dan', 4);
INSERT INTO staging VALUES ('ANN', 1), ('bob', 20), ('Cid', 3), ('Eve', 5);
:diff ORDER BY key->>'k' COLLATE "C";
:sync;
\g
:differ;
\set VERBOSITY terse
INSERT INTO staging VALUES ('eve', 5);
:sync;
\set VERBOSITY default
DROP TABLE staging, target;
DROP EXTENSION citext;

-- a nondeterministic collation, whatever that of the source
CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE target (k text COLLATE nocase PRIMARY KEY, v int);
CREATE TABLE staging (k varchar(9) COLLATE "C", v int);
INSERT INTO target VALUES ('Ann', 1), ('Bob', 2), ('Cid', 3), ('Dan', 4);
INSERT INTO staging VALUES ('ANN', 1), ('bob', 20), ('Cid', 3), ('Eve', 5);
:diff ORDER BY key->>'k' COLLATE "C";
:sync;
\g
:differ;
\set VERBOSITY terse
INSERT INTO staging VALUES ('eve', 5);
:sync;
\set VERBOSITY default
-- a unique index says by which collation keys match, not the column
ALTER TABLE target DROP CONSTRAINT target_pkey, ALTER k SET NOT NULL;
CREATE UNIQUE INDEX target_k ON target (k COLLATE "C");
:sync;
\g
:differ;
SELECT * FROM deltaetl_diff('target', 'staging', '{k}');
-- that index does not prove that keys are unique by the column's collation
DELETE FROM staging WHERE k = 'eve';
\set VERBOSITY terse
SELECT * FROM deltaetl_diff('staging', 'target', '{k,v}');
\set VERBOSITY default
DROP TABLE staging, target;
CREATE TABLE target (k text COLLATE "C" NOT NULL, v int);
CREATE UNIQUE INDEX target_k ON target (k COLLATE nocase);
CREATE TABLE staging (LIKE target);
INSERT INTO target VALUES ('Ann', 1), ('Bob', 2), ('Dan', 4);
INSERT INTO staging VALUES ('ANN', 1), ('bob', 20), ('Eve', 5);
:sync;
\g
:differ;
DROP TABLE staging, target;
DROP COLLATION nocase;

-- types that cannot be compared
CREATE TYPE blob AS (id int, doc json);
CREATE TABLE target (id int PRIMARY KEY, j json, js json[], p point, b blob);
CREATE TABLE staging (LIKE target);
SELECT * FROM deltaetl_sync('staging', 'target', '{j}');
\echo :SQLSTATE
SELECT * FROM deltaetl_sync('staging', 'target', '{id,js}');
SELECT * FROM deltaetl_diff('staging', 'target', '{p}');
SELECT * FROM deltaetl_diff('staging', 'target', '{b}');
DROP TABLE staging, target;
DROP TYPE pair, blob;
