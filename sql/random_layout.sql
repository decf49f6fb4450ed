-- Random content again, in tables of one layout and with keys of many kinds:
-- rows are compared as they are stored, and held against plain SQL as text.
SET extra_float_digits = 1;
DO $$
BEGIN
	EXECUTE format('CREATE TYPE label AS ENUM (%s)', (SELECT string_agg(quote_literal('label ' || i), ',') FROM generate_series(0, 700) AS i));
END $$;
-- columns, value of number i, and what tells keys apart, as text
CREATE TABLE kinds (no serial, key_columns text, value text, key text, nulls boolean DEFAULT false);
INSERT INTO kinds (key_columns, value, key) VALUES
	('k int', 'i', 'k::text'),
	('k text', '''key '' || i', 'k'),
	('k uuid', 'lpad(to_hex(i), 32, ''0'')::uuid', 'k::text'),
	('k1 int, k2 text', 'i / 3, ''key '' || i % 3', 'k1 || k2'),
	('k numeric(8,2)', 'i / 4.0', 'k::text'),
	('k numeric', 'round(i / 2.0, floor(random() * 3)::int + 1)', 'trim_scale(k)::text'),
	('k date', '''2026-01-01''::date + i', 'k::text'),
	('k char(4)', 'i', 'k::text'),
	('k label', '(''label '' || i)::label', 'k::text'),
	('k timestamptz', '''2026-01-01 00:00+00''::timestamptz + i * interval ''1.5 s''', 'k::text'),
	('k float8', '(CASE WHEN random() < 0.5 THEN -i ELSE - i::float8 END)', '(k + 0)::text'),
	('k1 bytea, k2 bigint, k3 boolean', 'decode(to_hex(i / 20 + 16), ''hex''), i / 2 % 10, i % 2 = 0', 'ROW(k1, k2, k3)::text');
INSERT INTO kinds (key_columns, value, key, nulls) VALUES
	('k int', 'nullif(i, 0)', 'coalesce(k::text, ''null'')', true),
	('k1 text, k2 date', 'nullif(''k'' || i % 25, ''k0''), nullif(''2026-01-01''::date + i / 25, ''2026-01-03'')', 'ROW(k1, k2)::text', true);

CREATE FUNCTION pick(choices text[]) RETURNS text LANGUAGE sql VOLATILE AS
'SELECT choices[1 + floor(random() * (array_length(choices, 1) + 1))]';

-- Fill s and t: a share of the rows of s is there in t, some of them changed.
CREATE FUNCTION fill(kind kinds, run int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	rows int := CASE WHEN run % 10 = 0 THEN 0 ELSE floor(500 * random() ^ 3) END;
	present float8 := CASE run % 4 WHEN 0 THEN random() WHEN 1 THEN 1 WHEN 2 THEN 0.9 ELSE random() ^ 4 END;
	changed float8 := CASE run % 5 WHEN 0 THEN 0 WHEN 1 THEN 1 ELSE random() ^ 2 END;
	names text := 'n, f, x, d, a, j, m, b';
	content text := $row$ pick('{1.0,1.00,NaN,Infinity,-5e-7}')::numeric, pick('{0,-0,NaN,1e300}')::float8, pick('{"",x,NULL,ü}'),
		pick('{2026-01-01,infinity}')::date, pick('{"{1,2}","{}","{NULL}","[0:1]={1,2}"}')::int[],
		pick('{"{}","{\"a\": 1.0}","{\"a\": 1.00}"}')::jsonb, pick('{label 1,label 2}')::label,
		repeat(pick('{a,bc}'), CASE WHEN random() < 0.05 THEN 8000 ELSE 2 END) $row$;
BEGIN
	EXECUTE format('CREATE TABLE t (gone int, %s, n numeric, f float8, x text, d date, a int[], j jsonb, m label, b text,
		%s (%s))', kind.key_columns, CASE WHEN kind.nulls THEN 'UNIQUE NULLS NOT DISTINCT' ELSE 'PRIMARY KEY' END,
		regexp_replace(kind.key_columns, '(k\d?) [^,]*(,\d\))?', '\1', 'g'));
	CREATE TABLE s (LIKE t);
	IF run % 2 = 0 THEN
		ALTER TABLE s DROP gone;
		ALTER TABLE t DROP gone;
	END IF;
	EXECUTE format('INSERT INTO s SELECT %s %s, %s FROM generate_series(0, %s - 1) AS i ORDER BY random()',
		CASE WHEN run % 2 = 1 THEN 'NULL,' END, kind.value, content, rows);
	EXECUTE format('INSERT INTO t SELECT * FROM s WHERE random() < %s ORDER BY random()', present);
	IF run % 3 = 0 THEN
		ALTER TABLE s ADD late text DEFAULT 'same', ADD later int DEFAULT 2;
		EXECUTE format('ALTER TABLE t ADD late text DEFAULT ''same'', ADD later int DEFAULT %s', 1 + run % 2);
	END IF;
	EXECUTE format('UPDATE t SET (%s) = ROW(%s) WHERE random() < %s', names, content, changed);
	UPDATE t SET b = b || '' WHERE random() < 0.2;
	EXECUTE format('INSERT INTO t SELECT %s %s, %s FROM generate_series(%s, %4$s + 20) AS i WHERE random() < 0.5',
		CASE WHEN run % 2 = 1 THEN 'NULL,' END, kind.value, content, rows);
END $$;

CREATE FUNCTION rows_written() RETURNS bigint LANGUAGE sql VOLATILE AS $$
SELECT pg_stat_get_xact_tuples_inserted(t) + pg_stat_get_xact_tuples_updated(t) + pg_stat_get_xact_tuples_deleted(t)
FROM to_regclass('t') AS t
$$;
CREATE TABLE totals (run int, inserted bigint, updated bigint, deleted bigint, unchanged bigint, refused boolean);
CREATE FUNCTION check_sync(run int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	kind kinds := kinds FROM kinds WHERE no = 1 + run % 14;
	with_deletes text := CASE WHEN random() < 0.6 THEN 'delete' ELSE 'ignore' END;
	duplicates bigint := 0;
	expected bigint[];
	planned bigint[];
	got bigint[];
	again bigint[];
	written bigint[];
	differ bigint[];
BEGIN
	PERFORM fill(kind, run);
	IF run % 8 = 0 THEN
		INSERT INTO s SELECT * FROM s LIMIT 1 + run % 3;
		GET DIAGNOSTICS duplicates = ROW_COUNT;
	END IF;
	EXECUTE format('SELECT ARRAY[count(*) FILTER (WHERE t.row IS NULL), count(*) FILTER (WHERE s.row <> t.row),
		count(*) FILTER (WHERE s.row IS NULL AND %L = ''delete''), count(*) FILTER (WHERE s.row = t.row), count(*) FILTER (WHERE s.row IS NULL)]
		FROM (SELECT %s AS key, s::text AS row FROM s) AS s FULL JOIN (SELECT %2$s AS key, t::text AS row FROM t) AS t USING (key)',
		with_deletes, kind.key) INTO expected;
	written[1] := rows_written();
	BEGIN
		SELECT ARRAY[count(*) FILTER (WHERE action = 'insert'), count(*) FILTER (WHERE action = 'update'),
			count(*) FILTER (WHERE action = 'delete' AND with_deletes = 'delete')] INTO planned FROM deltaetl_diff('s', 't');
	EXCEPTION WHEN cardinality_violation THEN
	END;
	BEGIN
		SELECT ARRAY[inserted, updated, deleted, unchanged] INTO got
		FROM deltaetl_sync('s', 't', deletes => with_deletes, allow_empty_source => true);
	EXCEPTION WHEN cardinality_violation THEN
	END;
	written[2] := rows_written();
	IF duplicates > 0 THEN
		IF got IS NOT NULL OR planned IS NOT NULL OR written[1] <> written[2] THEN
			RAISE WARNING 'run %: duplicate keys, planned %, got %, written %', run, planned, got, written;
		END IF;
	ELSE
		SELECT ARRAY[inserted, updated, deleted, unchanged] INTO again
		FROM deltaetl_sync('s', 't', deletes => with_deletes, allow_empty_source => true);
		written[3] := rows_written();
		SELECT ARRAY[(SELECT count(*) FROM (SELECT s::text FROM s EXCEPT ALL SELECT t::text FROM t) AS d),
			(SELECT count(*) FROM (SELECT t::text FROM t EXCEPT ALL SELECT s::text FROM s) AS d)] INTO differ;
		IF got IS DISTINCT FROM expected[1:4] OR planned IS DISTINCT FROM got[1:3]
			OR written[2] - written[1] <> got[1] + got[2] + got[3] OR written[3] <> written[2]
			OR again <> ARRAY[0, 0, 0, got[1] + got[2] + got[4]] OR differ <> ARRAY[0, expected[5] - got[3]] THEN
			RAISE WARNING 'run % (%): expected %, planned %, got %, then %, written %, different %', run, kind.key_columns, expected, planned, got, again, written, differ;
		END IF;
	END IF;
	INSERT INTO totals VALUES (run, got[1], got[2], got[3], got[4], got IS NULL);
	DROP TABLE s, t;
END $$;
SELECT setseed(0.42);
SELECT count(check_sync(run)) FROM generate_series(1, 112) AS run;
-- the data were worth testing with
SELECT sum(inserted) > 500 AS inserted, sum(updated) > 500 AS updated, sum(deleted) > 100 AS deleted, sum(unchanged) > 500 AS unchanged,
	count(*) FILTER (WHERE refused) > 5 AS refused, count(*) FILTER (WHERE inserted = 0 AND unchanged > 0) > 5 AS none_new,
	count(*) FILTER (WHERE updated = 0 AND unchanged > 0) > 5 AS none_changed, count(*) FILTER (WHERE unchanged = 0 AND updated > 0) > 5 AS all_changed
FROM totals;

DROP FUNCTION check_sync, fill, pick, rows_written;
DROP TABLE kinds, totals;
DROP TYPE label;
