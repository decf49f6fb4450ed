-- Values of every type come back from the log as they were, whatever the
-- settings are.
SET client_min_messages = warning;
CREATE EXTENSION citext;
CREATE EXTENSION hstore;
RESET client_min_messages;
CREATE TYPE mood AS ENUM ('sad', 'ok', 'very "happy"');
CREATE TYPE part AS (a int, b text, c timestamptz, d float8, j json);
CREATE DOMAIN precise AS numeric CHECK (VALUE IS NULL OR VALUE > -10);
CREATE DOMAIN numbers AS int[];
CREATE DOMAIN parts AS part[];
CREATE DOMAIN rights AS aclitem;
CREATE TYPE floats AS RANGE (subtype = float8);
CREATE FUNCTION to_json(mood) RETURNS json LANGUAGE sql RETURN pg_catalog.to_json(upper($1::text));
CREATE CAST (mood AS json) WITH FUNCTION to_json(mood);

CREATE TABLE target (id int PRIMARY KEY,
	b bool, i2 int2, i4 int4, i8 int8, f4 float4, f8 float8, n numeric, n2 numeric(10,2), mo money,
	c char(5), v varchar(5), t text, nm name, ch "char", by bytea, ct citext,
	d date, ti time(3), tz timetz, ts timestamp, tt timestamptz, iv interval,
	u uuid, ip inet, ci cidr, ma macaddr, m8 macaddr8, bt bit(5), vb varbit, e mood,
	ai int[], at text[], af float8[], ad timestamptz[], ab bytea[], aj json[], ae mood[], an numbers,
	p part, pp parts, pr precise, ir int4range, tr tstzrange, fr floats, im int4multirange, tm tstzmultirange,
	j json, jb jsonb, hs hstore, tv tsvector, tq tsquery, jp jsonpath,
	pt point, bx box, pa path, pl polygon, cr circle, ln line, ls lseg,
	o oid, rc regclass, rt regtype, rp regprocedure, lsn pg_lsn, ov oidvector, x8 xid8, ac rights);
INSERT INTO target (id, b, i2, i4, i8, mo, o, lsn, x8) VALUES
	(1, true, -32768, -2147483648, -9223372036854775808, -92233720368547758.08, 0, '0/0', '0'),
	(2, false, 32767, 2147483647, 9223372036854775807, 1.5, 4294967295, 'FFFFFFFF/FFFFFFFF', '18446744073709551615');
INSERT INTO target (id, f4, f8) VALUES (10, '-0', '-0'), (11, 0, 0), (12, 'NaN', '-Infinity'),
	(13, '1e-45', '4.9406564584124654e-324'), (14, '3.4028235e38', '1.7976931348623157e308'),
	(15, 0.1, 0.1), (16, 16777217, 9007199254740993), (17, '-1.17549435e-38', '1e23');
INSERT INTO target (id, n, n2) VALUES (20, 1.10, 1.1), (21, 1.1000, 0), (22, 'NaN', 'NaN'),
	(23, '-Infinity', NULL), (24, 0.000, -0.00), (25, 10::numeric ^ 131071, 99999999.99), (26, '1e-16383', 1),
	(27, (repeat('9', 131072))::numeric, 2), (28, (repeat('12', 500) || '.' || repeat('70', 600))::numeric, 3);
INSERT INTO target (id, c, v, t, nm, ch, ct) VALUES (30, 'a', 'a ', 'a', 'a', 'a', 'CaSe'),
	(31, '', '', '', '', '', ''), (32, '     ', '     ', E'\x01\t\n\r\x7f"\\''', '"x"', ' ', 'null'),
	(33, 'üß€', 'ü€𝄞', '𝄞 \u0000 {"a": null}', 'ünï', '"', '"'), (34, 'null', 'null', repeat('x', 100000), repeat('x', 63), '\303', '{}');
INSERT INTO target (id, by) VALUES (35, ''), (36, '\x00'), (37, decode(repeat('00ff5c27', 50000), 'hex'));
INSERT INTO target (id, d, ts, tt) VALUES (40, 'infinity', '-infinity', 'infinity'),
	(41, '4714-11-24 BC', '4714-11-24 BC', '4714-11-24 00:00+00 BC'), (42, '5874897-12-31', '294276-12-31 23:59:59.999999', '294276-12-31 23:59:59.999999+00'),
	(43, '0044-03-15 BC', '0044-03-15 12:13:14.5 BC', '0044-03-15 12:13:14.5+05:30:15 BC'), (44, '0001-01-01', '0001-12-31 BC', '12345-01-02 03:04:05-15:59:59');
INSERT INTO target (id, ti, tz, iv) VALUES (45, '24:00', '24:00-15:59:59', '1 mon -2 days 3:4:5.000006'),
	(46, '0:0:0.001', '00:00+05:30:15', '-1 mon +2 days -3:4:5'), (47, '1:2:3', '23:59:59.999999+00', '-178000000 years'),
	(48, NULL, NULL, '-1 mon 1 us'), (49, NULL, NULL, '1 day -00:00:01'), (50, NULL, NULL, '2562047788:00:54.775807');
INSERT INTO target (id, u, ip, ci, ma, m8, bt, vb, e) VALUES
	(51, '00000000-0000-4000-8000-00000000000a', '1.2.3.4/8', '10.0.0.0/8', '08:00:2b:01:02:03', '08:00:2b:01:02:03:04:05', '10101', '', 'sad'),
	(52, NULL, '::1', '2001:db8::/32', NULL, NULL, '00000', '1010101010101', 'very "happy"');
INSERT INTO target (id, ai, at, af, ad, ab, aj, ae, an) VALUES (53, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}'),
	(54, '[0:2]={1,NULL,3}', '{a,NULL,"NULL","",null,"a,b","{","\"","\\"}', '{NaN,-0,0,Infinity,1e300}', '{infinity,2024-01-01 00:00+05:30,NULL}',
	ARRAY['\x00'::bytea, '\xff'], ARRAY['null', '"\u0000"', '{"a":1,  "a":2}', NULL]::json[], '{ok,NULL}', '[3:4]={1,2}'),
	(55, '{{1,2},{3,NULL}}', '[-5:-4][2:3]={{a,b},{c,d}}', '{{{1.1}}}', NULL, NULL, NULL, NULL, NULL);
INSERT INTO target (id, p, pp, pr) VALUES (56, NULL, '{}', 1.100), (57, ROW(NULL, NULL, NULL, NULL, NULL), ARRAY[ROW(NULL, NULL, NULL, NULL, NULL)::part, NULL], 'NaN'),
	(58, ROW(1, 'a "b" \ (,)', '2024-01-01 00:00+05:30', '-0', '"\u0000"'), ARRAY[ROW(1, '', 'infinity', 'NaN', '{}'), ROW(1, 'x', NULL, '1e-320', '1e999999')]::part[], 0);
INSERT INTO target (id, ir, tr, fr, im, tm) VALUES (59, 'empty', 'empty', 'empty', '{}', '{}'), (60, '(,)', '(,)', '(NaN,NaN)', '{(,)}', '{(,)}'),
	(61, '[1,5)', '[2024-01-01 00:00+05:30,)', '(-0,1e300]', '{[1,2),[5,)}', '{[2024-01-01 00:00+05:30,infinity)}');
INSERT INTO target (id, j, jb) VALUES (70, 'null', 'null'), (71, '"null"', '"null"'), (72, ' { "a" : 1, "a" : 1.0 , "b":[1e5] }', '{"a": 1.00, "b": [1e5, null, "x\u00fc", {}]}'),
	(73, '[]', '[]'), (74, '"x\u0000y"', '"x"'), (75, '"\ud83d\ude00 \\u0000"', '"\ud83d\ude00"'), (76, '"\ud83d"', '1.10'), (77, '1e400000', '-0.00'),
	(78, 'true', 'true'), (79, (repeat('[', 1000) || repeat(']', 1000))::json, '""'), (80, '{"\u0000": 1}', '{"": null}');
INSERT INTO target (id, hs, tv, tq, jp) VALUES (81, 'a=>1, b=>NULL, "c d"=>"x\"y", n=>"1e400000"', 'a:1A b:2,3C ''x y''', 'a & (b | !c:*A) <2> d', 'lax $.a[*] ? (@ > 1)'), (82, '', '', NULL, 'strict $');
INSERT INTO target (id, pt, bx, pa, pl, cr, ln, ls) VALUES (83, '(-0,0.1)', '(1,2),(3,4.00000000000001)', '[(1,2),(3,4)]', '((0,0),(1,1),(1,0))', '<(1,2),3.3>', '{1,2,3}', '[(0,0),(1,1)]'),
	(84, '(NaN,Infinity)', '(-Infinity,Infinity),(1e-320,0)', '((1,2))', '((0,0))', '<(0,0),0>', '{1,-1,0}', NULL);
INSERT INTO target (id, rc, rt, rp, ov, ac) VALUES (85, 'target', 'target[]', 'deltaetl_revert(bigint, text)', '1 2 3', NULL), (86, 'pg_class', 'int4', 'lower(text)', '', makeaclitem(10, 10, 'SELECT', true));
SELECT count(*) FROM target;

CREATE TABLE original AS SELECT id, target::text AS shown, deltaetl_record_encode(target) AS encoded FROM target;
CREATE TABLE kept AS TABLE target;
CREATE TABLE nothing (LIKE target);
INSERT INTO nothing (id) SELECT id FROM target;
\set shown 'SELECT id, target::text, deltaetl_record_encode(target) FROM target'
\set as_before '(TABLE original EXCEPT ALL ' :shown ') UNION ALL (' :shown ' EXCEPT ALL TABLE original)'
\set hard 'SET datestyle = \'SQL, DMY\'; SET intervalstyle = iso_8601; SET timezone = \'Asia/Kolkata\'; SET extra_float_digits = -3; SET bytea_output = \'escape\'; SET quote_all_identifiers = on'
\set soft 'SET datestyle = \'German\'; SET intervalstyle = sql_standard; SET timezone = \'America/St_Johns\'; SET extra_float_digits = 0; RESET bytea_output; RESET quote_all_identifiers'

-- all rows updated to nothing and back, with other settings
:hard;
SELECT run_id AS run, updated FROM deltaetl_sync('nothing', 'target', log_changes => 'rows') \gset
\echo :updated
SELECT count(*) FROM target WHERE target::text LIKE '%,,%' AND num_nonnulls(VARIADIC ARRAY[b::text, n::text, j::text, hs::text, p::text]) = 0;
:soft;
SELECT run_id AS back, updated, skipped FROM deltaetl_revert(:run) \gset
\echo :updated :skipped
RESET ALL;
:as_before;
SELECT updated, skipped FROM deltaetl_revert(:back);
SELECT count(*) FROM target WHERE num_nonnulls(VARIADIC ARRAY[b::text, n::text, j::text, hs::text, p::text]) > 0;

-- the images do not depend on settings, and are what to_jsonb() shows
SELECT count(DISTINCT (old_row, old_text)), count(*)
FROM (SELECT old_row, old_text, key FROM deltaetl_change_entry WHERE run_id = :run
	UNION ALL SELECT new_row, new_text, key FROM deltaetl_change_entry WHERE run_id = :back) AS c;
SET timezone = 'UTC'; SET intervalstyle = postgres; SET datestyle = 'ISO';
SELECT c.key->>'id' AS id, column_name, k.shown, c.old_row->column_name AS logged
FROM deltaetl_change_entry AS c JOIN kept ON id = (c.key->>'id')::int AND coalesce(j::text, '') !~ '\\u|e400|\[\[\['
	AND aj IS NULL AND p IS NULL AND pp IS NULL, LATERAL jsonb_each(to_jsonb(kept)) AS k (column_name, shown)
WHERE c.run_id = :run AND k.shown IS DISTINCT FROM c.old_row->column_name ORDER BY 1, column_name COLLATE "C";
RESET ALL;
SELECT column_name, left((c.old_row->column_name)::text, 55) AS shown, left(text, 55) AS text
FROM deltaetl_change_entry AS c, jsonb_each_text(c.old_text) AS e (column_name, text)
WHERE run_id = :run AND (key->>'id')::int IN (10, 54, 57, 58, 70, 72, 74, 81) ORDER BY (key->>'id')::int, column_name COLLATE "C";

-- all rows inserted and deleted, deleted and inserted
SELECT run_id AS run, updated FROM deltaetl_sync('kept', 'target') \gset
:as_before;
CREATE TABLE none (LIKE target);
:soft;
SELECT run_id AS run FROM deltaetl_sync('none', 'target', deletes => 'delete', allow_empty_source => true,
	log_changes => 'rows') \gset
SELECT count(*) FROM target;
:hard;
SELECT run_id AS back, inserted = (SELECT count(*) FROM original) AS inserted, skipped FROM deltaetl_revert(:run) \gset
\echo :inserted :skipped
RESET ALL;
:as_before;
SELECT deleted = (SELECT count(*) FROM original) AS deleted, skipped FROM deltaetl_revert(:back);

-- the log outlives being written to a file
SELECT run_id AS run FROM deltaetl_sync('kept', 'target', log_changes => 'rows') \gset
CREATE TABLE entries AS SELECT * FROM deltaetl_change_entry WHERE run_id = :run;
CREATE TABLE texts AS SELECT position, new_row::text AS new_row, new_text::text AS new_text FROM entries;
UPDATE deltaetl_change_entry AS c SET new_row = t.new_row::jsonb, new_text = t.new_text::jsonb
FROM texts AS t WHERE c.run_id = :run AND c.position = t.position;
SELECT inserted, updated, deleted = (SELECT count(*) FROM original) AS deleted, skipped FROM deltaetl_revert(:run);

-- xml keeps the encoding that it declares, which its output leaves out
CREATE FUNCTION xml_survives() RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	texts text[] = ARRAY['<a>ü</a>', '<?xml version="1.0" encoding="ISO-8859-1"?><a b="1">ü</a>', 'text <b/>', ''];
	survived boolean;
BEGIN
	CREATE TEMPORARY TABLE x AS SELECT i AS id, texts[i]::xml AS doc FROM generate_series(1, 4) AS i;
	CREATE TEMPORARY TABLE y AS SELECT id, NULL::xml AS doc FROM x;
	SET xmloption = document;
	PERFORM deltaetl_revert(run_id) FROM deltaetl_sync('y', 'x', '{id}', log_changes => 'rows');
	RESET xmloption;
	SELECT array_agg(doc::text ORDER BY id) = texts INTO survived FROM x;
	DROP TABLE x, y;
	RETURN survived;
EXCEPTION WHEN feature_not_supported THEN
	RETURN true;
END $$;
SELECT xml_survives();

DROP FUNCTION xml_survives;
DROP TABLE target, nothing, none, original, kept, entries, texts;
DROP DOMAIN parts, numbers, precise, rights;
DROP CAST (mood AS json);
DROP FUNCTION to_json(mood);
DROP TYPE part, floats, mood;
DROP EXTENSION citext, hstore;
