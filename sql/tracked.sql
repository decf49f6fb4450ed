-- Hashes stored in a generated column.
-- how many rows do not have the hash that an expression written by hand gives
CREATE FUNCTION wrong_hashes(relation regclass, stored text, expression text)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE wrong bigint;
BEGIN
	EXECUTE format('SELECT count(*) FROM %s AS t WHERE %s IS DISTINCT FROM %s',
		relation, stored, expression) INTO wrong;
	RETURN wrong;
END $$;
CREATE VIEW expressions AS
SELECT a.attrelid::regclass AS relation, a.attname AS name, pg_get_expr(d.adbin, d.adrelid) AS expression
FROM pg_attribute a JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
WHERE a.attgenerated = 's' ORDER BY a.attrelid::regclass::text COLLATE "C", a.attnum;

-- the key first, in its order, then the others by name; no generated column
CREATE TABLE products (weight float8, name text, id int, gone int, "Über" text, shop int, "Price" numeric(10,2),
	net numeric GENERATED ALWAYS AS ("Price" / 1.19) STORED, PRIMARY KEY (shop, id));
ALTER TABLE products DROP gone;
INSERT INTO products SELECT i, 'product ' || i, i, NULL, i % 3, i / 100.0 FROM generate_series(1, 10) i;
INSERT INTO products VALUES (NULL, '', 11, 'ü', 1, NULL);
SELECT deltaetl_track('products');
SELECT * FROM expressions;
SELECT wrong_hashes('products', 'row_hash',
	'deltaetl_row_hash(shop, id, "Price", name, weight, "Über")');
SELECT count(*) FROM products p
JOIN deltaetl_hashes('products', columns => '{Price,name,weight,Über}') h ON h.row_hash = p.row_hash;
-- it is right after any write
UPDATE products SET name = 'new ' || name WHERE id < 4;
INSERT INTO products VALUES (12, 'twelve', 12, '', 12, 12);
COPY products (id, shop, weight) FROM stdin;
13	13	-0
\.
SELECT wrong_hashes('products', 'row_hash',
	'deltaetl_row_hash(shop, id, "Price", name, weight, "Über")');
INSERT INTO products (id, shop, row_hash) VALUES (14, 14, '\x00');
-- a renamed column is followed, one of another type or that goes is in the way
ALTER TABLE products RENAME name TO "the name";
ALTER TABLE products RENAME row_hash TO "Hash";
SELECT deltaetl_track('products');
SELECT count(*) FROM deltaetl_verify('products');
ALTER TABLE products ALTER "the name" TYPE varchar(20);
ALTER TABLE products DROP "the name";
-- a new column is not part of it
ALTER TABLE products ADD color text DEFAULT 'red';
SELECT count(*) FROM deltaetl_verify('products');
-- and a sync goes on as before
CREATE TABLE staging (LIKE products INCLUDING GENERATED);
SELECT count(*) FROM deltaetl_diff('staging', 'products');
INSERT INTO staging (id, shop, color, "the name") VALUES (1, 1, 'red', 'one'), (14, 14, 'blue', NULL);
SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync('staging', 'products', deletes => 'delete');
SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync('staging', 'products', deletes => 'delete');
SELECT count(*) FROM products p JOIN staging s USING (shop, id, "Hash");
SELECT wrong_hashes('products', '"Hash"',
	'deltaetl_row_hash(shop, id, "Price", "the name", weight, "Über")');

SELECT deltaetl_untrack('products');
SELECT * FROM expressions WHERE relation = 'products'::regclass;
SELECT deltaetl_untrack('products');
\echo :SQLSTATE

-- some columns only, under another name, with another algorithm
SELECT deltaetl_track('products', '{the name,id}', 'My "hash"', 'sha512');
SELECT * FROM expressions WHERE relation = 'products'::regclass;
SELECT wrong_hashes('products', '"My ""hash"""',
	'digest(deltaetl_encode(shop, id, "the name"), ''sha512'')');
SELECT deltaetl_untrack('products');
SELECT deltaetl_track('products', '{}');
SELECT wrong_hashes('products', 'row_hash', 'deltaetl_row_hash(shop, id)');
SELECT deltaetl_untrack('products');
CREATE FUNCTION check_algorithm(algorithm text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE length int;
BEGIN
	PERFORM deltaetl_track('products', '{color}', algorithm => check_algorithm.algorithm);
	SELECT max(length(row_hash)) FILTER (WHERE row_hash = digest(deltaetl_encode(shop, id, color), check_algorithm.algorithm))
	INTO length FROM products;
	PERFORM deltaetl_untrack('products');
	RETURN length;
END $$;
SELECT algorithm, check_algorithm(algorithm)
FROM unnest('{md5,sha1,sha224,sha256,sha384,sha512}'::text[]) algorithm;
DROP TABLE products, staging;

-- more columns than a function takes
DO $$ BEGIN
	EXECUTE (SELECT format('CREATE TABLE wide (%s, PRIMARY KEY (c149, c2))', string_agg(format('c%s int DEFAULT %s', i, i), ', '))
		FROM generate_series(0, 149) i);
END $$;
INSERT INTO wide (c149) SELECT generate_series(1, 5);
SELECT string_agg('c' || i, ', ' ORDER BY ('c' || i) COLLATE "C") AS others
FROM generate_series(0, 149) i WHERE i NOT IN (2, 149) \gset
SELECT deltaetl_track('wide', hash_column => 'h');
SELECT wrong_hashes('wide', 'h', format('deltaetl_record_hash(ROW(c149, c2, %s))', :'others'));
SELECT count(*) FROM wide JOIN deltaetl_hashes('wide') ON row_hash = h;
SELECT count(*) FROM deltaetl_verify('wide');
SELECT deltaetl_untrack('wide');
SELECT deltaetl_track('wide', algorithm => 'sha1');
SELECT wrong_hashes('wide', 'row_hash', format('digest(deltaetl_record_encode(ROW(c149, c2, %s)), ''sha1'')', :'others'));
SELECT count(*) FROM deltaetl_verify('wide');
SELECT deltaetl_untrack('wide');
DROP TABLE wide;
DROP VIEW expressions;
DROP FUNCTION wrong_hashes(regclass, text, text), check_algorithm(text);
