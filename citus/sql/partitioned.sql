-- distributed tables that are partitioned
SET search_path = deltaetl_citus, public;
SET client_min_messages = warning;
SET citus.shard_count = 4;
CREATE TABLE events (tenant int, at date, id int, v text, PRIMARY KEY (tenant, at, id)) PARTITION BY RANGE (at);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM ('2024-02-01') TO ('2024-03-01');
CREATE TABLE loaded (LIKE events INCLUDING ALL) PARTITION BY RANGE (at);
CREATE TABLE loaded_1 PARTITION OF loaded FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
CREATE TABLE loaded_2 PARTITION OF loaded DEFAULT;
CREATE TABLE plain (LIKE events INCLUDING ALL);
SELECT create_distributed_table('events', 'tenant'), create_distributed_table('loaded', 'tenant', colocate_with => 'events'),
	create_distributed_table('plain', 'tenant', colocate_with => 'events');
INSERT INTO events SELECT i % 20, DATE '2024-01-01' + i % 60, i, 'v' FROM generate_series(1, 600) AS i;
INSERT INTO loaded SELECT i % 20, DATE '2024-01-01' + i % 60, i, CASE WHEN i % 10 = 0 THEN 'new' ELSE 'v' END FROM generate_series(31, 700) AS i;
SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync('loaded', 'events', deletes => 'delete', scope => 'at < ''2024-01-15''');
SELECT * FROM sync('loaded', 'events', 'tenant,at,id');
SELECT * FROM plans('loaded', 'events');
SELECT * FROM sync('loaded', 'plain', 'tenant,at,id');
UPDATE plain SET v = 'other' WHERE tenant = 3;
SELECT * FROM sync('plain', 'events', 'tenant,at,id');
-- a partition is a table, too
UPDATE loaded SET v = 'newer' WHERE tenant = 4;
SELECT * FROM sync('loaded_1', 'events_1', 'tenant,at,id');
SELECT count(*) FROM events WHERE v = 'newer';
-- rows that no partition takes
INSERT INTO loaded VALUES (1, '2025-01-01', 1, 'v');
DO $$ BEGIN
	PERFORM deltaetl_sync('loaded', 'events');
EXCEPTION WHEN OTHERS THEN RAISE WARNING '%', left(SQLERRM, 21);
END $$;
DELETE FROM loaded WHERE at = '2025-01-01';
-- and a column less
ALTER TABLE events DROP COLUMN v, ADD v text;
SELECT * FROM sync('loaded', 'events', 'tenant,at,id');
