-- Arguments that make no sense: an error that a user can cause, never one that
-- cannot happen, and never a run.
CREATE TABLE products (id int PRIMARY KEY, name text);
CREATE TABLE staging (LIKE products);
CREATE TABLE dropped (id int);
SELECT 'dropped'::regclass::oid AS dropped \gset
DROP TABLE dropped;
INSERT INTO staging VALUES (1, 'one'), (2, 'two');
CREATE FUNCTION try(query text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE query;
	RAISE EXCEPTION 'done';
EXCEPTION WHEN raise_exception THEN
	RETURN SQLERRM;
WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || left(SQLERRM, 60);
END $$;

-- NULL for all arguments of each function, and for each alone, says which it was
CREATE TABLE values_of (type regtype, value text);
INSERT INTO values_of VALUES ('regclass', 'staging'), ('name[]', '{name}'), ('text', 'none'), ('boolean', 'true'), ('float8', '50'),
	('bigint', '5'), ('name', 'name'), ('jsonb', '{}'), ('interval', '1 day'), ('bytea', '\x');
CREATE VIEW functions AS
SELECT p.oid, p.proname, p.pronargs, p.proargnames, a.type, a.i FROM pg_proc AS p, unnest(p.proargtypes) WITH ORDINALITY AS a (type, i)
WHERE p.proname LIKE 'deltaetl\_%' AND p.prokind = 'f' AND p.provariadic = 0
	AND p.proname NOT IN ('deltaetl_differs', 'deltaetl_digest_add', 'deltaetl_digest_combine', 'deltaetl_digest_final', 'deltaetl_check_table') AND NOT 'internal'::regtype = ANY (p.proargtypes) AND NOT 'record'::regtype = ANY (p.proargtypes);
CREATE VIEW null_results AS
SELECT f.proname, f.proargnames[f.i] AS argument, r.result
FROM functions AS f CROSS JOIN LATERAL (
	SELECT try(format('SELECT %I(%s)', f.proname, string_agg(CASE
			WHEN g.i = f.i THEN format('%I => NULL::%s', g.proargnames[g.i], g.type::regtype)
			WHEN g.proargnames[g.i] IN ('source', 'target', 'relation', 'after_run', 'run_id', 'keep', 'name', 'options')
			THEN format('%I => %L::%s', g.proargnames[g.i], CASE g.proargnames[g.i] WHEN 'target' THEN 'products' ELSE v.value END, g.type::regtype) END, ', '))) AS result
	FROM functions AS g JOIN values_of AS v ON v.type = g.type WHERE g.oid = f.oid) AS r;
SELECT proname, try(format('SELECT %I(%s)', proname, string_agg(format('NULL::%s', type::regtype), ', ' ORDER BY i)))
FROM functions GROUP BY oid, proname ORDER BY proname COLLATE "C";
SELECT count(*) > 50 AS many, count(*) FILTER (WHERE result = '22004 ' || argument || ' must not be null') > 20 AS named
FROM null_results;
SELECT * FROM null_results WHERE result NOT IN ('done', '22004 ' || argument || ' must not be null')
ORDER BY proname COLLATE "C", argument COLLATE "C";

-- relations that are not there
SELECT a, try(format('SELECT deltaetl_diff(%s, ''products'')', a)) AS source, try(format('SELECT deltaetl_sync(''staging'', %s)', a)) AS target,
	try(format('SELECT deltaetl_explain(%s, ''products'')', a)) AS explain, try(format('SELECT deltaetl_hashes(%s)', a)) AS hashes
FROM unnest(ARRAY['0::regclass', '4294967295::oid::regclass']) AS a;
SELECT DISTINCT replace(try(format(call, :'dropped' || '::regclass')), :'dropped', 'N') FROM unnest(ARRAY[
	'SELECT deltaetl_diff(%s, ''products'')', 'SELECT deltaetl_sync(''staging'', %s)', 'SELECT deltaetl_hashes(%s)', 'SELECT deltaetl_track(%s)',
	'SELECT deltaetl_untrack(%s)', 'SELECT deltaetl_verify(%s)', 'SELECT deltaetl_changes(%s)', 'SELECT deltaetl_create_job(''odd'', %s, ''products'')']) AS call;
SELECT deltaetl_create_job('odd', 'staging', 'products');
SELECT deltaetl_alter_job('odd', source => 0::regclass);
SELECT deltaetl_alter_job('odd', target => 4294967295::oid::regclass);
SELECT deltaetl_drop_job('odd');

-- names and numbers
SELECT a, try(format('SELECT deltaetl_sync(''staging'', ''products'', %s)', a)) AS sync FROM unnest(ARRAY[
	'key_columns => ''{}''', 'key_columns => ''{{id},{name}}''', 'key_columns => ''{NULL}''', 'key_columns => ''{""}''', 'key_columns => ''{ctid}''',
	'key_columns => array_fill(''id''::name, ARRAY[10000])', 'columns => ''{name,NULL}''', 'columns => ''{*}''', 'columns => ''{tableoid}''', 'exclude_columns => ''{id}''',
	'source_hash_column => ''''', 'deletes => ''''', 'deletes => ''DELETE''', 'log_changes => ''%s%n''', 'if_running => ''wait ''',
	'max_delete_pct => ''NaN''', 'max_delete_pct => -1', 'max_delete_pct => ''Infinity''', 'max_update_pct => ''-Infinity''', 'max_update_pct => 100.1', 'max_delete_rows => -1']) AS a;

-- functions as another version of the extension might have them
CREATE FUNCTION old_sync(regclass, regclass) RETURNS bigint AS '$libdir/deltaetl', 'deltaetl_sync' LANGUAGE C;
CREATE FUNCTION old_explain(regclass, regclass) RETURNS SETOF text AS '$libdir/deltaetl', 'deltaetl_explain' LANGUAGE C;
SELECT old_sync('staging', 'products');
SELECT old_explain('staging', 'products');
DROP FUNCTION old_sync, old_explain;

-- scope is one condition and nothing else
SELECT a AS scope, try(format('SELECT deltaetl_sync(''staging'', ''products'', scope => %L)', a)) AS sync FROM unnest(ARRAY[
	'', '--', 'true); DROP TABLE staging; --', 'true) OR (true', ');', 'true; DROP TABLE staging', 'true ORDER BY 1', 'true LIMIT 1', 'true UNION SELECT true',
	'true FOR UPDATE', 'true, true', 'true AS x', 'true FROM staging', 'DISTINCT true', 'true WINDOW w AS ()', 'true INTO x', '1', '$1', '$1 IS NULL', 'count(*) > 0',
	'generate_series(1, 2) > 0', 'ctid IS NULL', 'deltaetl.tableoid > 0', '"deltaetl:source".id > 0', '"deltaetl:tid" IS NULL', 'id IN (SELECT c1 FROM deltaetl_insert)',
	'(WITH x AS (DELETE FROM staging RETURNING true) TABLE x)', 'true /*', 'name = ''', 'name = E''\'' OR true', E'true \\']) AS a;
SET client_min_messages = warning;
SELECT length(a), try(format('SELECT deltaetl_sync(''staging'', ''products'', scope => %L, dry_run => true)', a)) AS sync FROM unnest(ARRAY[
	repeat('(', 100000) || 'true' || repeat(')', 100000), repeat('x', 1000000), 'id = 0' || repeat(' OR id = 0', 10000), 'name = ''' || repeat('y', 1000000) || '''']) AS a;
SELECT count(*) FROM products;
SELECT count(*) FROM staging;

DROP VIEW functions CASCADE;
DROP FUNCTION try;
DROP TABLE products, staging, values_of;
