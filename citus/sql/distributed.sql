-- both sides distributed alike: rows are compared and written where they are
SET search_path = deltaetl_citus, public;
SET client_min_messages = warning;
SET citus.shard_count = 4;
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TYPE pair AS (a int, b text);
CREATE DOMAIN small AS int CHECK (VALUE < 1000);
CREATE TABLE target (
	id bigint PRIMARY KEY, b bool, i2 smallint, i4 int, f4 real, f8 float8, n numeric, n2 numeric(10,2), t text, v varchar(10), c char(5),
	y bytea, d date, ti time, tt timetz, ts timestamp, tz timestamptz, iv interval, u uuid, j json, jb jsonb, ip inet, ci cidr, m macaddr,
	bi bit(5), vb varbit, ia int[], ta text[], e mood, ea mood[], p pair, pa pair[], s small, r int4range, mr int4multirange, tv tsvector, pt point);
CREATE TABLE source (LIKE target INCLUDING ALL);
SELECT create_distributed_table('target', 'id');
SELECT create_distributed_table('source', 'id', colocate_with => 'target');

INSERT INTO source
SELECT i, i % 2 = 0, i % 100, i, i / 3::real, i / 7::float8, i / 10.0, i / 100.0, 'text ' || i, 'v' || i, 'c' || i % 10,
	decode(md5(i::text), 'hex'), DATE '2000-01-01' + i, TIME '00:00' + i * interval '1 s', TIMETZ '00:00+02' + i * interval '1 s',
	TIMESTAMP '2000-01-01' + i * interval '1 min', TIMESTAMPTZ '2000-01-01 00:00+00' + i * interval '1 min', i * interval '1 day 1 s',
	md5(i::text)::uuid, json_build_object('i', i), jsonb_build_object('i', i), ('10.0.0.' || i % 250)::inet, ('10.0.' || i % 250 || '.0/24')::cidr,
	('08:00:2b:01:02:' || lpad(to_hex(i % 250), 2, '0'))::macaddr, (i % 32)::bit(5), (i % 32)::bit(5)::varbit, ARRAY[i, NULL, i + 1],
	ARRAY['a' || i, NULL], (ARRAY['sad', 'ok', 'happy'])[1 + i % 3]::mood, ARRAY['ok', 'sad']::mood[], ROW(i, 'p' || i)::pair,
	ARRAY[ROW(i, NULL)::pair], i % 1000, int4range(i, i + 5), int4multirange(int4range(i, i + 2)), to_tsvector('simple', 'word' || i), point(i, -i)
FROM generate_series(1, 2000) AS i;
DO $$
DECLARE
	a record;
BEGIN
	FOR a IN SELECT attname, attnum FROM pg_attribute WHERE attrelid = 'source'::regclass AND attnum > 1 LOOP
		EXECUTE format('UPDATE source SET %I = NULL WHERE id %% 53 = %s', a.attname, a.attnum);
	END LOOP;
	INSERT INTO target SELECT * FROM source;
	FOR a IN SELECT attname, attnum FROM pg_attribute WHERE attrelid = 'target'::regclass AND attnum > 1 LOOP
		EXECUTE format('UPDATE target SET %I = NULL WHERE id %% 211 = %s', a.attname, a.attnum);
	END LOOP;
END $$;
DELETE FROM target WHERE id % 10 = 1;
DELETE FROM source WHERE id % 10 = 2;
SELECT action, count(*), count(DISTINCT changed_columns) AS columns FROM deltaetl_diff('source', 'target') GROUP BY action ORDER BY action;
SELECT * FROM deltaetl_diff('source', 'target', columns => '{jb,ea,n}', scope => 'id < 40') ORDER BY action, (key ->> 'id')::int;
SELECT * FROM sync('source', 'target', 'id');
SELECT * FROM plans('source', 'target');
SELECT * FROM plans('source', 'target', 'd > ''2001-01-01'' AND n > 10');

-- by a column of each type, with a key of several columns and odd names
CREATE TABLE kinds (name text, expression text);
INSERT INTO kinds VALUES ('int', 'i'), ('bigint', 'i'), ('text', '''t'' || i'), ('varchar(20)', '''v'' || i'), ('char(8)', '''c'' || i'),
	('uuid', 'md5(i::text)::uuid'), ('date', 'DATE ''2000-01-01'' + i'), ('timestamptz', 'TIMESTAMPTZ ''2000-01-01 00:00+00'' + i * interval ''1 s'''),
	('numeric', 'i / 10.0'), ('float8', 'i / 4.0'), ('bool', 'i % 2 = 0'), ('mood', '(ARRAY[''sad'', ''ok'', ''happy''])[1 + i % 3]::mood'),
	('bytea', 'decode(md5(i::text), ''hex'')'), ('inet', '(''10.0.0.'' || i % 250)::inet');
CREATE FUNCTION sync_kind(kind text, expression text, OUT done text, OUT problem text) LANGUAGE plpgsql AS $$
BEGIN
	DROP TABLE IF EXISTS "Odd 'target", "odd ""source";
	EXECUTE format('CREATE TABLE "Odd ''target" ("sel ect" int, "by" %s, "c1" text, v int, PRIMARY KEY ("sel ect", "by", "c1"))', kind);
	EXECUTE 'CREATE TABLE "odd ""source" (LIKE "Odd ''target")';
	PERFORM create_distributed_table('"Odd ''target"', 'by');
	PERFORM create_distributed_table('"odd ""source"', 'by', colocate_with => '"Odd ''target"');
	EXECUTE format('INSERT INTO "Odd ''target" SELECT i, %s, ''x'' || i %% 7, i %% 5 FROM generate_series(1, 200) AS i', expression);
	EXECUTE format('INSERT INTO "odd ""source" SELECT i, %s, ''x'' || i %% 7, NULLIF(i %% 4, 0) FROM generate_series(51, 250) AS i', expression);
	SELECT x.done, x.problem INTO done, problem FROM sync('"odd ""source"', '"Odd ''target"', '"sel ect",by,c1') AS x;
END $$;
SELECT name, (sync_kind(name, expression)).* FROM kinds ORDER BY name;
SELECT * FROM plans('"odd ""source"', '"Odd ''target"');
