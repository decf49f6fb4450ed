-- stored hashes, from before and after a table is distributed
SET search_path = deltaetl_citus, public;
SET client_min_messages = warning;
SET citus.shard_count = 4;
CREATE TABLE products (id bigint PRIMARY KEY, name text, price numeric(10,2));
INSERT INTO products SELECT i, 'n' || i, i FROM generate_series(1, 100) AS i;
SELECT deltaetl_track('products');
SELECT create_distributed_table('products', 'id');
SELECT count(*) FROM deltaetl_verify('products');
CREATE TABLE staging (LIKE products INCLUDING ALL);
SELECT create_distributed_table('staging', 'id', colocate_with => 'products');
INSERT INTO staging (id, name, price) SELECT i, 'n' || i, i + (i % 10 = 0)::int FROM generate_series(11, 120) AS i;
SELECT line FROM deltaetl_explain('staging', 'products') AS line WHERE line ~ 'Compared:|differs';
SELECT * FROM sync('staging', 'products', 'id');
SELECT * FROM plans('staging', 'products');
SELECT count(*) FROM deltaetl_verify('products');
-- the light map and the digest
SELECT count(*), count(DISTINCT h.row_hash) FROM deltaetl_hashes('products') AS h JOIN (SELECT row_hash FROM products) AS p USING (row_hash);
SELECT deltaetl_digest('products') = deltaetl_digest('staging');
SELECT digest = (SELECT deltaetl_digest_agg(row_hash) FROM products) FROM deltaetl_digest('products');
-- off and on again
SELECT deltaetl_untrack('products');
SELECT attname FROM pg_attribute WHERE attrelid = 'products'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY 1;
SELECT deltaetl_track('products', algorithm => 'sha512', hash_column => 'h');
SELECT count(*) FROM deltaetl_verify('products');
UPDATE staging SET price = 0 WHERE id = 50;
SELECT line FROM deltaetl_explain('staging', 'products') AS line WHERE line ~ 'Compared:|differs';
SELECT * FROM sync('staging', 'products', 'id');
-- a hash that is believed, and one that is stale
ALTER TABLE products DROP COLUMN h;
SELECT deltaetl_track('products');
CREATE TABLE loaded_hashes (id bigint PRIMARY KEY, name text, price numeric(10,2), their_hash bytea);
SELECT create_distributed_table('loaded_hashes', 'id', colocate_with => 'products');
INSERT INTO loaded_hashes SELECT id, name, price, CASE WHEN id % 2 = 0 THEN row_hash END FROM products;
UPDATE loaded_hashes SET name = 'unseen' WHERE id = 60;
UPDATE loaded_hashes SET name = 'seen' WHERE id = 61;
SELECT inserted, updated FROM deltaetl_sync('loaded_hashes', 'products', source_hash_column => 'their_hash');
SELECT id, name FROM products WHERE name ~ 'seen' ORDER BY id;
SELECT count(*) FROM deltaetl_verify('loaded_hashes', 'their_hash') WHERE stored_hash IS NOT NULL;
