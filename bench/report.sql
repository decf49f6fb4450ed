\pset title
SELECT current_setting('server_version') AS server, :rows AS rows, :rounds AS rounds,
	current_setting('shared_buffers') AS shared_buffers,
	current_setting('max_parallel_workers_per_gather') AS workers_per_gather;

CREATE VIEW medians AS
SELECT name, percentile_cont(0.5) WITHIN GROUP (ORDER BY ms) AS ms FROM timing GROUP BY name;

\pset title 'One pass over the table in one process'
SELECT name, round(m.ms::numeric) AS "ms (median)",
	round((m.ms / (SELECT ms FROM medians WHERE name = 'md5(row::text)'))::numeric, 2) AS "to md5(row::text)",
	round((m.ms / (SELECT ms FROM medians WHERE name = 'count every column'))::numeric, 2) AS "to counting columns"
FROM medians AS m
WHERE name IN ('count every column', 'deltaetl_encode', 'deltaetl_row_hash', 'md5(row::text)', 'sha256(row::text::bytea)')
ORDER BY ms;

\pset title 'Bringing the target to the source, 1 % changed, work_mem 64 MB'
SELECT name, round(m.ms::numeric) AS "ms (median)",
	round((m.ms / (SELECT ms FROM medians WHERE name = 'MERGE, IS DISTINCT FROM'))::numeric, 2) AS "to MERGE"
FROM medians AS m
WHERE name IN ('deltaetl_sync', 'deltaetl_sync, source with key', 'deltaetl_sync, source with key, deletes', 'MERGE, IS DISTINCT FROM',
	'ON CONFLICT DO UPDATE WHERE', 'TRUNCATE and INSERT')
ORDER BY ms;
