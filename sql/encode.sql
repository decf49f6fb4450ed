-- The encoding and its hash.  t/001_encoding.pl holds every type against an
-- independent implementation; here is what the format promises.
SELECT deltaetl_encode(7, 'ab', NULL::text, 1.50);
SELECT deltaetl_row_hash(7, 'ab', NULL::text, 1.50);

-- the hash is SHA-256 of the encoding
SELECT deltaetl_row_hash(7, 'ab', NULL::text, 1.50)
	= digest(deltaetl_encode(7, 'ab', NULL::text, 1.50), 'sha256') AS sha256;

-- values do not run into each other, and NULL is no value
SELECT count(DISTINCT hash) = count(*) AS all_differ
FROM (VALUES
	(deltaetl_row_hash('ab', 'c')), (deltaetl_row_hash('a', 'bc')),
	(deltaetl_row_hash('abc')), (deltaetl_row_hash('abc', '')),
	(deltaetl_row_hash('', 'abc')), (deltaetl_row_hash('abc', NULL)),
	(deltaetl_row_hash(NULL)), (deltaetl_row_hash('')),
	(deltaetl_row_hash('NULL')), (deltaetl_row_hash(NULL, NULL)),
	(deltaetl_row_hash(1.0)), (deltaetl_row_hash(1.00)),
	(deltaetl_row_hash(0::float8)), (deltaetl_row_hash('-0'::float8)),
	(deltaetl_row_hash(5::int4)), (deltaetl_row_hash(5::int8)),
	(deltaetl_row_hash(ARRAY[1, 2])), (deltaetl_row_hash(ARRAY[[1, 2]])),
	(deltaetl_row_hash('[0:1]={1,2}'::int[])), (deltaetl_row_hash(ARRAY[1, 2, NULL])),
	(deltaetl_row_hash('{}'::int[])),
	(deltaetl_row_hash('{""}'::text[])), (deltaetl_row_hash('{NULL}'::text[])),
	(deltaetl_row_hash(ROW(1, 2))), (deltaetl_row_hash(ROW(1, ROW(2)))),
	(deltaetl_row_hash(ROW(1, 2, NULL))), (deltaetl_row_hash(ROW(NULL)))) AS h (hash);

-- storage types that print alike are alike
SELECT deltaetl_encode('a'::text) = deltaetl_encode('a'::varchar(3)) AS varchar,
	deltaetl_encode('a') = deltaetl_encode('a'::text) AS literal,
	deltaetl_encode('NaN'::float8) = deltaetl_encode('inf'::float8 - 'inf'::float8) AS nan,
	deltaetl_encode('[1,4]'::int4range) = deltaetl_encode('[1,5)'::int4range) AS range;

-- never NULL, never fewer than 32 bytes
SELECT length(deltaetl_row_hash(NULL)), deltaetl_encode(NULL);

-- an array with VARIADIC is its elements
SELECT deltaetl_encode(VARIADIC ARRAY[1, NULL, 3]) = deltaetl_encode(1, NULL::int, 3) AS elements,
	deltaetl_encode(VARIADIC ARRAY[['a', 'b'], ['c', 'd']]) = deltaetl_encode('a', 'b', 'c', 'd') AS two_dimensions,
	deltaetl_encode(VARIADIC '{}'::int[]) AS empty,
	deltaetl_encode(VARIADIC NULL::int[]) AS null_array;

-- a record is its columns, without those dropped
CREATE TABLE wide (a int, gone text, b text, c numeric);
INSERT INTO wide VALUES (1, 'x', 'two', 3.0), (2, NULL, NULL, NULL);
ALTER TABLE wide DROP COLUMN gone;
SELECT bool_and(deltaetl_record_encode(w) = deltaetl_encode(a, b, c)) AS encode,
	bool_and(deltaetl_record_hash(w) = deltaetl_row_hash(a, b, c)) AS hash
FROM wide w;
SELECT deltaetl_record_hash(ROW(1, 'x'::text)) = deltaetl_row_hash(1, 'x') AS anonymous,
	deltaetl_record_hash(NULL::wide) IS NULL AS no_record;
-- one call site, rows of several types
SELECT count(DISTINCT deltaetl_record_hash(r))
FROM (SELECT CASE WHEN i % 2 = 0 THEN ROW(i, 'x'::text) ELSE ROW(i::text) END AS r
	FROM generate_series(1, 10) AS i) AS s;
DROP TABLE wide;

-- usable where only immutable functions are
CREATE TABLE tracked (a int, b text,
	hash bytea GENERATED ALWAYS AS (deltaetl_row_hash(a, b)) STORED);
CREATE INDEX ON tracked (deltaetl_row_hash(b, a));
INSERT INTO tracked VALUES (1, 'x'), (2, NULL);
SELECT bool_and(hash = deltaetl_row_hash(a, b)) FROM tracked;
DROP TABLE tracked;

-- the composite of a call site may change under it
CREATE TYPE pair AS (a int, b int);
CREATE FUNCTION hash_pair(p pair) RETURNS bytea LANGUAGE plpgsql
AS 'BEGIN RETURN deltaetl_encode(p); END';
SELECT hash_pair(ROW(1, 2));
ALTER TYPE pair ADD ATTRIBUTE c text;
SELECT hash_pair(ROW(1, 2, 'x'));
ALTER TYPE pair DROP ATTRIBUTE a;
SELECT hash_pair(ROW(2, 'x'));
DROP FUNCTION hash_pair;
DROP TYPE pair;

-- an array whose type does not say of what, as in pg_stats, holds no OID
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE TABLE moods AS SELECT 'happy'::mood AS m FROM generate_series(1, 10);
ANALYZE moods;
SELECT deltaetl_encode(most_common_vals) = deltaetl_encode('{happy}'::mood[]) AS alike
FROM pg_stats WHERE tablename = 'moods';
DROP TABLE moods;
DROP TYPE mood;

-- comparing hashes
SELECT deltaetl_differs('\x01', '\x01'), deltaetl_differs('\x01', '\x02'),
	deltaetl_differs('\x01', '\x0101'), deltaetl_differs(NULL, '\x01'),
	deltaetl_differs('\x01', NULL), deltaetl_differs(NULL, NULL);
