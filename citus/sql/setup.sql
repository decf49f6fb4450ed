-- what the other tests share
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pgcrypto;
CREATE EXTENSION IF NOT EXISTS deltaetl;
DROP SCHEMA IF EXISTS deltaetl_citus CASCADE;
CREATE SCHEMA deltaetl_citus;
SET search_path = deltaetl_citus, public;

-- Where rows are on the nodes, and which transactions wrote them.
CREATE FUNCTION written(relation regclass) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	IF EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = relation) THEN
		RETURN QUERY SELECT shardid || ': ' || result FROM run_command_on_placements(relation,
			'SELECT md5(string_agg(tableoid::text || ctid::text || xmin::text, '','' ORDER BY tableoid, ctid)) FROM %s');
	END IF;
END $$;

-- Sync, and hold counts and content against plain SQL over copies that are
-- here.  A second run has nothing to do, and writes nothing.
CREATE FUNCTION sync(source regclass, target regclass, key text, deletes text DEFAULT 'delete', OUT done text, OUT problem text)
LANGUAGE plpgsql AS $$
DECLARE
	keys name[] = string_to_array(replace(key, '"', ''), ',');
	columns text = (SELECT string_agg(quote_ident(attname), ', ' ORDER BY attname) FROM pg_attribute
		WHERE attrelid = target AND attnum > 0 AND NOT attisdropped AND attgenerated = '');
	expected text; planned text; again text; different bigint; before text[];
BEGIN
	DROP TABLE IF EXISTS pg_temp.right_rows, pg_temp.old_rows, pg_temp.new_rows;
	EXECUTE format('CREATE TEMP TABLE old_rows AS SELECT %s FROM %s', columns, target);
	CREATE TEMP TABLE right_rows (LIKE old_rows);
	EXECUTE format('INSERT INTO right_rows SELECT %s FROM %s', columns, source);
	EXECUTE format('SELECT concat_ws('' '', count(*) FILTER (WHERE old IS NULL), count(*) FILTER (WHERE is_right <> old),
			count(*) FILTER (WHERE is_right IS NULL AND %L = ''delete''), count(*) FILTER (WHERE is_right = old))
		FROM (SELECT %s, right_rows::text AS is_right FROM right_rows) AS r FULL JOIN (SELECT %s, old_rows::text AS old FROM old_rows) AS o USING (%s)',
		deletes, key, key, key) INTO expected;
	SELECT concat_ws(' ', inserted, updated, deleted, unchanged) INTO planned
	FROM deltaetl_sync(source, target, key_columns => keys, deletes => deletes, dry_run => true);
	SELECT concat_ws(' ', inserted, updated, deleted, unchanged) INTO done
	FROM deltaetl_sync(source, target, key_columns => keys, deletes => deletes);
	IF deletes = 'ignore' THEN
		EXECUTE format('INSERT INTO right_rows SELECT o.* FROM old_rows AS o LEFT JOIN (SELECT *, true AS there FROM right_rows) AS r USING (%s) WHERE there IS NULL', key);
	END IF;
	EXECUTE format('CREATE TEMP TABLE new_rows AS SELECT %s FROM %s', columns, target);
	SELECT count(*) INTO different FROM ((SELECT right_rows::text FROM right_rows EXCEPT ALL SELECT new_rows::text FROM new_rows)
		UNION ALL (SELECT new_rows::text FROM new_rows EXCEPT ALL SELECT right_rows::text FROM right_rows)) AS d;
	before := ARRAY(SELECT w FROM written(target) AS w ORDER BY w);
	SELECT concat_ws(' ', inserted, updated, deleted) INTO again
	FROM deltaetl_sync(source, target, key_columns => keys, deletes => deletes);
	problem := concat_ws('; ', CASE WHEN done <> expected THEN 'expected ' || expected END,
		CASE WHEN planned <> expected THEN 'planned ' || planned END, CASE WHEN different > 0 THEN different || ' rows differ' END,
		CASE WHEN again <> '0 0 0' THEN 'again ' || again END,
		CASE WHEN before <> ARRAY(SELECT w FROM written(target) AS w ORDER BY w) THEN 'written again' END);
END $$;

-- How Citus runs each statement that deltaetl_explain() shows.
CREATE FUNCTION plans(source regclass, target regclass, scope text DEFAULT NULL, OUT action text, OUT said text, OUT plan text)
RETURNS SETOF record LANGUAGE plpgsql AS $$
DECLARE
	line text; statement text;
BEGIN
	FOR line IN SELECT * FROM deltaetl_explain(source, target, deletes => 'delete', scope => scope) UNION ALL SELECT 'end' LOOP
		IF statement IS NOT NULL AND line !~ '^      ' THEN
			plan := '';
			DECLARE
				planned text;
			BEGIN
				FOR planned IN EXECUTE 'EXPLAIN (COSTS OFF) ' || statement LOOP
					plan := plan || planned || E'\n';
				END LOOP;
			END;
			plan := concat_ws(', ', (regexp_match(plan, 'Custom Scan \(([^)]*)\)'))[1], (regexp_match(plan, 'Task Count: \d+'))[1],
				(regexp_match(plan, 'SELECT method: [^\n]*'))[1], CASE WHEN plan ~ 'Distributed Subplan' THEN 'subplans' ELSE 'no subplans' END);
			RETURN NEXT;
			statement := NULL;
		END IF;
		IF line ~ '^    (Delete|Update|Insert), ' THEN
			action := (regexp_match(line, '\w+'))[1];
			said := (regexp_match(line, ', (.*):'))[1];
			statement := '';
		ELSIF statement IS NOT NULL THEN
			statement := statement || E'\n' || line;
		END IF;
	END LOOP;
END $$;
