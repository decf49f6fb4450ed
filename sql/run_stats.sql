-- Totals of the runs on a target, and pruning the log, which does not change them.
CREATE TABLE products (id int PRIMARY KEY, name text);
CREATE TABLE "Other products" (LIKE products INCLUDING ALL);
CREATE TABLE staging (LIKE products);
SELECT deltaetl_prune_log('0') >= 0 AS pruned;
DELETE FROM deltaetl_total_entry;

INSERT INTO staging SELECT i, 'p' || i FROM generate_series(1, 10) AS i;
SELECT run_id AS first FROM deltaetl_sync('staging', 'products') \gset
SELECT inserted FROM deltaetl_sync('staging', '"Other products"');
UPDATE staging SET name = 'new' WHERE id <= 3;
DELETE FROM staging WHERE id = 10;
SELECT updated FROM deltaetl_sync('staging', 'products', dry_run => true);
SELECT updated, deleted FROM deltaetl_sync('staging', 'products', deletes => 'delete');
SELECT unchanged FROM deltaetl_sync('staging', 'products', deletes => 'delete');

SELECT target, runs, failures, skipped, inserted, updated, deleted, unchanged, last_status
FROM deltaetl_stats WHERE target LIKE 'public.%roducts%' ORDER BY target COLLATE "C";
CREATE TABLE before_pruning AS SELECT * FROM deltaetl_stats;
-- the oracle: the same from the log itself
SELECT count(*) FROM (
	SELECT target, count(*), round(extract(epoch FROM sum(elapsed)), 3),
		round(extract(epoch FROM avg(elapsed)), 3), date_trunc('second', max(started_at))
	FROM deltaetl_run_log WHERE status <> 'dry run' GROUP BY target
	EXCEPT ALL
	SELECT target, runs, total_seconds, mean_seconds, last_run FROM deltaetl_stats) AS d;

-- what has ended a while ago goes, with its changes
UPDATE deltaetl_run_entry SET started_at = started_at - interval '1 week', finished_at = finished_at - interval '1 week'
WHERE run_id <= :first + 1;
INSERT INTO deltaetl_change_entry (run_id, position, action, key) VALUES (:first, 1, 'insert', '{}'),
	(:first, 2, 'insert', '{}'), (:first + 4, 1, 'insert', '{}');
SELECT deltaetl_prune_log('8 days') AS none;
SELECT deltaetl_prune_log('6 days') AS two;
SELECT run_id - :first AS run FROM deltaetl_run_log WHERE run_id >= :first ORDER BY run_id;
SELECT run_id - :first AS run, count(*) FROM deltaetl_change_entry WHERE run_id >= :first GROUP BY run_id;
SELECT deltaetl_prune_log('0') AS rest;
SELECT count(*) FROM deltaetl_run_log;
SELECT unchanged FROM deltaetl_sync('staging', 'products');
SELECT target, runs, failures, skipped, inserted, updated, deleted, unchanged, last_status
FROM deltaetl_stats WHERE target LIKE 'public.%roducts%' ORDER BY target COLLATE "C";
SELECT s.target, s.total_seconds >= b.total_seconds AS grown
FROM deltaetl_stats AS s JOIN before_pruning AS b USING (target)
WHERE target LIKE 'public.%roducts%' ORDER BY target COLLATE "C";
SELECT deltaetl_prune_log('0') AS one;
SELECT runs, unchanged FROM deltaetl_stats WHERE target = 'public.products';

-- bad values
SELECT deltaetl_prune_log(NULL);
SELECT deltaetl_prune_log('-1 day');
DROP TABLE products, "Other products", staging, before_pruning;
