-- Each version that was released works with today's library, under the
-- definitions that it came with, and can be updated.  That an updated extension
-- is the same as a new one is seen to by t/020_upgrade.pl.
SET client_min_messages = warning;
CREATE TABLE products (id int PRIMARY KEY, name text);
CREATE TABLE staging (id, name) AS VALUES (1, 'Laptop'), (2, 'Phone');

-- none has been left without a way to the newest
SELECT v.version FROM pg_available_extension_versions v
JOIN pg_available_extensions e USING (name)
LEFT JOIN pg_extension_update_paths('deltaetl') p ON source = v.version AND target = default_version
WHERE v.name = 'deltaetl' AND v.version <> default_version AND path IS NULL;

-- 1.0, the first
DROP EXTENSION deltaetl;
CREATE EXTENSION deltaetl VERSION '1.0';
SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync('staging', 'products');
SELECT deltaetl_create_job('nightly', 'staging', 'products', '{"deletes": "delete"}');
DELETE FROM staging WHERE id = 1;
SELECT action, key, old_row FROM deltaetl_diff('staging', 'products');
CALL deltaetl_run_job('nightly');
SELECT job, deleted, unchanged FROM deltaetl_run_log ORDER BY run_id;
ALTER EXTENSION deltaetl UPDATE;
CALL deltaetl_run_job('nightly');
SELECT job, deleted, unchanged FROM deltaetl_run_log ORDER BY run_id;

-- and the newest again
DROP EXTENSION deltaetl;
CREATE EXTENSION deltaetl;
DROP TABLE products, staging;
