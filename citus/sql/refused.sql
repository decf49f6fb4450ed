-- what cannot be done is said before a row is read
SET search_path = deltaetl_citus, public;
SET client_min_messages = warning;
SET citus.shard_count = 4;
CREATE TABLE orders (id int, customer int, v text, PRIMARY KEY (id, customer));
CREATE TABLE new_orders (LIKE orders INCLUDING ALL);
SELECT create_distributed_table('orders', 'customer');
SELECT create_distributed_table('new_orders', 'id');
SELECT deltaetl_sync('new_orders', 'orders');
SELECT undistribute_table('deltaetl_citus.new_orders');
SELECT create_distributed_table('deltaetl_citus.new_orders', 'customer', colocate_with => 'deltaetl_citus.orders');
INSERT INTO new_orders VALUES (1, 1, 'a'), (2, 2, 'b');
SELECT inserted FROM deltaetl_sync('new_orders', 'orders');
SELECT deltaetl_sync('new_orders', 'orders', key_columns => '{id}');
SELECT deltaetl_sync('new_orders', 'orders', log_changes => 'rows');
SELECT deltaetl_sync('new_orders', 'orders', lock_mode => 'row');
ALTER TABLE new_orders ALTER v TYPE char(4);
ALTER TABLE orders ALTER v TYPE char(3);
SELECT deltaetl_sync('new_orders', 'orders');
