-- Keys of types that are rarely keys.
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE DOMAIN mood_domain AS mood;
CREATE TYPE pair AS (x int, y int);
CREATE DOMAIN code AS varchar(5) CHECK (VALUE <> '');
CREATE DOMAIN fixed AS char(4);
CREATE DOMAIN mask AS bit(3);

-- Make a target and a staging of one key type out of values; sync; sync again.
CREATE FUNCTION try_key(type text, VARIADIC key_values text[]) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	first record;
	second record;
	rest bigint;
BEGIN
	EXECUTE format('CREATE TABLE target (k %s PRIMARY KEY, v int)', type);
	EXECUTE format('CREATE TABLE staging (v int, k %s)', type);
	FOR i IN 1 .. cardinality(key_values) LOOP
		-- the first only in the target, the last only in the source, others in both
		IF i < cardinality(key_values) THEN
			EXECUTE format('INSERT INTO target VALUES (%L, 1)', key_values[i]);
		END IF;
		IF i > 1 THEN
			EXECUTE format('INSERT INTO staging VALUES (2, %L)', key_values[i]);
		END IF;
	END LOOP;
	SELECT * INTO first FROM deltaetl_sync('staging', 'target', deletes => 'delete');
	SELECT * INTO second FROM deltaetl_sync('staging', 'target', deletes => 'delete');
	EXECUTE 'SELECT count(*) FROM ((SELECT k::text, v FROM target EXCEPT ALL SELECT k::text, v FROM staging)'
		' UNION ALL (SELECT k::text, v FROM staging EXCEPT ALL SELECT k::text, v FROM target)) AS d' INTO rest;
	DROP TABLE target, staging;
	RETURN format('%s inserted, %s updated, %s deleted; then %s unchanged; %s differ',
		first.inserted, first.updated, first.deleted, second.unchanged, rest);
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END $$;

SELECT type, try_key(type, VARIADIC key_values) FROM (VALUES
	('varchar(3)[]', ARRAY['{abc}', '{ab,NULL}', '{}', '{a}']),
	('numeric(5,1)[]', ARRAY['{1.0}', '{2}', '{3}']),
	('mood', ARRAY['sad', 'happy']),
	('mood_domain', ARRAY['sad', 'happy']),
	('mood_domain[]', ARRAY['{sad}', '{happy}', '{}']),
	('pair', ARRAY['(1,1)', '(,)', '(,2)', '(2,)']),
	('code', ARRAY['a', 'b', 'c']),
	('code[]', ARRAY['{a}', '{b}', '{c}']),
	('fixed', ARRAY['abcd', 'abce', 'a']),
	('fixed[]', ARRAY['{abcd}', '{abce}', '{a}']),
	('bit(3)', ARRAY['101', '111', '000']),
	('mask', ARRAY['101', '111', '100']),
	('varbit', ARRAY['101', '1', '0000']),
	('bytea', ARRAY['\x00', '\x', '\xff']),
	('jsonb', ARRAY['1', '{"a": 1}', '[]']),
	('int4range', ARRAY['[1,2)', 'empty', '(,)']),
	('int4multirange', ARRAY['{[1,2)}', '{}', '{(,)}']),
	('inet', ARRAY['10.0.0.1', '10.0.0.1/8', '::1']),
	('macaddr', ARRAY['01:02:03:04:05:06', 'ff:ff:ff:ff:ff:ff']),
	('tid', ARRAY['(0,1)', '(1,0)', '(9,9)']),
	('pg_lsn', ARRAY['0/0', '1/1', 'F/F']),
	('xid8', ARRAY['1', '2', '3']),
	('oid', ARRAY['1', '2', '4294967295']),
	('"char"', ARRAY['a', 'b', 'c']),
	('name', ARRAY['a', 'b', 'c']),
	('money', ARRAY['1', '2', '3']),
	('interval', ARRAY['1 day', '2 days', '3 mons']),
	('timetz', ARRAY['00:00+00', '00:00+01', '01:00+00']),
	('date', ARRAY['infinity', '-infinity', '2026-01-01']),
	('float8', ARRAY['NaN', '-0', 'Infinity']),
	('tsvector', ARRAY['a', 'b c', '']),
	('tsquery', ARRAY['a', 'b & c', '!d'])) AS keys (type, key_values)
ORDER BY type COLLATE "C";

-- equal in a way that is not equal bytes: the target gets the source's
CREATE TABLE target (k interval PRIMARY KEY);
CREATE TABLE staging (k interval);
INSERT INTO target VALUES ('1 day');
INSERT INTO staging VALUES ('24 hours');
SELECT action, key, changed_columns, old_row, new_row FROM deltaetl_diff('staging', 'target');
SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync('staging', 'target');
SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync('staging', 'target');
DROP TABLE target, staging;

-- types that can only be hashed with types that can only be sorted
CREATE TABLE target (a xid, b money);
CREATE TABLE staging (a xid, b money);
SELECT deltaetl_sync('staging', 'target', '{a,b}');
INSERT INTO staging VALUES ('1', 1), ('2', 1);
SELECT inserted FROM deltaetl_sync('staging', 'target', '{a}');
SELECT unchanged FROM deltaetl_sync('staging', 'target', '{a}', deletes => 'delete');
DROP TABLE target, staging;

-- a generated column cannot be told what to be
CREATE TABLE target (v int, g int GENERATED ALWAYS AS (v * 2) STORED PRIMARY KEY);
CREATE TABLE staging (v int, g int);
SELECT deltaetl_sync('staging', 'target');
SELECT deltaetl_sync('staging', 'target', key_columns => '{v}', allow_empty_source => true) IS NOT NULL AS ok;
SELECT key FROM deltaetl_hashes('target');
DROP TABLE target, staging;

-- large keys are not copied into messages
CREATE TABLE target (k text PRIMARY KEY);
CREATE TABLE staging (k text);
INSERT INTO staging SELECT repeat('é', 1000) || g % 2 FROM generate_series(1, 4) AS g;
SELECT deltaetl_sync('staging', 'target');
DROP TABLE target, staging;

-- no key at all
SELECT deltaetl_sync('pg_class', 'pg_class');
CREATE VIEW nokey AS SELECT 1 AS a;
SELECT deltaetl_hashes('nokey');
SELECT key, row_hash = deltaetl_row_hash(1) AS hash FROM deltaetl_hashes('nokey', '{a}');
SELECT deltaetl_hashes('nokey', '{}');
DROP VIEW nokey;

DROP FUNCTION try_key;
DROP DOMAIN code, fixed, mask, mood_domain;
DROP TYPE mood, pair;
