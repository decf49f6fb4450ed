-- One process, one pass over the table.
SET max_parallel_workers_per_gather = 0;
SET jit = off;

SELECT clock_timestamp() AS start \gset
SELECT count(id), count(sku), count(name), count(description), count(price),
	count(quantity), count(updated_at), count(active), count(weight) FROM target;
INSERT INTO timing SELECT 'count every column', extract(epoch FROM clock_timestamp() - :'start') * 1000;

SELECT clock_timestamp() AS start \gset
SELECT count(deltaetl_encode(id, sku, name, description, price, quantity, updated_at, active, weight)) FROM target;
INSERT INTO timing SELECT 'deltaetl_encode', extract(epoch FROM clock_timestamp() - :'start') * 1000;

SELECT clock_timestamp() AS start \gset
SELECT count(deltaetl_row_hash(id, sku, name, description, price, quantity, updated_at, active, weight)) FROM target;
INSERT INTO timing SELECT 'deltaetl_row_hash', extract(epoch FROM clock_timestamp() - :'start') * 1000;

SELECT clock_timestamp() AS start \gset
SELECT count(md5(target::text)) FROM target;
INSERT INTO timing SELECT 'md5(row::text)', extract(epoch FROM clock_timestamp() - :'start') * 1000;

SELECT clock_timestamp() AS start \gset
SELECT count(sha256(target::text::bytea)) FROM target;
INSERT INTO timing SELECT 'sha256(row::text::bytea)', extract(epoch FROM clock_timestamp() - :'start') * 1000;
