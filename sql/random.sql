-- Random content, held against plain SQL: what differs is found, what does not
-- is not touched, and a second run finds nothing.
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TYPE pair AS (a int, b text);
CREATE DOMAIN short AS varchar(4);
CREATE TABLE target (
	k1 numeric, k2 text, b boolean, n numeric, f float8, t text, d date,
	ts timestamptz, iv interval, by bytea, j jsonb, arr int[], txt text[], m mood,
	p pair, r int4range, mr int4multirange, u uuid, i inet, s short,
	extra text DEFAULT 'kept', g int GENERATED ALWAYS AS (length(t)) STORED,
	PRIMARY KEY (k1, k2));
CREATE TABLE source AS SELECT m, p, r, mr, u, i, s, k2, k1, arr, txt, b, n, f, t, d, ts, iv, by, j FROM target;

-- A value out of a few, or NULL, so that rows are equal often enough.
CREATE FUNCTION pick(choices text[]) RETURNS text LANGUAGE sql VOLATILE AS
'SELECT choices[1 + floor(random() * (array_length(choices, 1) + 1))]';

CREATE FUNCTION fill(rows int) RETURNS SETOF source LANGUAGE sql VOLATILE AS $$
SELECT DISTINCT ON (k1, k2) *
FROM (SELECT pick('{sad,ok,happy}')::mood, pick('{"(1,x)","(,y)","(2,)"}')::pair,
	pick('{"[1,5)","empty","(,3)"}')::int4range, pick('{"{}","{[1,2),[5,9)}"}')::int4multirange,
	pick('{00000000-0000-0000-0000-000000000001,ffffffff-ffff-ffff-ffff-ffffffffffff}')::uuid,
	pick('{10.0.0.1,10.0.0.1/8,::1}')::inet, pick('{a,ab,abcd,""}')::short,
	coalesce(pick('{a,b,é,"",A}'), 'n') AS k2, floor(random() * rows / 4) AS k1,
	pick('{"{1,2}","{}","{NULL}","[0:1]={1,2}"}')::int[], pick('{"{a,NULL}","{\"\"}"}')::text[],
	pick('{t,f}')::boolean, pick('{1.0,1.00,NaN,Infinity,-5e-7}')::numeric,
	pick('{0,-0,NaN,-Infinity,1e300}')::float8, pick('{"",x,NULL,ü}'),
	pick('{2026-01-01,infinity,0044-03-15 BC}')::date, pick('{2026-01-01 00:00+00,-infinity}')::timestamptz,
	pick('{1 day,24 hours,1 mon}')::interval, pick('{"\\\\x","\\\\x00ff"}')::bytea,
	pick('{"{}","{\"a\": 1.0}","null","{\"a\": 1.00}"}')::jsonb
	FROM generate_series(1, rows)) AS row
ORDER BY k1, k2
$$;

-- A row's text, under settings that print every difference.
SET extra_float_digits = 3;
CREATE FUNCTION check_sync(run int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	with_deletes boolean := run % 2 = 0;
	old_rows text[];
	expected record;
	planned record;
	got record;
	again record;
BEGIN
	TRUNCATE target, source;
	INSERT INTO source SELECT * FROM fill(60);
	INSERT INTO target (m, p, r, mr, u, i, s, k2, k1, arr, txt, b, n, f, t, d, ts, iv, by, j)
	SELECT * FROM fill(60) WHERE run % 7 <> 0;
	-- make many rows alike
	DELETE FROM target WHERE (k1, k2) IN (SELECT k1, k2 FROM source) AND random() < 0.7;
	INSERT INTO target (m, p, r, mr, u, i, s, k2, k1, arr, txt, b, n, f, t, d, ts, iv, by, j)
	SELECT * FROM source ON CONFLICT DO NOTHING;
	DELETE FROM target WHERE random() < 0.1;
	UPDATE target SET extra = 'mine' WHERE random() < 0.5;

	WITH s AS (SELECT k1, k2, src::text AS row FROM source AS src),
		t AS (SELECT x.k1, x.k2, x::text AS row FROM (SELECT m, p, r, mr, u, i, s, k2, k1, arr, txt, b, n, f, t, d, ts, iv, by, j FROM target) AS x)
	SELECT count(*) FILTER (WHERE t.k1 IS NULL) AS inserted,
		count(*) FILTER (WHERE s.row <> t.row) AS updated,
		count(*) FILTER (WHERE s.k1 IS NULL AND with_deletes) AS deleted,
		count(*) FILTER (WHERE s.row = t.row) AS unchanged
	INTO expected FROM s FULL JOIN t USING (k1, k2);

	SELECT count(*) FILTER (WHERE action = 'insert') AS inserted,
		count(*) FILTER (WHERE action = 'update') AS updated,
		count(*) FILTER (WHERE action = 'delete' AND with_deletes) AS deleted
	INTO planned FROM deltaetl_diff('source', 'target');
	SELECT inserted, updated, deleted, unchanged INTO got
	FROM deltaetl_sync('source', 'target',
		deletes => CASE WHEN with_deletes THEN 'delete' ELSE 'ignore' END);
	SELECT inserted, updated, deleted, unchanged INTO again
	FROM deltaetl_sync('source', 'target',
		deletes => CASE WHEN with_deletes THEN 'delete' ELSE 'ignore' END);

	IF got IS DISTINCT FROM expected
		OR (planned.inserted, planned.updated, planned.deleted) IS DISTINCT FROM (got.inserted, got.updated, got.deleted)
		OR again IS DISTINCT FROM (0::bigint, 0::bigint, 0::bigint, got.inserted + got.updated + got.unchanged) THEN
		RAISE WARNING 'run %: expected %, planned %, got %, then %', run, expected, planned, got, again;
	END IF;
	IF EXISTS (SELECT src::text FROM source AS src EXCEPT ALL
		SELECT x::text FROM (SELECT m, p, r, mr, u, i, s, k2, k1, arr, txt, b, n, f, t, d, ts, iv, by, j FROM target) AS x) THEN
		RAISE WARNING 'run %: rows of the source are missing', run;
	END IF;
	IF with_deletes AND (SELECT count(*) FROM source) <> (SELECT count(*) FROM target) THEN
		RAISE WARNING 'run %: target has other rows', run;
	END IF;
END $$;
SELECT setseed(0.42);
SELECT count(check_sync(run)) FROM generate_series(1, 100) AS run;
-- the data were worth testing with
SELECT count(*) > 20 AS rows, count(DISTINCT extra) AS extras, bool_and(g IS NOT DISTINCT FROM length(t)) AS generated FROM target;

DROP FUNCTION check_sync, fill;
DROP TABLE source, target;
DROP FUNCTION pick;
DROP DOMAIN short;
DROP TYPE mood, pair;
