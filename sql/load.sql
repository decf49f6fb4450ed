-- First loads, and targets that have few of the source's rows.
\set SHOW_CONTEXT never
CREATE FUNCTION rows_written(target regclass) RETURNS bigint LANGUAGE sql VOLATILE AS $$
SELECT sum(pg_stat_get_xact_tuples_inserted(oid) + pg_stat_get_xact_tuples_updated(oid) +
	pg_stat_get_xact_tuples_deleted(oid))
FROM (SELECT target AS oid UNION SELECT relid FROM pg_partition_tree(target)) AS tables
$$;

-- Sync staging to products, held against plain SQL, what was really written,
-- and a second run; and rows out of scope are as they were.
CREATE FUNCTION check_sync(columns text, scope text DEFAULT NULL, deletes text DEFAULT 'delete',
	OUT inserted bigint, OUT updated bigint, OUT deleted bigint, OUT unchanged bigint, OUT wrong text)
LANGUAGE plpgsql AS $$
DECLARE
	source text := format('SELECT id, ROW(%s)::text AS row FROM staging WHERE %s', columns, coalesce(scope, 'true'));
	target text := format('SELECT id, ROW(%s)::text AS row FROM products WHERE %s', columns, coalesce(scope, 'true'));
	kept text := format('SELECT string_agg(p::text, '','' ORDER BY id) FROM products p WHERE (%s) IS NOT TRUE', coalesce(scope, 'true'));
	expected bigint[];
	got bigint[];
	again bigint[];
	written bigint[] := ARRAY[rows_written('products')];
	differ bigint[];
	kept_before text;
	kept_after text;
BEGIN
	EXECUTE kept INTO kept_before;
	EXECUTE format('SELECT ARRAY[count(*) FILTER (WHERE t.id IS NULL), count(*) FILTER (WHERE s.row <> t.row),
		count(*) FILTER (WHERE s.id IS NULL AND %L = ''delete''), count(*) FILTER (WHERE s.row = t.row),
		count(*) FILTER (WHERE s.id IS NULL)]
		FROM (%s) AS s FULL JOIN (%s) AS t USING (id)', deletes, source, target) INTO expected;
	SELECT ARRAY[d.inserted, d.updated, d.deleted, d.unchanged] INTO got
	FROM deltaetl_sync('staging', 'products', '{id}', deletes => deletes, scope => scope) AS d;
	written[2] := rows_written('products');
	SELECT ARRAY[d.inserted, d.updated, d.deleted, d.unchanged] INTO again
	FROM deltaetl_sync('staging', 'products', '{id}', deletes => deletes, scope => scope) AS d;
	written := ARRAY[written[2] - written[1], rows_written('products') - written[2]];
	EXECUTE format('SELECT ARRAY[(SELECT count(*) FROM (%1$s EXCEPT ALL %2$s) AS d),
		(SELECT count(*) FROM (%2$s EXCEPT ALL %1$s) AS d)]', source, target) INTO differ;
	EXECUTE kept INTO kept_after;
	IF got <> expected[1:4] OR written <> ARRAY[got[1] + got[2] + got[3], 0]
		OR again <> ARRAY[0, 0, 0, got[1] + got[2] + got[4]]
		OR differ <> ARRAY[0, expected[5] - got[3]] OR kept_before IS DISTINCT FROM kept_after THEN
		wrong := format('expected %s, then %s, written %s, different %s, out of scope %s then %s',
			expected, again, written, differ, kept_before, kept_after);
	END IF;
	SELECT got[1], got[2], got[3], got[4] INTO inserted, updated, deleted, unchanged;
END $$;

-- an empty target, from a source without a key and with one
CREATE TABLE products (id int PRIMARY KEY, name text, price numeric(8,2));
CREATE TABLE staging (LIKE products);
INSERT INTO staging SELECT i, 'name ' || i, i / 8.0 FROM generate_series(1, 2500) AS i;
SELECT * FROM check_sync('id, name, price');
TRUNCATE products;
ALTER TABLE staging ADD PRIMARY KEY (id);
SELECT * FROM check_sync('id, name, price', deletes => 'ignore');
-- emptied by the same transaction, or to be filled again after an error
BEGIN;
DELETE FROM products;
SELECT * FROM check_sync('id, name, price');
DELETE FROM products WHERE id > 3;
SAVEPOINT few;
UPDATE products SET name = 'changed';
ROLLBACK TO few;
SELECT * FROM check_sync('id, name, price');
TRUNCATE products;
SELECT * FROM check_sync('id, name, price');
COMMIT;
SELECT deltaetl_sync('staging', 'products', scope => 'id < 0', deletes => 'delete');

-- a target that is much smaller: equal, changed, and of its own
TRUNCATE products;
INSERT INTO products SELECT * FROM staging WHERE id % 100 = 0;
UPDATE products SET name = 'changed' WHERE id % 1000 = 0;
INSERT INTO products VALUES (-1, 'old', 1), (-2, 'old', 2), (9000, 'out of scope', 3);
BEGIN;
SELECT * FROM check_sync('id, name, price');
ROLLBACK AND CHAIN;
SELECT * FROM check_sync('id, name, price', deletes => 'ignore');
ROLLBACK AND CHAIN;
SELECT * FROM check_sync('id, name, price', scope => 'id < 1501');
SELECT * FROM check_sync('id, name, price', scope => 'id BETWEEN 1501 AND 2000', deletes => 'ignore');
ROLLBACK AND CHAIN;
-- empty for the scope only, by rows, and by keys that are elsewhere
DELETE FROM products WHERE id BETWEEN 200 AND 999;
SELECT * FROM check_sync('id, name, price', scope => 'id BETWEEN 201 AND 998');
UPDATE products SET name = 'x' WHERE id = 100;
SELECT * FROM deltaetl_sync('staging', 'products', scope => $$name IN ('name 100', 'name 101')$$);
ROLLBACK;

-- keys that are wrong, in an empty target and one with a few rows
ALTER TABLE staging DROP CONSTRAINT staging_pkey, ALTER id DROP NOT NULL;
\set ON_ERROR_ROLLBACK on
BEGIN;
TRUNCATE products;
SELECT rows_written('products') AS before \gset
INSERT INTO staging VALUES (7, 'again', 1), (7, 'name 7', 0.88), (2400, NULL, NULL);
SELECT deltaetl_sync('staging', 'products');
INSERT INTO products VALUES (1, 'name 1', 0.13), (7, 'name 7', 0.88);
SELECT deltaetl_sync('staging', 'products');
DELETE FROM staging WHERE id IN (7, 2400);
INSERT INTO staging VALUES (NULL, 'no key', 1), (NULL, 'no key', 2);
SELECT deltaetl_sync('staging', 'products', deletes => 'delete');
DELETE FROM products;
SELECT deltaetl_sync('staging', 'products');
DELETE FROM staging WHERE id IS NULL;
-- values that cannot be assigned are found before anything is written
ALTER TABLE staging ALTER price TYPE numeric, ALTER name TYPE varchar;
UPDATE staging SET price = 1e6 WHERE id = 2200;
SELECT deltaetl_sync('staging', 'products');
INSERT INTO products VALUES (1, 'name 1', 0.13), (-1, 'old', 1);
SELECT deltaetl_sync('staging', 'products', deletes => 'delete');
-- six rows by hand
SELECT rows_written('products') - :before AS written, * FROM products ORDER BY id;
COMMIT;
DROP TABLE staging;

-- a view, with defaults for what it lacks; generated and identity columns
CREATE TABLE stock (id int, name text);
INSERT INTO stock SELECT i, 'stock ' || i FROM generate_series(1, 1200) AS i;
CREATE VIEW staging AS SELECT upper(name) AS name, id FROM stock WHERE id % 2 = 0;
ALTER TABLE products ADD added text DEFAULT 'new', ADD n int GENERATED ALWAYS AS (length(name)) STORED, ADD no serial;
TRUNCATE products;
SELECT * FROM check_sync('id, name');
SELECT count(*), min(id), max(id), count(DISTINCT no) AS numbers, bool_and(n = length(name) AND added = 'new' AND price IS NULL) AS good FROM products;
DROP TABLE products;
CREATE TABLE products (no int GENERATED BY DEFAULT AS IDENTITY, name text, g text GENERATED ALWAYS AS (name || '!') STORED,
	id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY);
SELECT * FROM check_sync('id, name');
SELECT currval('products_no_seq') AS numbered, pg_sequence_last_value('products_id_seq') AS burnt;
DROP VIEW staging;
CREATE TABLE staging (LIKE products);
TRUNCATE products;
INSERT INTO staging SELECT i, 'name ' || i, 'other', i FROM generate_series(1, 1100) AS i;
SELECT * FROM check_sync('id, no, name');
SELECT currval('products_no_seq') AS numbered, pg_sequence_last_value('products_id_seq') AS burnt, count(*) FILTER (WHERE g = name || '!') AS good FROM products;
DROP TABLE staging, products, stock;

-- a partitioned target, empty, and with a partition that has a few rows
CREATE TABLE products (id int, name text, kind text) PARTITION BY LIST (kind);
CREATE TABLE products_a PARTITION OF products FOR VALUES IN ('a');
CREATE TABLE products_rest (kind text, id int, name text);
ALTER TABLE products ATTACH PARTITION products_rest DEFAULT;
CREATE TABLE staging (LIKE products);
INSERT INTO staging SELECT i, 'name ' || i, chr(97 + i % 3) FROM generate_series(1, 1500) AS i;
SELECT * FROM check_sync('id, name, kind');
SELECT tableoid::regclass AS partition, count(*) FROM products GROUP BY 1 ORDER BY 1;
DELETE FROM products WHERE id > 40;
UPDATE products SET name = 'changed' WHERE id < 10;
SELECT * FROM check_sync('id, name, kind');
DROP TABLE products, staging;
DROP FUNCTION check_sync, rows_written;
