-- deltaetl_digest(): equal exactly when the contents are.
CREATE FUNCTION same(a regclass, b regclass) RETURNS boolean LANGUAGE sql
AS $$ SELECT deltaetl_digest(a) = deltaetl_digest(b) $$;
CREATE TABLE products (id int PRIMARY KEY, name text, price numeric(10,2), made timestamptz, tags text[]);
INSERT INTO products SELECT i, nullif('product ' || i, 'product 7'), i / 8.0, timestamptz '2024-02-29 12:00+00' + i * interval '1 hour',
	CASE WHEN i % 3 > 0 THEN ARRAY['a', NULL, i::text] END FROM generate_series(1, 3000) AS i;
-- as the sum of the hashes in plain SQL says
WITH sum AS (
	SELECT count(*) AS n, mod(sum((SELECT sum(get_byte(hash, i) * 256::numeric ^ (31 - i)) FROM generate_series(0, 31) AS i)), 2::numeric ^ 256) AS total
	FROM (SELECT deltaetl_row_hash(id, made, name, price, tags) AS hash FROM products) AS h)
SELECT (SELECT sha256(string_agg(set_byte('\x00', 0, mod(div(total, 256::numeric ^ (31 - i)), 256)::int), '' ORDER BY i) || int8send(n))
	FROM generate_series(0, 31) AS i) = (deltaetl_digest('products')).digest AS as_added, n = (deltaetl_digest('products')).rows AS as_counted FROM sum;
-- the order of rows and columns, keys, dropped columns, storage, settings, partitions, views make no difference
CREATE TABLE copy (gone int, tags text[], made timestamptz, price numeric(10,2), name text, id int);
INSERT INTO copy SELECT 1, tags, made, price, name, id FROM products ORDER BY md5(id::text);
ALTER TABLE copy DROP gone, ALTER name SET STORAGE EXTERNAL;
CREATE TABLE parts (id int, name text, price numeric(10,2), made timestamptz, tags text[]) PARTITION BY HASH (id);
CREATE TABLE part_0 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE part_1 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO parts TABLE products;
CREATE VIEW seen AS SELECT tags, id, name, price, made FROM products;
SELECT same('products', 'copy'), same('products', 'parts'), same('products', 'seen'), (deltaetl_digest('copy')).rows;
SET TimeZone = 'Asia/Kathmandu';
SET DateStyle = 'German';
SELECT deltaetl_digest('copy')::text AS there \gset
RESET TimeZone;
RESET DateStyle;
SELECT deltaetl_digest('products')::text = :'there' AS same;
-- neither does the way it is computed
SET max_parallel_workers_per_gather = 4;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
EXPLAIN (COSTS OFF) SELECT deltaetl_digest_agg(deltaetl_row_hash(id)) FROM copy;
SELECT same('products', 'copy'), same('products', 'parts');
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
RESET max_parallel_workers_per_gather;
-- all that differs does, and nothing else
CREATE FUNCTION differs(change text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	differs boolean;
BEGIN
	BEGIN
		EXECUTE change;
		differs := NOT same('products', 'copy');
		IF differs <> EXISTS ((SELECT id, name, price, made, tags FROM copy EXCEPT ALL TABLE products)
				UNION ALL (TABLE products EXCEPT ALL SELECT id, name, price, made, tags FROM copy)) THEN
			RAISE EXCEPTION 'not as EXCEPT ALL says: %', change;
		END IF;
		RAISE EXCEPTION USING errcode = 'UE001';
	EXCEPTION WHEN SQLSTATE 'UE001' THEN
		RETURN differs;
	END;
END $$;
SELECT change, differs(change) FROM unnest(ARRAY['UPDATE copy SET id = id', 'UPDATE copy SET price = price + 0.01 WHERE id = 5', 'UPDATE copy SET name = '''' WHERE id = 7',
	'DELETE FROM copy WHERE id = 3000', 'INSERT INTO copy SELECT * FROM copy WHERE id = 1', 'INSERT INTO copy SELECT c.* FROM copy c, generate_series(1, 2) WHERE c.id = 1',
	'UPDATE copy SET tags = ''{a,NULL,4}'' WHERE id = 5', 'UPDATE copy SET id = 3001 - id',
	'UPDATE copy SET name = CASE id WHEN 1 THEN ''product 2'' ELSE ''product 1'' END WHERE id IN (1, 2)',
	'UPDATE copy SET id = 3 - id WHERE id IN (1, 2)', 'DELETE FROM copy', 'TRUNCATE copy; INSERT INTO copy SELECT tags, made, price, name, id FROM products']) AS change;
-- columns, those that are generated only if named; scope
SELECT deltaetl_digest('products', '{id,name}') = deltaetl_digest('copy', '{name,id}') AS same,
	deltaetl_digest('products', '{id,name}') = deltaetl_digest('products', '{id,price}') AS other_columns,
	deltaetl_digest('products', '{price}') = deltaetl_digest('copy', '{price}') AS without_key;
SELECT deltaetl_digest('products', scope => 'id <= 10 -- ten') = (SELECT (count(*), deltaetl_digest_agg(deltaetl_row_hash(id, made, name, price, tags))) FROM products WHERE id <= 10) AS in_scope,
	(deltaetl_digest('products', NULL, 'id <= 10')).rows, deltaetl_digest('products', scope => 'id > 10') = deltaetl_digest('products', scope => 'id <= 2990') AS others;
SELECT deltaetl_track('products');
SELECT same('products', 'copy'), deltaetl_digest('products', '{id,row_hash}') = deltaetl_digest('products', '{id}') AS hash_named;
-- nothing, and rows of nothing
CREATE TABLE empty (LIKE products);
CREATE TABLE nothing ();
SELECT deltaetl_digest('empty') = deltaetl_digest('nothing') AS both_empty, (deltaetl_digest('empty')).rows;
INSERT INTO nothing DEFAULT VALUES;
SELECT deltaetl_digest('nothing') = (SELECT (count(*), deltaetl_digest_agg(deltaetl_record_hash(ROW()))) FROM nothing) AS one;
-- more columns than a function takes arguments
DO $$ BEGIN
	EXECUTE (SELECT format('CREATE TABLE wide (%s)', string_agg(format('c%s int DEFAULT %s', i, i), ', ')) FROM generate_series(1, 150) AS i);
END $$;
INSERT INTO wide DEFAULT VALUES;
CREATE TABLE wider AS TABLE wide;
SELECT same('wide', 'wider');
UPDATE wider SET c150 = 0;
SELECT same('wide', 'wider');
-- the aggregate: nulls, lengths, windows, groups, copies, states
SELECT deltaetl_digest_agg(h) = deltaetl_digest_agg(h) FILTER (WHERE h IS NOT NULL) AS nulls, deltaetl_digest_agg(h) = deltaetl_digest_agg(DISTINCT h) AS copies,
	deltaetl_digest_agg(h) = deltaetl_digest_agg(h ORDER BY i) AS orders FROM (VALUES (1, sha256('a')), (2, NULL), (3, sha256('b')), (4, sha256('b'))) AS v (i, h);
SELECT deltaetl_digest_agg(NULL) = deltaetl_digest_agg(h) AS empty FROM (SELECT sha256('a') WHERE false) AS v (h);
SELECT deltaetl_digest_agg(h) = (SELECT deltaetl_digest_agg(sha256('long'))) AS hashed, deltaetl_digest_agg(h) = (SELECT deltaetl_digest_agg('')) AS cut FROM (VALUES ('long'::bytea)) AS v (h);
SELECT i, deltaetl_digest_agg(sha256(h)) OVER (ORDER BY i) = (SELECT deltaetl_digest_agg(sha256(b)) FROM unnest(('{a,b,c}'::bytea[])[:i]) AS b) AS running
FROM (VALUES (1, 'a'::bytea), (2, 'b'), (3, 'c')) AS v (i, h);
SELECT deltaetl_digest_final(deltaetl_digest_combine(deltaetl_digest_add(agginitval::bytea, sha256('a')), deltaetl_digest_add(agginitval::bytea, sha256('b'))))
	= (SELECT deltaetl_digest_agg(sha256(b)) FROM unnest('{b,a}'::bytea[]) AS b) AS combined FROM pg_aggregate WHERE aggfnoid = 'deltaetl_digest_agg'::regproc;
SELECT deltaetl_digest_final(decode(repeat('ff', 32), 'hex') || '\x0000000000000001') = sha256(deltaetl_digest_combine(decode(repeat('ff', 32), 'hex') || '\x0000000000000001', decode(repeat('00', 40), 'hex'))) AS kept,
	deltaetl_digest_add(decode(repeat('ff', 32), 'hex') || '\x0000000000000001', decode(repeat('ff', 31) || 'fe', 'hex')) AS carried;
-- errors
SELECT deltaetl_digest_add('\x00', sha256('a'));
SELECT deltaetl_digest_combine(decode(repeat('00', 40), 'hex'), '');
SELECT deltaetl_digest_final('');
SELECT deltaetl_digest(NULL);
SELECT deltaetl_digest('products', '{nam}');
SELECT deltaetl_digest('products', scope => 'pric > 0');
SELECT deltaetl_digest('products', scope => 'true); DROP TABLE products; --');
SELECT deltaetl_digest('products', scope => 'price');
SELECT deltaetl_digest('pg_toast.pg_toast_1255');
SELECT deltaetl_digest(4294967295);
-- rights, and rows that the caller cannot see
CREATE ROLE regress_deltaetl_reader;
SET ROLE regress_deltaetl_reader;
SELECT deltaetl_digest('copy');
RESET ROLE;
GRANT SELECT (id, name) ON copy TO regress_deltaetl_reader;
ALTER TABLE parts ENABLE ROW LEVEL SECURITY;
CREATE POLICY few ON parts USING (id <= 10);
GRANT SELECT ON parts TO regress_deltaetl_reader;
SET ROLE regress_deltaetl_reader;
SELECT (deltaetl_digest('copy', '{id,name}')).rows;
SELECT (deltaetl_digest('parts')).rows;
RESET ROLE;
DROP VIEW seen;
DROP TABLE products, copy, parts, empty, nothing, wide, wider;
DROP ROLE regress_deltaetl_reader;
DROP FUNCTION same, differs;
