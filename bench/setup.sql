-- Two tables of about 250 bytes a row, the source with 1 % of the rows changed.
SET client_min_messages = warning;
CREATE EXTENSION deltaetl CASCADE;

CREATE TABLE target (
	id integer PRIMARY KEY, sku text, name text, description text,
	price numeric(12,2), quantity integer, updated_at timestamptz,
	active boolean, weight float8);
INSERT INTO target
SELECT i, 'SKU-' || lpad(i::text, 9, '0'), 'Product number ' || i,
	repeat(md5(i::text), 4), (i % 100000) / 100.0, i % 1000,
	timestamptz '2026-01-01' + i * interval '1 second', i % 7 = 0, i * 1.37
FROM generate_series(1, :rows) AS i;
CREATE TABLE source (LIKE target);
INSERT INTO source SELECT * FROM target;
UPDATE source SET quantity = quantity + 1 WHERE id % 100 = 0;
CREATE TABLE source_with_key (LIKE target INCLUDING INDEXES);
INSERT INTO source_with_key SELECT * FROM source ORDER BY id;
VACUUM (FULL, FREEZE, ANALYZE) source;
VACUUM (FREEZE, ANALYZE) source_with_key;
VACUUM (FREEZE, ANALYZE) target;

CREATE TABLE timing (name text, ms float8);
