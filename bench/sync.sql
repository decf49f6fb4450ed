-- The same 1 % of changes, each way, each rolled back.
SET work_mem = '64MB';

BEGIN;
SELECT clock_timestamp() AS start \gset
SELECT deltaetl_sync('source', 'target');
SELECT extract(epoch FROM clock_timestamp() - :'start') * 1000 AS ms \gset
ROLLBACK;
INSERT INTO timing VALUES ('deltaetl_sync', :ms);
VACUUM target;

BEGIN;
SELECT clock_timestamp() AS start \gset
SELECT deltaetl_sync('source_with_key', 'target');
SELECT extract(epoch FROM clock_timestamp() - :'start') * 1000 AS ms \gset
ROLLBACK;
INSERT INTO timing VALUES ('deltaetl_sync, source with key', :ms);
VACUUM target;

BEGIN;
SELECT clock_timestamp() AS start \gset
SELECT deltaetl_sync('source_with_key', 'target', deletes => 'delete');
SELECT extract(epoch FROM clock_timestamp() - :'start') * 1000 AS ms \gset
ROLLBACK;
INSERT INTO timing VALUES ('deltaetl_sync, source with key, deletes', :ms);
VACUUM target;

BEGIN;
SELECT clock_timestamp() AS start \gset
MERGE INTO target AS t USING source AS s ON t.id = s.id
WHEN MATCHED AND (t.sku, t.name, t.description, t.price, t.quantity, t.updated_at, t.active, t.weight)
	IS DISTINCT FROM (s.sku, s.name, s.description, s.price, s.quantity, s.updated_at, s.active, s.weight) THEN
	UPDATE SET sku = s.sku, name = s.name, description = s.description, price = s.price,
		quantity = s.quantity, updated_at = s.updated_at, active = s.active, weight = s.weight
WHEN NOT MATCHED THEN
	INSERT VALUES (s.id, s.sku, s.name, s.description, s.price, s.quantity, s.updated_at, s.active, s.weight);
SELECT extract(epoch FROM clock_timestamp() - :'start') * 1000 AS ms \gset
ROLLBACK;
INSERT INTO timing VALUES ('MERGE, IS DISTINCT FROM', :ms);
VACUUM target;

BEGIN;
SELECT clock_timestamp() AS start \gset
INSERT INTO target AS t SELECT * FROM source
ON CONFLICT (id) DO UPDATE SET sku = excluded.sku, name = excluded.name,
	description = excluded.description, price = excluded.price, quantity = excluded.quantity,
	updated_at = excluded.updated_at, active = excluded.active, weight = excluded.weight
WHERE (t.sku, t.name, t.description, t.price, t.quantity, t.updated_at, t.active, t.weight)
	IS DISTINCT FROM (excluded.sku, excluded.name, excluded.description, excluded.price,
	excluded.quantity, excluded.updated_at, excluded.active, excluded.weight);
SELECT extract(epoch FROM clock_timestamp() - :'start') * 1000 AS ms \gset
ROLLBACK;
INSERT INTO timing VALUES ('ON CONFLICT DO UPDATE WHERE', :ms);
VACUUM target;

BEGIN;
SELECT clock_timestamp() AS start \gset
TRUNCATE target;
INSERT INTO target SELECT * FROM source;
SELECT extract(epoch FROM clock_timestamp() - :'start') * 1000 AS ms \gset
ROLLBACK;
INSERT INTO timing VALUES ('TRUNCATE and INSERT', :ms);
