-- A value that cannot be assigned is named by its column and the key of its
-- row, in each way to find the delta, and however its type is printed.
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE TYPE level AS ENUM ('low', 'high');
CREATE TABLE target (id int, "The day" date, name varchar(5), amount numeric(4,1), size positive, tags varchar(3)[],
  PRIMARY KEY (id, "The day"));
CREATE TABLE staging (id bigint, "The day" date, name text, amount text, size int, tags text[]);
INSERT INTO staging SELECT i, date '2026-01-01', 'n' || i, 'x', 1, '{a,b}' FROM generate_series(1, 100) AS i;
ALTER TABLE staging ALTER amount TYPE numeric USING 1;
\set sync 'SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync(''staging'', ''target'')'
-- of an empty target, and of one that has rows
UPDATE staging SET name = 'too long' WHERE id IN (77, 78);
:sync;
INSERT INTO target SELECT id, "The day", name, amount, size, tags FROM staging WHERE id < 50;
:sync;
SELECT count(*) FROM deltaetl_diff('staging', 'target');
-- the first one counts
UPDATE staging SET amount = 12345 WHERE id = 76;
:sync;
UPDATE staging SET amount = 1, name = 'n', size = 0 WHERE id > 75;
:sync;
UPDATE staging SET size = 1, tags = '{a,long}' WHERE id = 99;
UPDATE staging SET size = 1;
:sync;
-- out of scope it does no harm, as little as where it is not compared
SELECT inserted FROM deltaetl_sync('staging', 'target', scope => 'id < 99');
SELECT inserted FROM deltaetl_sync('staging', 'target', exclude_columns => '{tags}');
-- the key itself
UPDATE staging SET tags = '{}';
INSERT INTO staging VALUES (3000000000, '2026-01-01', 'n', 1, 1, '{}');
:sync;
DELETE FROM staging WHERE id > 1000;
SELECT updated FROM deltaetl_sync('staging', 'target');
DROP TABLE staging, target;
-- a cast of one's own, and a key that is long, or that is of one's own type
CREATE TYPE part AS (value int);
CREATE FUNCTION to_level(int) RETURNS level LANGUAGE plpgsql AS $$
BEGIN
  IF $1 > 1 THEN
    RAISE 'there is no level %', $1;
  END IF;
  RETURN 'low';
END $$;
CREATE CAST (int AS level) WITH FUNCTION to_level(int) AS ASSIGNMENT;
CREATE TABLE target (name text, level level, PRIMARY KEY (name));
CREATE TABLE staging (name text, level int);
INSERT INTO staging VALUES (repeat('long', 10), 1), (repeat('longer', 20), 2);
:sync;
ALTER TABLE staging ALTER name TYPE part USING ROW(1);
ALTER TABLE target ALTER name TYPE part USING ROW(1);
:sync;
DROP TABLE target, staging;
DROP CAST (int AS level);
DROP FUNCTION to_level;
-- what fails for another reason keeps its own error
CREATE TABLE target (id int PRIMARY KEY, name varchar(5));
CREATE TABLE staging (id bigint, name text);
INSERT INTO staging VALUES (1, 'a'), (2, 'b');
\set VERBOSITY terse
SELECT deltaetl_sync('staging', 'target', scope => '1 / (id - 2) < 5');
-- and the transaction goes on as after any error
BEGIN;
SAVEPOINT before;
UPDATE staging SET name = 'too long';
:sync;
ROLLBACK TO before;
:sync;
COMMIT;
SELECT * FROM target ORDER BY id;
DROP TABLE staging, target;
DROP TYPE part, level;
DROP DOMAIN positive;
-- the function that does it is of no use to others
SELECT proname, prorettype::regtype, proargtypes[0]::regtype FROM pg_proc WHERE proname = 'deltaetl_assign';
