-- Detection runs in parallel, and finds the same.
CREATE TABLE products (id int, name text, qty numeric, PRIMARY KEY (id));
CREATE TABLE staging (LIKE products);
INSERT INTO products SELECT i, 'product ' || i, i / 7.0 FROM generate_series(1, 30000) AS i;
INSERT INTO staging SELECT id, name, CASE WHEN id % 100 = 0 THEN qty + 1 ELSE qty END
FROM products WHERE id % 1000 <> 1;
INSERT INTO staging SELECT i, 'new', 0 FROM generate_series(30001, 30010) AS i;
ANALYZE products, staging;
CREATE TABLE answer AS SELECT * FROM deltaetl_diff('staging', 'products');

-- the planner thinks workers worth their price without being pushed far
SET parallel_setup_cost = 100;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
CREATE FUNCTION plan_of(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
		IF line ~ 'Gather|Parallel' THEN
			RETURN NEXT substring(line, '[A-Z][a-zA-Z ]*');
		END IF;
	END LOOP;
END $$;
SELECT plan_of('SELECT id FROM products WHERE deltaetl_differs(''\x'', deltaetl_row_hash(id, name, qty))');


SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync('staging', 'products', dry_run => true);
SELECT count(*) FROM (TABLE answer EXCEPT ALL SELECT * FROM deltaetl_diff('staging', 'products')) AS d;
SELECT inserted, updated, deleted, unchanged
FROM deltaetl_sync('staging', 'products', deletes => 'delete');
SELECT count(*) FROM (TABLE products EXCEPT ALL TABLE staging) AS d;
SELECT count(*) FROM (TABLE staging EXCEPT ALL TABLE products) AS d;

-- workers, however cheap, cannot read for a process that writes
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
CREATE TABLE fresh (LIKE products INCLUDING ALL);
CREATE TABLE fresher (LIKE products INCLUDING ALL);
SELECT inserted FROM deltaetl_sync('staging', 'fresh');
SELECT inserted FROM deltaetl_sync('staging', 'fresher');
SELECT count(*) FROM (TABLE fresher EXCEPT ALL TABLE staging) AS d;

DROP TABLE products, staging, answer, fresh, fresher;
DROP FUNCTION plan_of;
