-- Names that would be something else in SQL: of schemas, tables, partitions,
-- columns, keys, types, labels, domains, constraints, collations and jobs.
SET client_min_messages = warning;
SET max_parallel_workers_per_gather = 0;
CREATE TABLE names (i serial, name text);
INSERT INTO names (name) VALUES ('plain'), ('a"b'), ('''; DROP TABLE names; --'), ('"; DROP TABLE names; --'), ('"'), ('\'), ('a\'''),
	(E'new\nline'), (E'\t\r'), ('select'), ('user'), ('$1'), ('$$'), ('--'), ('/*'), ('*/'), ('%s%n%I'), ('a.b'), (' '), (':x'), ('{a,"b"}'),
	('NULL'), (repeat('"', 63)), (repeat('''', 63)), (repeat('\', 63)), (repeat('€', 21)), (repeat('ä', 31) || 'x'), (U&'\+01F600\FEFF'),
	('c1'), ('d'), ('s'), ('t'), ('r'), ('tid'), ('oid'), ('hash'), ('deltaetl'), ('deltaetl:source'), ('deltaetl:rows'), ('deltaetl:hash'),
	('deltaetl:object'), ('deltaetl:tid'), ('deltaetl_insert'), ('deltaetl_source_rows'), ('deltaetl_logged_keys'), ('row_hash'), ('public');
-- a name that is made of another
CREATE FUNCTION made(name text, suffix text) RETURNS text IMMUTABLE RETURN left(name, 16) || suffix;

-- everything once with these names; what goes wrong, and at which step
CREATE FUNCTION try(name text) RETURNS text LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
	schema text = quote_ident(made(name, ' schema'));
	own text = quote_ident(name);
	target text = schema || '.' || own;
	source text = schema || '.' || quote_ident(made(name, ' source'));
	value text = quote_ident(made(name, ' value'));
	hash name = made(name, ' hash');
	step text = 'create';
	run bigint;
	differ bigint;
BEGIN
	EXECUTE format('CREATE SCHEMA %1$s; CREATE COLLATION %1$s.%2$s FROM "C"; CREATE TYPE %1$s.%3$s AS ENUM (%4$L, %5$L)',
		schema, own, quote_ident(made(name, ' enum')), name, made(name, ' label'));
	EXECUTE format('CREATE DOMAIN %s.%s AS text CONSTRAINT %s CHECK (VALUE <> %L)', schema, quote_ident(made(name, ' domain')), own, name || 'x');
	EXECUTE format('CREATE TABLE %1$s (%2$s int, k text COLLATE %3$s.%2$s, %4$s %3$s.%5$s, %6$s %3$s.%7$s, %8$s text, CONSTRAINT %9$s PRIMARY KEY (%2$s, k)) PARTITION BY LIST (%2$s)',
		target, own, schema, value, quote_ident(made(name, ' domain')), quote_ident(made(name, ' label')), quote_ident(made(name, ' enum')),
		quote_ident(made(name, ' text')), quote_ident(made(name, ' key')));
	EXECUTE format('CREATE TABLE %s.%s PARTITION OF %s DEFAULT', schema, quote_ident(made(name, ' part')), target);
	EXECUTE format('CREATE TABLE %s (LIKE %s INCLUDING ALL)', source, target);
	EXECUTE format('INSERT INTO %1$s SELECT i, %2$L, %2$L, %2$L, %2$L FROM generate_series(1, 4) AS i', target, name);
	EXECUTE format('INSERT INTO %1$s SELECT i, %2$L, %2$L, %3$L, %2$L FROM generate_series(3, 6) AS i', source, name, made(name, ' label'));
	step = 'diff';
	PERFORM deltaetl_diff(source::regclass, target::regclass, scope => format('%s > 0 AND k = %L', own, name));
	PERFORM deltaetl_explain(source::regclass, target::regclass, deletes => 'delete', log_changes => 'rows');
	PERFORM deltaetl_hashes(source::regclass, ARRAY[name, 'k']::name[], ARRAY[made(name, ' value')]::name[]);
	step = 'sync';
	SELECT run_id INTO run FROM deltaetl_sync(source::regclass, target::regclass, ARRAY[name, 'k']::name[], deletes => 'delete',
		log_changes => 'rows', scope => format('%s > 0', own), exclude_columns => ARRAY[made(name, ' text')]::name[]);
	EXECUTE format('SELECT count(*) FROM ((TABLE %1$s EXCEPT ALL TABLE %2$s) UNION ALL (TABLE %2$s EXCEPT ALL TABLE %1$s)) AS d', source, target) INTO differ;
	IF differ <> 4 THEN		-- two new rows, whose text is left out
		RAISE 'differ %', differ;
	END IF;
	step = 'log';
	IF (SELECT count(*) FROM deltaetl_changes(target::regclass)) <> 6 THEN
		RAISE 'changes';
	END IF;
	PERFORM FROM deltaetl_run_log AS l WHERE l.run_id = run AND l.target = format('%I.%I', made(name, ' schema'), name);
	IF NOT found THEN
		RAISE 'run log';
	END IF;
	step = 'revert';
	PERFORM deltaetl_revert(run);
	step = 'track';
	PERFORM deltaetl_track(target::regclass, hash_column => hash);
	PERFORM deltaetl_sync(source::regclass, target::regclass, deletes => 'delete');
	PERFORM deltaetl_verify(target::regclass, hash);
	PERFORM deltaetl_untrack(target::regclass);
	PERFORM deltaetl_track(target::regclass, ARRAY[made(name, ' text')]::name[], hash, 'sha512');
	PERFORM deltaetl_verify(target::regclass);
	step = 'job';
	PERFORM deltaetl_create_job(made(name, ' job'), source::regclass, target::regclass,
		jsonb_build_object('key_columns', jsonb_build_array(name, 'k'), 'scope', format('%s > 0', own)));
	PERFORM FROM deltaetl_job AS j WHERE j.name = made(name, ' job') AND j.source = source;
	IF NOT found THEN
		RAISE 'job %', source;
	END IF;
	PERFORM deltaetl_alter_job(made(name, ' job'), target => target::regclass);
	PERFORM deltaetl_drop_job(made(name, ' job'));
	step = 'errors';
	BEGIN
		PERFORM deltaetl_diff(source::regclass, target::regclass, columns => ARRAY[made(name, ' lost')]::name[]);
		RAISE 'none';
	EXCEPTION WHEN undefined_column THEN NULL;
	END;
	EXECUTE format('INSERT INTO %s SELECT * FROM %s', target, source);
EXCEPTION WHEN unique_violation THEN
	RETURN 'done';
WHEN OTHERS THEN
	RETURN step || ': ' || SQLERRM;
END $$;
SELECT count(*) FILTER (WHERE result <> 'done') AS wrong, count(*) FROM names, try(name) AS result;
SELECT name, result FROM names, try(name) AS result WHERE result <> 'done' ORDER BY i;
-- strings mean something else, and each name is quoted
SELECT set_config('standard_conforming_strings', 'off', false), set_config('escape_string_warning', 'off', false)
WHERE current_setting('server_version_num')::int < 190000 \g /dev/null
SET quote_all_identifiers = on;
SELECT name, result FROM names, try(name) AS result WHERE i <= 12 AND result <> 'done' ORDER BY i;
RESET standard_conforming_strings;
RESET quote_all_identifiers;

-- a role and its job
CREATE ROLE "regress_deltaetl""; --'$1\";
CREATE SCHEMA "a.""; --'$1\" AUTHORIZATION "regress_deltaetl""; --'$1\";
SET SESSION AUTHORIZATION "regress_deltaetl""; --'$1\";
SET search_path = "a.""; --'$1\", public;
CREATE TABLE "t""; --'$1\" ("c""; --'$1\" int PRIMARY KEY);
CREATE TABLE "s""; --'$1\" AS SELECT 1 AS "c""; --'$1\";
SELECT deltaetl_create_job('j"; --''$1\', '"s""; --''$1\"', '"t""; --''$1\"', '{"scope": "\"c\"\"; --''$1\\\" > 0"}');
CALL deltaetl_run_job('j"; --''$1\');
SELECT job, role, source, target, status, inserted FROM deltaetl_run_log WHERE job LIKE 'j%';
SELECT deltaetl_drop_job(name) FROM deltaetl_job;
RESET SESSION AUTHORIZATION;
RESET search_path;
DROP SCHEMA "a.""; --'$1\" CASCADE;
DROP ROLE "regress_deltaetl""; --'$1\";
DROP FUNCTION try, made;
DROP TABLE names;
