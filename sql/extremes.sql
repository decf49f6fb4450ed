-- Rows at the limits of PostgreSQL, and types that lack what others have.
SET client_min_messages = warning;
CREATE SCHEMA far;
SET search_path = far, public;
-- whether a sync of what is given makes both equal, and a second one does nothing
CREATE FUNCTION settle(source regclass, target regclass, key name[] DEFAULT NULL, log text DEFAULT 'rows') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	run bigint;
	first text;
	second text;
BEGIN
	SELECT run_id, concat_ws(' ', inserted, updated, deleted) INTO run, first
	FROM deltaetl_sync(source, target, key, deletes => 'delete', log_changes => log);
	SELECT concat_ws(' ', inserted, updated, deleted) INTO second FROM deltaetl_sync(source, target, key, deletes => 'delete');
	RETURN first || ', ' || second || ', ' || (SELECT count(*) FROM deltaetl_diff(source, target, key));
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END $$;

-- 1600 columns, before and after some are dropped
DO $$
BEGIN
	EXECUTE format('CREATE TABLE wide (%s)', (SELECT string_agg('c' || i || ' int', ', ') FROM generate_series(1, 1600) AS i));
END $$;
CREATE TABLE wide_source (LIKE wide);
INSERT INTO wide_source (c1, c800, c1600) VALUES (1, 1, 1), (2, 2, NULL);
SELECT settle('wide_source', 'wide', '{c1}');
UPDATE wide_source SET c1600 = -1;
SELECT settle('wide_source', 'wide', '{c1}');
SELECT settle('wide_source', 'wide', ARRAY(SELECT 'c' || i FROM generate_series(1, 1600) AS i)::name[]);
SELECT settle('wide_source', 'wide', ARRAY(SELECT 'c' || i FROM generate_series(1, 32) AS i)::name[]);
ALTER TABLE wide DROP c2, DROP c1599, ADD PRIMARY KEY (c1);
UPDATE wide_source SET c800 = -1;
SELECT settle('wide_source', 'wide');
\set VERBOSITY terse
SELECT deltaetl_track('wide');
CREATE TABLE narrow (id int PRIMARY KEY, name text);
DO $$
BEGIN
	FOR i IN 1 .. 1590 LOOP
		EXECUTE format('ALTER TABLE narrow ADD d%s int, DROP IF EXISTS d%s', i, i - 1);
	END LOOP;
END $$;
CREATE TABLE narrow_source AS SELECT 1 AS id, 'one' AS name;
SELECT settle('narrow_source', 'narrow');

-- keys as long as an index takes, and longer ones without an index
CREATE TABLE long_keys (key text PRIMARY KEY, n int);
CREATE TABLE long_source (key text, n int);
INSERT INTO long_source SELECT string_agg(md5((i * 1000 + j)::text), '' ORDER BY j), i FROM generate_series(1, 4) AS i, generate_series(1, 80) AS j GROUP BY i;
SELECT settle('long_source', 'long_keys');
UPDATE long_source SET n = n + 1, key = CASE WHEN n = 1 THEN key || 'x' ELSE key END;
SELECT settle('long_source', 'long_keys');
INSERT INTO long_source SELECT string_agg(md5(j::text), '' ORDER BY j), 9 FROM generate_series(1, 300) AS j;
SELECT left(settle('long_source', 'long_keys'), 5);
ALTER TABLE long_keys DROP CONSTRAINT long_keys_pkey;
SELECT settle('long_source', 'long_keys', '{key}');

-- large values, out of line
CREATE TABLE large (id int PRIMARY KEY, a text, b bytea);
CREATE TABLE large_source (more int, id int, a text, b bytea);
ALTER TABLE large_source ALTER a SET STORAGE EXTERNAL;
INSERT INTO large_source SELECT 0, i, repeat(i::text, 10000000), decode(repeat('ab', 1000000), 'hex') FROM generate_series(1, 2) AS i;
SELECT settle('large_source', 'large');
UPDATE large_source SET a = a || 'x' WHERE id = 1;
SELECT settle('large_source', 'large');
SELECT length(deltaetl_encode(a, b)) FROM large ORDER BY id;

-- nested deeper than usual
CREATE TABLE nested (id int PRIMARY KEY, doc jsonb);
CREATE TABLE nested_source AS SELECT 1 AS id, (repeat('[', 3000) || repeat(']', 3000))::jsonb AS doc;
SELECT settle('nested_source', 'nested');
DO $$
DECLARE
	value text = '1';
BEGIN
	CREATE TYPE t0 AS (a int);
	FOR i IN 1 .. 300 LOOP
		EXECUTE format('CREATE TYPE t%s AS (a t%s)', i, i - 1);
	END LOOP;
	FOR i IN 0 .. 300 LOOP
		value = format('ROW(%s)::t%s', value, i);
	END LOOP;
	EXECUTE 'CREATE TABLE deep (id int PRIMARY KEY, v t300)';
	EXECUTE 'CREATE TABLE deep_source AS SELECT 1 AS id, ' || value || ' AS v';
END $$;
SELECT settle('deep_source', 'deep', log => 'keys');
CREATE TABLE deep_copy AS SELECT v AS v, id FROM deep_source;
SELECT settle('deep_copy', 'deep', log => 'keys');

-- types without equality, without a binary form, and with one that fails
DO $$
DECLARE
	type text;
BEGIN
	FOREACH type IN ARRAY '{json,point,polygon[],aclitem,xid,jsonpath,gtsvector}'::text[] LOOP
		EXECUTE format('CREATE TABLE %I (id int PRIMARY KEY, v %s); CREATE TABLE %I (v %2$s, id int)', type, type, type || '_source');
		EXECUTE format('INSERT INTO %I VALUES (NULL, 1)', type || '_source');
		RAISE WARNING '%: %; as the key: %', type, settle(quote_ident(type || '_source')::regclass, quote_ident(type)::regclass),
			settle(quote_ident(type || '_source')::regclass, quote_ident(type)::regclass, '{v}');
	END LOOP;
END $$;
CREATE TYPE odd;
CREATE FUNCTION odd_in(cstring) RETURNS odd LANGUAGE internal IMMUTABLE STRICT AS 'textin';
CREATE FUNCTION odd_out(odd) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout';
CREATE TYPE odd (INPUT = odd_in, OUTPUT = odd_out, LIKE = text);
CREATE TABLE odds (id int PRIMARY KEY, v odd, a odd[]);
CREATE TABLE odds_source (a odd[], v odd, id int);
INSERT INTO odds_source VALUES ('{a,NULL}', 'b', 1), (NULL, NULL, 2);
SELECT settle('odds_source', 'odds');
UPDATE odds_source SET a = '{c}' WHERE id = 1;
SELECT settle('odds_source', 'odds');
SELECT settle('odds_source', 'odds', '{v}');
CREATE FUNCTION odd_send(odd) RETURNS bytea LANGUAGE plpgsql STABLE AS 'BEGIN RAISE EXCEPTION ''not sent''; END';
CREATE FUNCTION odd_null(odd) RETURNS bytea LANGUAGE plpgsql STABLE AS 'BEGIN RETURN NULL; END';
UPDATE odds_source SET v = 'd';
ALTER TYPE odd SET (SEND = odd_send);
\c -
SET search_path = far, public;
SELECT settle('odds_source', 'odds');
ALTER TYPE odd SET (SEND = odd_null);
\c -
SET search_path = far, public;
SELECT regexp_replace(settle('odds_source', 'odds'), '\d{4,}', 'N');
TABLE odds ORDER BY id;

SET client_min_messages = warning;
DROP SCHEMA far CASCADE;
