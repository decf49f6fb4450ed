-- The log of changes tells the same of a target that is written without a plan
-- and of one that is written by statements, for rows of any kind.
CREATE FUNCTION do_nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';

-- Sync source to target, take it back, and return what was logged: whether it
-- makes the new table when replayed over the old one, whether it is what
-- deltaetl_diff() had foretold of the columns it shows, and the entries.
CREATE FUNCTION try_log(level text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	run record;
	replayed boolean;
	foretold boolean;
	content text;
BEGIN
	PERFORM setval(pg_get_serial_sequence('target', attname), 100)
		FROM pg_attribute WHERE attrelid = 'target'::regclass AND attidentity <> '' AND NOT attisdropped;
	CREATE TEMP TABLE old AS SELECT target_row::text AS row FROM target AS target_row;
	CREATE TEMP TABLE told AS SELECT * FROM deltaetl_diff('source', 'target');
	SELECT * INTO run FROM deltaetl_sync('source', 'target', deletes => 'delete', log_changes => level);
	CREATE TEMP TABLE log AS SELECT * FROM deltaetl_change_entry WHERE run_id = run.run_id;
	CREATE TEMP TABLE new AS
		SELECT row FROM old
		EXCEPT ALL SELECT jsonb_populate_record(NULL::target, old_row || coalesce(old_text, '{}'))::text
		FROM log WHERE action <> 'insert';
	INSERT INTO new SELECT jsonb_populate_record(NULL::target, new_row || coalesce(new_text, '{}'))::text
		FROM log WHERE action <> 'delete';
	replayed := (SELECT NOT EXISTS (TABLE new EXCEPT ALL SELECT target_row::text FROM target AS target_row) AND
		NOT EXISTS (SELECT target_row::text FROM target AS target_row EXCEPT ALL TABLE new));
	foretold := (SELECT bool_and(d.action IS NOT NULL AND l.action IS NOT NULL AND
		coalesce(d.changed_columns <@ l.changed_columns, l.changed_columns IS NULL) AND
		(level = 'keys' OR coalesce(l.old_row @> d.old_row, d.old_row IS NULL) AND
		coalesce(l.new_row @> d.new_row, d.new_row IS NULL)))
		FROM told AS d FULL JOIN log AS l ON d.action = l.action AND d.key = l.key);
	SELECT string_agg(concat_ws(' ', action, key, changed_columns, left(old_row::text, 200), left(old_text::text, 200),
		left(new_row::text, 200), left(new_text::text, 200)), E'\n' ORDER BY key) INTO content FROM log;
	RAISE EXCEPTION USING ERRCODE = 'ZZ000', MESSAGE = format(E'%s+%s-%s replayed %s, foretold %s\n%s',
		run.inserted, run.updated, run.deleted, CASE level WHEN 'rows' THEN replayed END, foretold, content);
EXCEPTION WHEN SQLSTATE 'ZZ000' THEN
	RETURN SQLERRM;
END $$;
-- Both ways; once, if they agree.
CREATE FUNCTION both_ways(level text DEFAULT 'rows') RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	direct text := try_log(level);
	by_statements text;
BEGIN
	CREATE TRIGGER do_nothing AFTER INSERT OR UPDATE OR DELETE ON target FOR EACH ROW EXECUTE FUNCTION do_nothing();
	by_statements := try_log(level);
	DROP TRIGGER do_nothing ON target;
	RETURN NEXT direct;
	IF direct IS DISTINCT FROM by_statements THEN
		RETURN NEXT 'by statements: ' || by_statements;
	END IF;
END $$;
\pset format unaligned
\pset tuples_only on

-- defaults, identity, generated and dropped columns, domains
CREATE DOMAIN quantity AS int CHECK (VALUE < 1000);
CREATE TABLE target (gone int, id int PRIMARY KEY, name text, also_gone text, qty quantity, note text DEFAULT 'none',
	no int GENERATED ALWAYS AS IDENTITY, double int GENERATED ALWAYS AS (qty * 2) STORED);
ALTER TABLE target DROP COLUMN gone, DROP COLUMN also_gone;
ALTER TABLE target ADD COLUMN late text DEFAULT 'added';
CREATE TABLE source (qty quantity, name text, id int);
INSERT INTO target (id, name, qty) VALUES (1, 'one', 1), (2, 'two', 2), (3, 'three', 3);
INSERT INTO source VALUES (1, 'one', 1), (22, 'two', 2), (4, 'four', 4);
SELECT * FROM both_ways();
SELECT * FROM both_ways('keys');
-- all columns from the source: rows are inserted without a plan as well
ALTER TABLE target DROP COLUMN note, DROP COLUMN no, DROP COLUMN late;
SELECT * FROM both_ways();
-- a stored hash changes with the row
SELECT deltaetl_track('target');
UPDATE source SET name = NULL WHERE id = 1;
SELECT count(*), bool_and(both_ways ~ 'replayed t, foretold t') AS right,
	bool_and(both_ways ~ 'name,row_hash') AS hash_changed FROM both_ways();
DROP TABLE target, source;

-- values that jsonb does not tell exactly, and keys that match but differ
CREATE TYPE pair AS (a float8, b text);
CREATE TABLE target (n numeric PRIMARY KEY, f float8, a int[], p pair, d timestamptz, v interval, x bytea, w text);
CREATE TABLE source (LIKE target);
INSERT INTO target VALUES (1.0, '0', '{1}', '(1,a)', '2026-01-01 00:00+00', '1 day', '\x00', repeat('long ', 2000)),
	(2, 'NaN', '[0:1]={1,2}', NULL, 'infinity', '-1 mon', '\xff', 'same'), (3, 0.1, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO source SELECT n, CASE n WHEN 1 THEN '-0' ELSE f END, CASE n WHEN 2 THEN '[5:6]={1,2}' ELSE a END,
	p, d, v, x, CASE n WHEN 1 THEN w || 'er' ELSE w END FROM target;
UPDATE source SET n = 1.00 WHERE n = 1;
UPDATE source SET n = 'NaN' WHERE n = 3;
SET timezone = 'UTC';
SET intervalstyle = 'postgres';
SELECT * FROM both_ways();
-- whatever the session's settings
CREATE TABLE logged AS SELECT substring(both_ways FROM '\n.*') AS entries FROM both_ways();
SET timezone = 'Asia/Tokyo';
SET intervalstyle = 'iso_8601';
SET bytea_output = 'escape';
SET extra_float_digits = -10;
SELECT entries = substring(both_ways FROM '\n.*') FROM both_ways(), logged;
RESET timezone;
RESET intervalstyle;
RESET bytea_output;
RESET extra_float_digits;
DROP TABLE target, source, logged;
-- jsonb has one null, and json has spaces
CREATE TABLE target (id int PRIMARY KEY, j json, b jsonb);
CREATE TABLE source (LIKE target);
INSERT INTO target VALUES (1, '{"a":1}', 'null'), (2, 'null', '"null"'), (3, NULL, NULL);
INSERT INTO source VALUES (1, '{"a": 1}', NULL), (2, NULL, 'null'), (3, '{"a":1,"a":2}', '[]');
SELECT substring(both_ways FROM '\n.*') FROM both_ways();
DROP TABLE target, source;

-- out of line values, beside others that change
CREATE TABLE target (id int PRIMARY KEY, w text, other text);
ALTER TABLE target ALTER w SET STORAGE EXTERNAL;
INSERT INTO target VALUES (1, repeat('wide ', 3000), 'old'), (2, repeat('wider ', 3000), 'old');
CREATE TABLE source AS TABLE target;
UPDATE source SET other = 'new' WHERE id = 1;
SELECT * FROM both_ways('keys');
UPDATE source SET w = overlay(w PLACING 'n' FROM 9999);
SELECT substring(both_ways FROM '[^{]*.{60}') FROM both_ways();
DROP TABLE target, source;

-- a key of several columns, one of them NULL; no column but the key
CREATE TABLE target (a int, b text, UNIQUE NULLS NOT DISTINCT (a, b));
CREATE TABLE source (b text, a int);
INSERT INTO target VALUES (1, NULL), (2, 'two'), (NULL, NULL);
INSERT INTO source VALUES (NULL, 1), ('zwei', 2), ('three', NULL);
SELECT * FROM both_ways();
SELECT * FROM both_ways('keys');
DROP TABLE target, source;

-- a first load, and taking all of it away
CREATE TABLE target (id int PRIMARY KEY, t text);
CREATE TABLE source AS SELECT i AS id, 'text ' || i AS t FROM generate_series(1, 3000) AS i;
SELECT substring(both_ways FROM '[^\n]*') FROM both_ways();
INSERT INTO target TABLE source;
DELETE FROM source WHERE id > 1;
UPDATE source SET t = 'last';
SELECT substring(both_ways FROM '[^\n]*') FROM both_ways();
DROP TABLE target, source;
DROP FUNCTION try_log, both_ways, do_nothing;
DROP TYPE pair;
DROP DOMAIN quantity;
