-- Whatever is in front of the search_path, none of it is called: a trap for
-- each operator and function of PostgreSQL, for the types and for our tables.
CREATE TYPE pair AS (id int, label text);
CREATE TABLE products (id int, code text, price numeric, tags int[], extra jsonb, made timestamptz, pair pair, PRIMARY KEY (id, code));
CREATE TABLE staging (LIKE products);
CREATE TABLE loose (id int, name varchar(9), UNIQUE NULLS NOT DISTINCT (id));
CREATE TABLE loose_staging (id smallint, name text);
CREATE TABLE parted (id numeric, tags int[], PRIMARY KEY (id, tags)) PARTITION BY HASH (id);
CREATE TABLE part PARTITION OF parted FOR VALUES WITH (MODULUS 1, REMAINDER 0);
CREATE TABLE parted_staging (id int, tags int[]);
CREATE VIEW staged AS TABLE staging;
INSERT INTO products SELECT i, 'c' || i, i, ARRAY[i], '{"a": 1}', '2026-01-01', ROW(i, 'x')::pair FROM generate_series(1, 20) AS i;
INSERT INTO staging SELECT id, code, CASE WHEN id > 15 THEN 0 ELSE price END, tags, extra, made, ROW(id, 'y')::pair FROM products WHERE id > 3;
INSERT INTO staging SELECT i, 'c' || i FROM generate_series(21, 25) AS i;
INSERT INTO loose VALUES (1, 'one'), (NULL, 'none');
INSERT INTO loose_staging VALUES (1, 'ONE'), (NULL, 'NONE'), (2, 'two');
INSERT INTO parted VALUES (1, '{1}'), (2, '{2}');
INSERT INTO parted_staging VALUES (1, '{1}'), (3, '{3}');

SET client_min_messages = warning;
CREATE SCHEMA evil;
CREATE FUNCTION evil.spring(what pg_catalog.text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	RAISE EXCEPTION 'sprung: %', what;
END $$;
DO $$
DECLARE
	trap record;
	body text;
BEGIN
	FOR trap IN
		SELECT format('%I', proname) AS name, arguments, format_type(prorettype, NULL) AS result, NULL AS left_type, NULL AS right_type, proname AS what
		FROM pg_proc, pg_get_function_identity_arguments(oid) AS arguments
		WHERE pronamespace = 'pg_catalog'::regnamespace AND prokind = 'f' AND NOT proretset AND provariadic = 0
			AND (proname ~ '^(to_json|jsonb|array_|pg_|quote_|format|concat|text|name|bytea|byteaeq|int|oid|tid|length|now|max|sum|count|coalesce|digest|encode|convert)')
			AND NOT proargtypes::oid[] && ARRAY['internal', 'cstring']::regtype[]::oid[] AND prorettype NOT IN ('internal'::regtype, 'cstring'::regtype)
		UNION ALL
		SELECT 'evil.op_' || oid::text, concat_ws(', ', l, r), format_type(oprresult, NULL), l, r, oprname
		FROM pg_operator, format_type(NULLIF(oprleft, 0), NULL) AS l, format_type(NULLIF(oprright, 0), NULL) AS r
		WHERE oprnamespace = 'pg_catalog'::regnamespace AND oprcode <> 0
	LOOP
		body = format('BEGIN RAISE EXCEPTION %L; END', 'sprung: ' || replace(trap.what, '%', '%%'));
		BEGIN
			EXECUTE format('CREATE FUNCTION %s(%s) RETURNS %s LANGUAGE plpgsql IMMUTABLE AS %L',
				CASE WHEN trap.right_type IS NULL THEN 'evil.' || trap.name ELSE trap.name END, trap.arguments, trap.result, body);
			IF trap.right_type IS NOT NULL THEN
				EXECUTE format('CREATE OPERATOR evil.%s (%s RIGHTARG = %s, FUNCTION = %s)', trap.what, 'LEFTARG = ' || trap.left_type || ',', trap.right_type, trap.name);
			END IF;
		EXCEPTION WHEN OTHERS THEN NULL;	-- a few types can be of no function of ours
		END;
	END LOOP;
	FOR trap IN SELECT relname FROM pg_class WHERE relname LIKE 'deltaetl%' AND relkind IN ('r', 'v') UNION ALL
		SELECT unnest('{pg_class,pg_namespace,pg_roles,deltaetl_delete,deltaetl_update,deltaetl_insert,deltaetl_known,deltaetl_source_rows,deltaetl_target_rows,deltaetl_logged_keys}'::text[]) LOOP
		EXECUTE format('CREATE VIEW evil.%1$I AS SELECT evil.spring(%1$L)', trap.relname);
	END LOOP;
	FOR trap IN SELECT typname FROM pg_type WHERE typnamespace = 'pg_catalog'::regnamespace AND typtype = 'b' AND typelem = 0 LOOP
		EXECUTE format('CREATE DOMAIN evil.%1$I AS pg_catalog.%1$I CHECK (evil.spring(%1$L))', trap.typname);
		EXECUTE format('CREATE DOMAIN pg_temp.%1$I AS pg_catalog.%1$I CHECK (evil.spring(%1$L))', trap.typname);
	END LOOP;
END $$;
CREATE FUNCTION evil.deltaetl_row_hash(VARIADIC anyarray) RETURNS pg_catalog.bytea LANGUAGE sql AS 'SELECT NULL::pg_catalog.bytea';
CREATE FUNCTION evil.deltaetl_differs(pg_catalog.bytea, pg_catalog.bytea) RETURNS boolean LANGUAGE sql AS 'SELECT evil.spring(''differs'')';
SELECT count(*) > 1000 AS functions, count(*) FILTER (WHERE proname LIKE 'op\_%') > 700 AS operators FROM pg_proc WHERE pronamespace = 'evil'::pg_catalog.regnamespace;
\set VERBOSITY terse
SELECT set_config('search_path', 'evil, pg_temp, public, pg_catalog', false);

-- the traps work
SELECT 1 = 1;
SELECT pg_backend_pid();
SELECT 'x'::text;
TABLE deltaetl_run_log;

SELECT pg_catalog.count(*) FROM public.deltaetl_diff('staging', 'products');
SELECT pg_catalog.count(*) FROM public.deltaetl_diff('staged', 'products');
SELECT pg_catalog.count(*) OPERATOR(pg_catalog.>) 10 FROM public.deltaetl_explain('staging', 'products');
SELECT pg_catalog.count(*) FROM public.deltaetl_hashes('products');
SELECT run_id AS run, inserted, updated, deleted FROM public.deltaetl_sync('staging', 'products', deletes => 'delete', log_changes => 'rows') \gset
SELECT :inserted, :updated, :deleted;
SELECT pg_catalog.count(*) FROM public.deltaetl_changes('products');
SELECT inserted, updated, deleted FROM public.deltaetl_revert(:run);
SELECT inserted, updated, deleted FROM public.deltaetl_sync('staged', 'products', deletes => 'delete', max_delete_pct => 50, log_changes => 'keys');
SELECT inserted, updated, deleted FROM public.deltaetl_sync('loose_staging', 'loose', deletes => 'delete', log_changes => 'rows');
SELECT inserted, updated, deleted FROM public.deltaetl_sync('parted_staging', 'parted', deletes => 'delete', log_changes => 'rows');
INSERT INTO public.parted_staging TABLE public.parted_staging;
INSERT INTO public.loose_staging VALUES (NULL, NULL);
SELECT public.deltaetl_sync('parted_staging', 'parted');
SELECT public.deltaetl_sync('loose_staging', 'loose');
SELECT public.deltaetl_track('products');
SELECT public.deltaetl_track('parted', algorithm => 'sha512');
SELECT inserted, updated, deleted FROM public.deltaetl_sync('staging', 'products');
SELECT public.deltaetl_verify('products');
SELECT public.deltaetl_verify('parted');
SELECT public.deltaetl_untrack('products');
SELECT public.deltaetl_create_job('trapped', 'staging', 'products', '{"deletes": "delete", "lock_timeout": "10s"}');
CALL public.deltaetl_run_job('trapped');
SELECT public.deltaetl_alter_job('trapped', options => '{}');
SELECT name, last_status FROM public.deltaetl_job;
SELECT public.deltaetl_drop_job('trapped');
SELECT pg_catalog.count(*) OPERATOR(pg_catalog.>=) 6 FROM public.deltaetl_recent_runs;
SELECT pg_catalog.count(*) OPERATOR(pg_catalog.>=) 3 FROM public.deltaetl_stats;
SELECT pg_catalog.count(*) OPERATOR(pg_catalog.>) 0 FROM public.deltaetl_change_log;
SELECT pg_catalog.count(*) FROM public.deltaetl_progress;
SELECT public.deltaetl_prune_log('0') OPERATOR(pg_catalog.>) 0;

RESET search_path;
DROP SCHEMA evil CASCADE;
TABLE products EXCEPT ALL TABLE staging;
TABLE staging EXCEPT ALL TABLE products;
DROP TABLE products, staging, loose, loose_staging, parted, parted_staging CASCADE;
DROP TYPE pair;
DISCARD TEMP;
