-- columns of other types, left out, with defaults, generated; keys that lack a value or occur twice; guards and scope
SET search_path = deltaetl_citus, public;
SET client_min_messages = warning;
SET citus.shard_count = 4;
CREATE TABLE items (id int, region text, price numeric(8,2), qty bigint, note text DEFAULT 'none', total numeric GENERATED ALWAYS AS (price * qty) STORED,
	PRIMARY KEY (region, id));
CREATE TABLE staged (id int, region text, price numeric, qty int, extra text);
SELECT create_distributed_table('items', 'region');
SELECT create_distributed_table('staged', 'region', colocate_with => 'items');
INSERT INTO items (id, region, price, qty) SELECT i, 'r' || i % 9, i / 3.0, i FROM generate_series(1, 300) AS i;
INSERT INTO staged SELECT i, 'r' || i % 9, i / 3.0 + CASE WHEN i % 50 = 0 THEN 1 ELSE 0.0001 END, i, 'x' FROM generate_series(21, 320) AS i;
SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync('staged', 'items', deletes => 'delete', dry_run => true);
-- guards
SELECT deltaetl_sync('staged', 'items', deletes => 'delete', max_delete_pct => 5);
SELECT deltaetl_sync('staged', 'items', deletes => 'delete', max_delete_rows => 5);
SELECT deltaetl_sync('staged', 'items', max_update_pct => 1);
SELECT deltaetl_sync('staged', 'items', deletes => 'delete', scope => 'price < 0');
-- scope
SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync('staged', 'items', deletes => 'delete', scope => 'region IN (''r1'', ''r2'') AND qty > 10',
	max_delete_pct => 50, max_delete_rows => 50, max_update_pct => 50);
SELECT deltaetl_sync('staged', 'items', scope => 'price > 16.70 AND price < 18');
SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync('staged', 'items', deletes => 'delete');
SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync('staged', 'items', deletes => 'delete');
SELECT count(*), sum(total), count(DISTINCT note) FROM items;
SELECT sum(price::numeric(8,2) * qty) FROM staged;
SELECT inserted, updated FROM deltaetl_sync('staged', 'items', scope => 'id > current_setting(''server_version_num'')::int');
SELECT deltaetl_sync('staged', 'items', scope => 'price > random()');
-- keys
INSERT INTO staged VALUES (100, 'r1', 1, 1), (101, 'r2', 1, 1), (101, 'r2', 1, 1), (NULL, 'r2', 1, 1);
SELECT deltaetl_sync('staged', 'items');
DELETE FROM staged WHERE id IS NULL;
SELECT deltaetl_sync('staged', 'items');
SELECT deltaetl_diff('staged', 'items');
SELECT deltaetl_sync('staged', 'items', key_columns => '{id}');
DELETE FROM staged WHERE price = 1;
-- a default that only one node can compute
CREATE SEQUENCE numbers;
ALTER TABLE items ADD number bigint;
ALTER TABLE items ALTER number SET DEFAULT nextval('numbers');
INSERT INTO staged SELECT i, 'r' || i % 9, i, i, 'x' FROM generate_series(401, 420) AS i;
SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync('staged', 'items', deletes => 'delete');
SELECT * FROM plans('staged', 'items');
SELECT count(DISTINCT number) FROM items;
-- all or nothing
ALTER TABLE items ADD CHECK (qty < 1000);
UPDATE staged SET qty = 7;
INSERT INTO staged VALUES (999, 'r3', 1, 1000);
DO $$ BEGIN
	PERFORM deltaetl_sync('staged', 'items', deletes => 'delete');
EXCEPTION WHEN OTHERS THEN RAISE WARNING '%', left(SQLERRM, 20);
END $$;
SELECT count(*) FROM items WHERE qty = 7;
-- the log of runs
SELECT status, inserted, updated, deleted, sqlstate FROM deltaetl_run_log WHERE target = 'deltaetl_citus.items' AND status <> 'dry run' ORDER BY run_id DESC LIMIT 2;
