-- Rows of the source are read again to be written.  What the run itself and
-- its triggers do meanwhile makes no difference.
\set SHOW_CONTEXT never
\set counts 'SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync'

-- a trigger of the target writes to the source
CREATE TABLE target (id int PRIMARY KEY, v int, state text);
CREATE TABLE source (LIKE target INCLUDING ALL);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	UPDATE source SET state = 'seen';
	RETURN coalesce(new, old);
END $$;
CREATE TRIGGER note BEFORE INSERT OR UPDATE OR DELETE ON target FOR EACH ROW EXECUTE FUNCTION note();
INSERT INTO source SELECT g, g, 'a' FROM generate_series(1, 6) AS g;
ALTER TABLE target DISABLE TRIGGER note;
INSERT INTO target VALUES (1, 0, 'a'), (2, 2, 'a'), (3, 0, 'a'), (50, 1, 'a'), (4, 4, 'a');
ALTER TABLE target ENABLE TRIGGER note;
:counts('source', 'target', deletes => 'delete');
SELECT * FROM target ORDER BY id;
TRUNCATE source, target;
INSERT INTO source SELECT g, g, 'b' FROM generate_series(1, 20) AS g;
ALTER TABLE target DISABLE TRIGGER note;
INSERT INTO target VALUES (1, 0, 'b'), (2, 0, 'b'), (3, 3, 'b');
ALTER TABLE target ENABLE TRIGGER note;
:counts('source', 'target');
SELECT count(*), sum(v), min(state), max(state) FROM target;

-- also if there is only one statement, which reads while its triggers write
TRUNCATE source, target;
INSERT INTO source SELECT g, g, 'c' FROM generate_series(1, 20) AS g;
:counts('source', 'target');
UPDATE source SET state = 'd', v = v + 1 WHERE id > 5;
UPDATE source SET state = 'c' WHERE id <= 5;
:counts('source', 'target');
SELECT state, count(*), sum(v) FROM target GROUP BY state ORDER BY state;
DROP TABLE source, target;
DROP FUNCTION note;

-- a scope that looks at the target
CREATE TABLE target (id int PRIMARY KEY, v int, extra text DEFAULT 'kept');
CREATE TABLE source (id int PRIMARY KEY, v int);
INSERT INTO source SELECT g, g FROM generate_series(1, 10) AS g;
INSERT INTO target VALUES (1, 0), (2, 0);
:counts('source', 'target', scope => 'EXISTS (SELECT FROM target WHERE v = 0)');
SELECT count(*), sum(v) FROM target;
DROP TABLE source, target;

-- tableoid in generated columns and constraints
CREATE TABLE target (id int PRIMARY KEY, v text, g text GENERATED ALWAYS AS (tableoid::text || v) STORED,
	CHECK (tableoid <> 0));
CREATE TABLE source (id int PRIMARY KEY, v text);
INSERT INTO target VALUES (1, 'a'), (2, 'a'), (3, 'a');
INSERT INTO source VALUES (1, 'b'), (2, 'b'), (3, 'b'), (4, 'b');
:counts('source', 'target');
SELECT id, v, g = tableoid::text || v AS generated FROM target ORDER BY id;
DROP TABLE source, target;

-- the right to update a key whose bytes change
CREATE ROLE regress_deltaetl_clerk;
CREATE TABLE target (k numeric PRIMARY KEY, v int);
CREATE TABLE source (LIKE target INCLUDING ALL);
INSERT INTO target VALUES (1.0, 1), (2, 2);
INSERT INTO source VALUES (1.00, 1), (2, 3);
GRANT SELECT ON source, target TO regress_deltaetl_clerk;
GRANT INSERT, UPDATE (v) ON target TO regress_deltaetl_clerk;
GRANT USAGE ON SEQUENCE deltaetl_run_id_seq TO regress_deltaetl_clerk;
SET ROLE regress_deltaetl_clerk;
:counts('source', 'target');
RESET ROLE;
GRANT UPDATE (k) ON target TO regress_deltaetl_clerk;
SET ROLE regress_deltaetl_clerk;
:counts('source', 'target');
RESET ROLE;
TABLE target ORDER BY k;
DROP TABLE source, target;
REVOKE ALL ON SEQUENCE deltaetl_run_id_seq FROM regress_deltaetl_clerk;
DROP ROLE regress_deltaetl_clerk;

-- values that cannot be assigned, also where nothing but keys would be read
CREATE TABLE target (k float8 PRIMARY KEY, v varchar(3));
CREATE TABLE source (k float8 PRIMARY KEY, v text);
INSERT INTO source VALUES (1, 'abcd');
:counts('source', 'target', dry_run => true);
DROP TABLE source, target;

-- a hash that is believed but says nothing of the key
CREATE TABLE target (k numeric PRIMARY KEY, v text);
INSERT INTO target VALUES (1, 'a');
SELECT deltaetl_track('target');
CREATE TABLE source (k numeric, v text, hash bytea);
INSERT INTO source VALUES (1, 'b', '\x00'), (2, 'c', '\x00');
:counts('source', 'target', source_hash_column => 'hash');
DROP TABLE source, target;

-- columns called like what is read beside the columns
CREATE TABLE target (id int PRIMARY KEY, "deltaetl:oid" text, "deltaetl:tid" text, "deltaetl:hash" text);
CREATE TABLE source (LIKE target);
INSERT INTO source VALUES (1, 'a', 'b', 'c');
:counts('source', 'target');
SELECT deltaetl_track('target');
UPDATE source SET "deltaetl:oid" = 'd', "deltaetl:hash" = 'e';
:counts('source', 'target');
:counts('source', 'target');
DROP TABLE source, target;

-- the reference to what a run collects is not for functions that it calls
CREATE TYPE digit AS ENUM ('1', '2', '3');
CREATE FUNCTION spy(d digit) RETURNS numeric LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
	context text;
BEGIN
	GET DIAGNOSTICS context = PG_CONTEXT;
	IF context ~ 'deltaetl_fingerprints\(' AND context !~ 'deltaetl_fingerprints\(\$1, ' THEN
		RAISE EXCEPTION '%', context;
	END IF;
	RETURN d::text::numeric;
END $$;
CREATE CAST (digit AS numeric) WITH FUNCTION spy(digit) AS ASSIGNMENT;
CREATE TABLE source (k digit, v int);
CREATE TABLE target (k numeric PRIMARY KEY, v int);
INSERT INTO source VALUES ('1', 1), ('2', 2), ('3', 3);
INSERT INTO target VALUES (1, 1), (2, 0);
:counts('source', 'target');
DROP TABLE source, target;
DROP TYPE digit CASCADE;
