-- The log of changes where a target can only be written by statements.

-- Sync source to target with a log, whose last run this returns: whether it
-- makes the new table when replayed over the old one, and the entries.
CREATE FUNCTION try_log(options text DEFAULT '') RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	run record;
	replayed boolean;
BEGIN
	CREATE TEMP TABLE old AS SELECT target_row::text AS row FROM target AS target_row;
	EXECUTE format('SELECT * FROM deltaetl_sync(''source'', ''target'', deletes => ''delete'', log_changes => ''rows'' %s)',
		options) INTO run;
	CREATE TEMP TABLE log AS SELECT * FROM deltaetl_changes('target', run.run_id - 1);
	CREATE TEMP TABLE new AS
		SELECT row FROM old
		EXCEPT ALL SELECT jsonb_populate_record(NULL::target, old_row)::text FROM log WHERE action <> 'insert';
	INSERT INTO new SELECT jsonb_populate_record(NULL::target, new_row)::text FROM log WHERE action <> 'delete';
	replayed := (SELECT NOT EXISTS (TABLE new EXCEPT ALL SELECT target_row::text FROM target AS target_row) AND
		NOT EXISTS (SELECT target_row::text FROM target AS target_row EXCEPT ALL TABLE new));
	RETURN NEXT format('%s+%s-%s replayed %s', run.inserted, run.updated, run.deleted, replayed);
	RETURN QUERY SELECT concat_ws(' ', action, changed_columns, old_row, new_row) FROM log ORDER BY key;
	DROP TABLE old, log, new;
END $$;
\pset format unaligned
\pset tuples_only on

-- BEFORE triggers change what is written, and keep rows from it
CREATE TABLE target (id int PRIMARY KEY, name text, stamp text);
CREATE TABLE source (id int, name text);
INSERT INTO target VALUES (1, 'one', 'old'), (2, 'two', 'old'), (3, 'three', 'old'), (4, 'four', 'old');
INSERT INTO source VALUES (1, 'eins'), (2, 'no'), (5, 'no'), (6, 'six');
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF coalesce(NEW.name = 'no', OLD.id = 4) THEN
		RETURN NULL;
	END IF;
	IF TG_OP <> 'DELETE' THEN
		NEW.stamp := lower(TG_OP);
		RETURN NEW;
	END IF;
	RETURN OLD;
END $$;
CREATE TRIGGER stamp BEFORE INSERT OR UPDATE OR DELETE ON target FOR EACH ROW EXECUTE FUNCTION stamp();
SELECT * FROM try_log();
-- a trigger that takes the change back again: the row was written all the same
CREATE OR REPLACE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END';
DELETE FROM source WHERE id > 4;
SELECT * FROM try_log();
-- deletes move rows, which are then updated by key
CREATE OR REPLACE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	UPDATE target SET stamp = stamp WHERE id <> OLD.id;
	RETURN OLD;
END $$;
DROP TRIGGER stamp ON target;
INSERT INTO target VALUES (3, 'three', 'old'), (4, 'four', 'old');
CREATE TRIGGER stamp BEFORE DELETE ON target FOR EACH ROW WHEN (OLD.id = 4) EXECUTE FUNCTION stamp();
SELECT * FROM try_log();
-- a trigger that syncs and logs itself, and one that looks at the log meanwhile
CREATE TABLE copy (LIKE target INCLUDING ALL);
CREATE OR REPLACE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM deltaetl_sync('source', 'copy', log_changes => 'rows');
	PERFORM count(*) FROM deltaetl_change_log;
	RETURN NEW;
END $$;
DROP TRIGGER stamp ON target;
CREATE TRIGGER stamp BEFORE INSERT OR UPDATE ON target FOR EACH ROW EXECUTE FUNCTION stamp();
CREATE TRIGGER late AFTER INSERT OR UPDATE ON target EXECUTE FUNCTION stamp();
UPDATE source SET name = name || '!';
INSERT INTO source SELECT i, 'many' FROM generate_series(7, 9) AS i;
SELECT * FROM try_log();
SELECT action, count(*), count(DISTINCT key) FROM deltaetl_changes('copy') GROUP BY action;
TABLE copy EXCEPT ALL SELECT id, name, NULL FROM source;
DROP TABLE target, source, copy;
DROP FUNCTION stamp;

-- partitions, in one of which the columns lie otherwise; rows move between them
CREATE TABLE target (id int, part int, name text, twice int GENERATED ALWAYS AS (part * 2) STORED) PARTITION BY LIST (part);
CREATE TABLE target_1 PARTITION OF target FOR VALUES IN (1);
CREATE TABLE target_2 (gone int, name text, id int, part int, twice int GENERATED ALWAYS AS (part * 2) STORED);
ALTER TABLE target_2 DROP COLUMN gone;
ALTER TABLE target ATTACH PARTITION target_2 FOR VALUES IN (2);
CREATE TABLE source (name text, part int, id int);
INSERT INTO target VALUES (1, 1, 'stays'), (2, 1, 'moves'), (3, 2, 'moves too'), (4, 2, 'goes'), (5, 2, 'changes'), (6, 1, 'changes');
INSERT INTO source VALUES ('stays', 1, 1), ('moves', 2, 2), ('moves too', 1, 3), ('changed', 2, 5), ('changed', 1, 6), ('new', 1, 7), ('new', 2, 8);
SELECT * FROM try_log(', key_columns => ''{id}''');
DROP TABLE target, source;
-- and children
CREATE TABLE target (id int PRIMARY KEY, name text);
CREATE TABLE child (more int DEFAULT 0, PRIMARY KEY (id)) INHERITS (target);
CREATE TABLE source (id int, name text);
INSERT INTO target VALUES (1, 'one'), (2, 'two');
INSERT INTO child VALUES (3, 'three'), (4, 'four');
INSERT INTO source VALUES (2, 'TWO'), (4, 'FOUR'), (5, 'five');
SELECT * FROM try_log();
DROP TABLE target, source CASCADE;

-- other types in the source, a view, a scope
CREATE TABLE target (id int PRIMARY KEY, price numeric(10,2), day date);
CREATE TABLE raw (id text, price text, day text);
CREATE VIEW source AS SELECT id::int AS id, price::numeric AS price, day::date AS day FROM raw;
INSERT INTO target VALUES (1, 1, '2026-01-01'), (2, 2, '2026-01-02'), (3, 3, '2026-01-03'), (100, 100, NULL);
INSERT INTO raw VALUES ('1', '1.004', '2026-01-01'), ('2', '2.345', '2026-01-02'), ('4', '4', NULL), ('101', '1', NULL);
SELECT * FROM try_log(', scope => ''id < 100''');
DROP VIEW source;
DROP TABLE target, raw;

-- more columns than a row of RETURNING has room for twice
DO $$ BEGIN
	EXECUTE (SELECT format('CREATE TABLE target (id int PRIMARY KEY, %s)', string_agg(format('c%s smallint', i), ', '))
		FROM generate_series(1, 900) AS i);
END $$;
INSERT INTO target (id, c900) VALUES (1, 1), (2, 2);
CREATE TABLE source AS SELECT id, c900 + 1 AS c900 FROM target WHERE id = 1;
INSERT INTO source VALUES (3, 3);
CREATE FUNCTION do_nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER do_nothing AFTER UPDATE ON target FOR EACH ROW EXECUTE FUNCTION do_nothing();
SELECT left(try_log, 50) FROM try_log();
DROP TABLE target, source;
DROP FUNCTION try_log, do_nothing;
