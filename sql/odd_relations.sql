-- Every kind of relation as source and as target: rows, or an error that a
-- user can cause, never one that cannot happen.
SET client_min_messages = warning;
CREATE SCHEMA odd;
SET search_path = odd, public;
CREATE TABLE plain (id int PRIMARY KEY, name text);
INSERT INTO plain VALUES (1, 'one'), (2, 'two');
CREATE UNLOGGED TABLE unlogged (LIKE plain INCLUDING ALL);
CREATE TEMP TABLE temporary (LIKE plain INCLUDING ALL);
CREATE TABLE parted (id int PRIMARY KEY, name text) PARTITION BY RANGE (id);
CREATE INDEX parted_name ON parted (name);
CREATE TABLE parent (id int PRIMARY KEY, name text);
CREATE TABLE child () INHERITS (parent);
CREATE TYPE pair AS (id int, name text);
CREATE TABLE typed OF pair (PRIMARY KEY (id));
CREATE TABLE empty ();
CREATE TABLE emptied (id int PRIMARY KEY);
ALTER TABLE emptied DROP COLUMN id;
CREATE TABLE ruled (LIKE plain INCLUDING ALL);
CREATE RULE nothing AS ON INSERT TO ruled DO INSTEAD NOTHING;
CREATE VIEW viewed AS TABLE plain;
CREATE FUNCTION instead() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE VIEW triggered AS TABLE plain;
CREATE TRIGGER instead INSTEAD OF INSERT OR UPDATE OR DELETE ON triggered FOR EACH ROW EXECUTE FUNCTION instead();
CREATE MATERIALIZED VIEW kept AS TABLE plain;
CREATE MATERIALIZED VIEW unfilled AS TABLE plain WITH NO DATA;
CREATE SEQUENCE numbers;
CREATE FOREIGN DATA WRAPPER nothing;
CREATE SERVER nowhere FOREIGN DATA WRAPPER nothing;
CREATE FOREIGN TABLE remote (id int, name text) SERVER nowhere;

CREATE TABLE relations (name text PRIMARY KEY, relid regclass, is_table boolean);
INSERT INTO relations SELECT relname, oid, relkind IN ('r', 'p') AND relname NOT IN ('ruled', 'empty', 'emptied')
FROM pg_class WHERE relnamespace IN ('odd'::regnamespace, pg_my_temp_schema()) AND relname NOT LIKE 'relations%' AND relkind <> 't';
INSERT INTO relations SELECT 'toast', reltoastrelid, false FROM pg_class WHERE oid = 'plain'::regclass;
INSERT INTO relations SELECT 'toast index', indexrelid, false FROM pg_index WHERE indrelid = (SELECT relid FROM relations WHERE name = 'toast');
INSERT INTO relations SELECT c, c::regclass, false FROM unnest('{pg_class,pg_authid,pg_largeobject,pg_stat_activity,pg_settings,information_schema.tables,deltaetl_run_log,deltaetl_progress,deltaetl_run_id_seq}'::text[]) AS c;
CREATE FUNCTION try(query text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE query;
	RAISE EXCEPTION USING ERRCODE = '00001';
EXCEPTION WHEN OTHERS THEN
	RETURN CASE SQLSTATE WHEN '00001' THEN 'done' ELSE SQLSTATE END;
END $$;

-- which of them can be what, with any partner
CREATE TABLE results AS
SELECT s.name AS source, t.name AS target, call, try(format(call, s.relid::oid, t.relid::oid)) AS result
FROM relations AS s CROSS JOIN relations AS t CROSS JOIN unnest(ARRAY[
	'SELECT deltaetl_diff(%s::regclass, %s::regclass)',
	'SELECT deltaetl_explain(%s::regclass, %s::regclass, deletes => ''delete'')',
	'SELECT deltaetl_sync(%s::regclass, %s::regclass, deletes => ''delete'', allow_empty_source => true, log_changes => ''rows'')',
	'SELECT deltaetl_sync(%s::regclass, %s::regclass, key_columns => ''{id}'', scope => ''id > 0'')']) AS call;
SELECT count(*) > 4000 AS many, count(*) FILTER (WHERE result LIKE 'XX%') AS internal FROM results;
SELECT name, bool_or(result = 'done') FILTER (WHERE name = source) AS source, bool_or(result = 'done') FILTER (WHERE name = target) AS target
FROM results JOIN relations ON name IN (source, target) GROUP BY name ORDER BY name COLLATE "C";
SELECT * FROM results WHERE result LIKE 'XX%';
SELECT * FROM results JOIN relations ON name = target WHERE result = 'done' AND NOT is_table;

-- alone
SELECT name, try(format('SELECT deltaetl_hashes(%s::regclass, ''{id}'')', relid::oid)) AS hashes,
	try(format('SELECT deltaetl_track(%s::regclass)', relid::oid)) AS track,
	try(format('SELECT deltaetl_untrack(%s::regclass)', relid::oid)) AS untrack,
	try(format('SELECT deltaetl_verify(%s::regclass)', relid::oid)) AS verify,
	try(format('SELECT deltaetl_changes(%s::regclass)', relid::oid)) AS changes,
	try(format('SELECT deltaetl_create_job(''odd'', ''odd.plain'', %s::regclass)', relid::oid)) AS job
FROM relations ORDER BY name COLLATE "C";
TABLE plain ORDER BY id;

RESET search_path;
DROP SCHEMA odd CASCADE;
DROP FOREIGN DATA WRAPPER nothing CASCADE;
