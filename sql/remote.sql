-- Tables on either side of a server are compared by digests: what is done, and
-- that it is right.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS postgres_fdw;
RESET client_min_messages;
DO $$
BEGIN
  EXECUTE format('CREATE SERVER loop_back FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host %L, port %L, dbname %L, extensions ''deltaetl'')',
                 trim(split_part(current_setting('unix_socket_directories'), ',', 1)), current_setting('port'), current_database());
  EXECUTE format('CREATE USER MAPPING FOR CURRENT_USER SERVER loop_back OPTIONS (user %L)', current_user);
END $$;
CREATE SCHEMA there;
CREATE TABLE there.stock (id int PRIMARY KEY, name text, price numeric(10,2), note text);
INSERT INTO there.stock SELECT i, 'name ' || i, i / 8.0, (SELECT string_agg(md5(i::text || j), '') FROM generate_series(1, 150) AS j) FROM generate_series(1, 3000) AS i;
CREATE TABLE products (LIKE there.stock INCLUDING ALL);
INSERT INTO products TABLE there.stock;
ANALYZE products;
CREATE FOREIGN TABLE staging (id int, name text, price numeric(10,2), note text)
	SERVER loop_back OPTIONS (schema_name 'there', table_name 'stock');
CREATE FUNCTION detection(source regclass, target regclass, scope text DEFAULT NULL, keys name[] DEFAULT '{id}') RETURNS SETOF text LANGUAGE sql SET deltaetl.detection = auto AS $$
	SELECT l FROM deltaetl_explain(source, target, keys, scope => scope, deletes => 'delete') AS l
	WHERE l ~ 'Detection|Digests|digests|Keys|empty:' $$;
CREATE FUNCTION sync(source regclass, target regclass, keys name[] DEFAULT '{id}') RETURNS text LANGUAGE sql AS $$
	SELECT format('%s inserted, %s updated, %s deleted, %s unchanged', inserted, updated, deleted, unchanged)
	FROM deltaetl_sync(source, target, keys, deletes => 'delete', allow_empty_source => true) $$;

SET deltaetl.detection = auto;
SELECT detection('staging', 'products');

-- nothing has changed: nothing is read but digests
SET client_min_messages = debug1;
SELECT sync('staging', 'products');
RESET client_min_messages;
-- few rows have: buckets that differ are divided before rows are read
UPDATE there.stock SET price = price + 1 WHERE id IN (7, 77, 777);
DELETE FROM there.stock WHERE id = 1000;
INSERT INTO there.stock VALUES (-1, NULL, NULL, NULL);
SET client_min_messages = debug1;
SELECT sync('staging', 'products');
RESET client_min_messages;
RESET deltaetl.detection;
SELECT sync('staging', 'products');
-- most rows have
UPDATE there.stock SET name = name || '!' WHERE id > 30;
SELECT sync('staging', 'products');
(TABLE there.stock EXCEPT ALL TABLE products) UNION ALL (TABLE products EXCEPT ALL TABLE there.stock);

-- the other way round, and on both sides
CREATE SCHEMA here;
CREATE FOREIGN TABLE here.products (id int, name text, price numeric(10,2), note text)
	SERVER loop_back OPTIONS (schema_name 'public', table_name 'products');
UPDATE there.stock SET price = -1 WHERE id % 500 = 0;
SELECT detection('there.stock', 'here.products');
SELECT detection('staging', 'here.products');
SELECT action, key, changed_columns FROM deltaetl_diff('there.stock', 'here.products', '{id}') ORDER BY action, (key->>'id')::int;
SELECT action, key, changed_columns FROM deltaetl_diff('staging', 'here.products', '{id}') ORDER BY action, (key->>'id')::int;
SELECT sync('staging', 'products');

-- an empty side
CREATE TABLE empty (LIKE products INCLUDING ALL);
SELECT sync('staging', 'empty');
SELECT count(*) FROM deltaetl_diff('staging', 'empty');
TRUNCATE empty;
SELECT action, count(*) FROM deltaetl_diff('empty', 'here.products', '{id}') GROUP BY 1;
SELECT action, count(*) FROM deltaetl_diff('products', 'empty', '{id}') GROUP BY 1;
CREATE FOREIGN TABLE here.empty (id int, name text, price numeric(10,2), note text)
	SERVER loop_back OPTIONS (schema_name 'public', table_name 'empty');
SELECT action, count(*) FROM deltaetl_diff('here.empty', 'products', '{id}') GROUP BY 1;
SELECT action, count(*) FROM deltaetl_diff('staging', 'here.empty', '{id}') GROUP BY 1;
SELECT action, count(*) FROM deltaetl_diff('here.empty', 'empty', '{id}') GROUP BY 1;
SELECT deltaetl_sync('here.empty', 'products', deletes => 'delete');

-- guards count by digests
UPDATE there.stock SET price = -2 WHERE id % 100 = 0;
SELECT deltaetl_sync('staging', 'products', max_update_pct => 0.5);
DELETE FROM there.stock WHERE id % 100 = 0;
SELECT deltaetl_sync('staging', 'products', deletes => 'delete', max_delete_pct => 0.5);
SELECT sync('staging', 'products');

-- scope, evaluated on the other server
UPDATE there.stock SET price = price * 2;
SELECT detection('staging', 'products', 'id BETWEEN 5 AND 9 OR name = ''$1''');
SELECT inserted, updated, unchanged FROM deltaetl_sync('staging', 'products', scope => 'id BETWEEN 5 AND 9 OR name = ''$1''');
UPDATE products SET name = 'away' WHERE id = 10;
SELECT deltaetl_sync('staging', 'products', scope => 'name <> ''away''');
SELECT sync('staging', 'products');

-- a stored hash spares hashing the target
SELECT deltaetl_track('products');
SELECT detection('staging', 'products');
UPDATE there.stock SET price = 0 WHERE id < 4;
SELECT sync('staging', 'products');
SELECT deltaetl_untrack('products');

-- options of the server, and of a transaction
ALTER SERVER loop_back OPTIONS (ADD use_remote_estimate 'true', ADD fetch_size '7', ADD async_capable 'true');
UPDATE there.stock SET price = 1 WHERE id < 5;
SELECT detection('staging', 'products');
SELECT sync('staging', 'products');
ALTER SERVER loop_back OPTIONS (DROP use_remote_estimate, DROP fetch_size);
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT detection('staging', 'products');
SAVEPOINT one;
SELECT sync('staging', 'products');
ROLLBACK TO one;
SELECT sync('staging', 'products');
COMMIT;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT sync('staging', 'products');
COMMIT;

DROP FUNCTION detection, sync;
DROP FOREIGN TABLE staging, here.products, here.empty;
DROP TABLE there.stock, products, empty;
DROP SCHEMA here, there;
DROP USER MAPPING FOR CURRENT_USER SERVER loop_back;
DROP SERVER loop_back;
DROP EXTENSION postgres_fdw;
