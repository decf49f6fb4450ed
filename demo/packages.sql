-- The second part of "make demo": this machine's own package index, from
-- base.tsv, current.tsv and about, which tools/packages-tsv has written.

\set QUIET on
SET client_min_messages = warning;

\echo
\echo '2. Real data: the package index of this machine'
\echo
\echo 'What apt knows of here: a suite as it was released, and laid over it those that'
\echo 'came after with security and other updates.  The later version of a package counts.'
\echo
\! sed 's/^/    /' about
\echo

\set ECHO queries
CREATE TABLE packages (
	package text, architecture text, version text NOT NULL,
	section text, priority text, installed_size bigint, size bigint,
	maintainer text, depends text, description text, homepage text,
	PRIMARY KEY (package, architecture));
CREATE TABLE incoming (LIKE packages);
\set ECHO none

\echo
\echo 'The base suite is loaded, and synced into the empty target:'
\echo

\echo '\\copy incoming FROM base.tsv'
\copy incoming FROM base.tsv
ANALYZE incoming;
\set ECHO queries
SELECT * FROM deltaetl_sync('incoming', 'packages');
\set ECHO none
VACUUM ANALYZE packages;

\echo 'Now the same with the updates laid over it, again all of it:'
\echo

\set ECHO queries
TRUNCATE incoming;
\set ECHO none
\echo '\\copy incoming FROM current.tsv'
\copy incoming FROM current.tsv
ANALYZE incoming;

\echo
\echo 'First the difference, which changes nothing:'
\echo

\timing on
\set ECHO queries
CREATE TEMPORARY TABLE difference AS
	SELECT * FROM deltaetl_diff('incoming', 'packages');
\set ECHO none
\timing off
\echo
\set ECHO queries
SELECT action, count(*) FROM difference GROUP BY action ORDER BY action;
\set ECHO none

SELECT count(*) = 0 AS nothing FROM difference \gset
\if :nothing
\echo 'That is how it is on this machine: there are no updates to apply.'
\echo
\else
\echo 'Some that you may know:'
\echo

SELECT key->>'package' AS updated,
	   old_row->>'version' AS "old version",
	   new_row->>'version' AS "new version",
	   array_to_string(changed_columns, ', ') AS "changed columns"
  FROM difference
 WHERE action = 'update'
 ORDER BY key->>'package' IN ('curl', 'sudo', 'git', 'openssl', 'openssh-server', 'bash',
							  'libc6', 'nginx', 'apache2', 'python3.11', 'firefox-esr') DESC,
		  key->>'package' COLLATE "C"
 LIMIT 8;

\echo 'Those that are gone were built by an older version of their source package, as an'
\echo 'old kernel is; those that are new, by a newer one:'
\echo

SELECT action,
	   key->>'package' AS package,
	   coalesce(new_row, old_row)->>'version' AS version
  FROM (SELECT *, row_number() OVER (PARTITION BY action ORDER BY key->>'package' COLLATE "C")
		  FROM difference
		 WHERE action <> 'update') AS numbered
 WHERE row_number <= 4
 ORDER BY action, row_number;

\endif
\echo 'Now the sync:'
\echo

\set ECHO queries
SELECT * FROM deltaetl_sync('incoming', 'packages', deletes => 'delete');
\set ECHO none

\echo 'Is the target what it should be?  Compared by plain SQL, in both directions:'
\echo

\set ECHO queries
SELECT (SELECT count(*) FROM (TABLE incoming EXCEPT ALL TABLE packages) AS d) AS "missing in target",
	   (SELECT count(*) FROM (TABLE packages EXCEPT ALL TABLE incoming) AS d) AS "not in source";
\set ECHO none

\echo 'And the run that finds nothing to do, with what was written to the target by it:'
\echo

VACUUM packages;
DO 'BEGIN PERFORM pg_stat_force_next_flush(); END';
SELECT n_tup_ins + n_tup_upd + n_tup_del AS written, pg_current_wal_insert_lsn() AS before
  FROM pg_stat_user_tables WHERE relname = 'packages' \gset
\set ECHO queries
SELECT * FROM deltaetl_sync('incoming', 'packages', deletes => 'delete');
\set ECHO none
SELECT pg_current_wal_insert_lsn() AS after \gset
DO 'BEGIN PERFORM pg_stat_force_next_flush(); END';
SELECT n_tup_ins + n_tup_upd + n_tup_del - :written AS "rows written",
	   pg_wal_lsn_diff(:'after', :'before') AS "bytes of WAL"
  FROM pg_stat_user_tables WHERE relname = 'packages';

\echo 'The server that ran this is gone now, and all its files with it.  To use deltaetl'
\echo 'in a database of your own:  CREATE EXTENSION deltaetl CASCADE;'
\echo
