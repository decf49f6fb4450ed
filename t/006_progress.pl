# Copyright (c) 2026, deltaetl maintainers

# How far runs are, as seen from another connection: in each phase, with
# workers, until the run ends, however it does; who sees it; and notices.
#
# Runs are held where they are looked at: whoever calls pass_gate() waits for
# as long as the test has the lock of that number.

use strict;
use warnings FATAL => 'all';

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf(
	'postgresql.conf', qq(
shared_preload_libraries = 'deltaetl'
restart_after_crash = on
max_parallel_workers_per_gather = 0
min_parallel_table_scan_size = 0
parallel_setup_cost = 0
parallel_tuple_cost = 0
autovacuum = off

# so that rows are written in the order in which they lie
enable_hashjoin = off
));
$node->start;
my $on_demand = $node->pg_version >= 17;

$node->safe_psql(
	'postgres', q(
CREATE EXTENSION deltaetl CASCADE;
CREATE FUNCTION pass_gate(number int) RETURNS boolean LANGUAGE plpgsql PARALLEL SAFE COST 10000 AS $$
BEGIN
	PERFORM pg_advisory_lock_shared(number);
	PERFORM pg_advisory_unlock_shared(number);
	RETURN true;
END $$;

-- gate 1: when a row is updated or inserted by a statement
CREATE TABLE products (id int PRIMARY KEY, name text);
CREATE TABLE staging (LIKE products);
INSERT INTO staging SELECT i, 'product ' || i FROM generate_series(1, 1000) AS i;
INSERT INTO products SELECT i, 'old' FROM generate_series(1, 100) AS i;
CREATE FUNCTION hold_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF new.id IN (40, 700) THEN
		PERFORM pass_gate(1);
	END IF;
	RETURN new;
END $$;
CREATE TRIGGER hold_row BEFORE INSERT OR UPDATE ON products FOR EACH ROW EXECUTE FUNCTION hold_row();

-- gate 2: when a row is written without a statement
CREATE TABLE items (id int PRIMARY KEY, v int CHECK (v NOT IN (4500, 5500) OR pass_gate(2)));
CREATE TABLE new_items (LIKE items);
INSERT INTO new_items SELECT i, i FROM generate_series(1, 10000) AS i;
INSERT INTO items SELECT i, i + 1 FROM generate_series(1, 5000) AS i;

-- gate 3: when the source is read
CREATE TYPE amount AS (value int);
CREATE FUNCTION read_amount(amount) RETURNS int LANGUAGE plpgsql PARALLEL SAFE COST 10000 AS $$
BEGIN
	IF $1.value > 5000 THEN
		PERFORM pass_gate(3);
	END IF;
	RETURN $1.value;
END $$;
CREATE CAST (amount AS int) WITH FUNCTION read_amount(amount) AS ASSIGNMENT;
CREATE TABLE sales (id int PRIMARY KEY, amount int);
CREATE TABLE new_sales (id int PRIMARY KEY, amount amount);
INSERT INTO new_sales SELECT i, ROW(i)::amount FROM generate_series(1, 20000) AS i;
INSERT INTO sales SELECT i, i FROM generate_series(1, 10000) AS i;
VACUUM ANALYZE;
));

# ---------- tools ----------

my $locker = start_locker();

sub start_locker
{
	my $background = $node->background_psql('postgres');
	$background->set_query_timer_restart;
	return $background;
}
sub close_gate { $locker->query_safe("SELECT pg_advisory_lock($_[0])"); }
sub open_gate  { $locker->query_safe("SELECT pg_advisory_unlock($_[0])"); }

# A session that runs something; wait for its end with end_session().
sub start_session
{
	my ($sql) = @_;
	my %session = (out => '', err => '');

	$session{run} = IPC::Run::start(
		[ 'psql', '-X', '-A', '-t', '-q', '-d', $node->connstr('postgres'), '-c', $sql ],
		'<', \undef, '>', \$session{out}, '2>', \$session{err});
	return \%session;
}

sub end_session
{
	my ($session) = @_;
	$session->{run}->finish;
	return $session;
}

my $columns = 'run_id IS NOT NULL, source, target, phase, rows_done, rows_expected, percent, workers';

# Wait until the view shows this, and nothing else.
sub shows
{
	my ($expected, $name) = @_;
	ok($node->poll_query_until('postgres', "SELECT $columns FROM deltaetl_progress", $expected), $name);
}

sub progress
{
	my ($what) = @_;
	return $node->safe_psql('postgres', "SELECT $what FROM deltaetl_progress");
}

sub is_gone
{
	is(progress('count(*)'), '0', $_[0]);
}

my $sync = "SELECT run_id, inserted, updated FROM deltaetl_sync('staging', 'products')";

# ---------- phases ----------

# It waits for the lock of the table.
$locker->query_safe('BEGIN');
$locker->query_safe('LOCK TABLE products IN ROW EXCLUSIVE MODE');
close_gate(1);
my $session = start_session($sync);
shows('f|staging|products|lock||||0', 'phase lock');
is(progress('pid IN (SELECT pid FROM pg_stat_activity) AND started_at <= clock_timestamp()'
		  . " AND elapsed >= '0' AND elapsed < '1 hour' AND extract(microseconds FROM elapsed)::int % 1000000 = 0"),
	't', 'process and times');
$locker->query_safe('COMMIT');

# Rows that statements write: updated, then inserted.
shows('t|staging|products|apply|40|1000|4.0|0', 'phase apply, update');
my $run_id = progress('run_id');
open_gate(1);
end_session($session);
is($session->{out}, "$run_id|900|100\n", 'the run that was shown');
is($session->{err}, '', 'no notices');
is_gone('gone after success');

$node->safe_psql('postgres', 'DELETE FROM products WHERE id > 500');
close_gate(1);
$session = start_session($sync);
shows('t|staging|products|apply|200|500|40.0|0', 'phase apply, insert');
open_gate(1);
end_session($session);

# Rows that are written without a statement, in batches.
close_gate(2);
$session = start_session("SELECT inserted, updated FROM deltaetl_sync('new_items', 'items')");
shows('t|new_items|items|apply|4499|10000|45.0|0', 'phase apply, direct update');
close_gate(3);
open_gate(2);
end_session($session);
is($session->{out}, "5000|5000\n", 'all are written');
$node->safe_psql('postgres', 'DELETE FROM items WHERE id > 2500');
close_gate(2);
$session = start_session("SELECT inserted, updated FROM deltaetl_sync('new_items', 'items')");
shows('t|new_items|items|apply|1999|7500|26.7|0', 'phase apply, direct insert');
open_gate(2);
end_session($session);

# The source is read, by several processes.
$session = start_session(
	q(SET max_parallel_workers_per_gather = 2; SELECT inserted, updated FROM deltaetl_sync('new_sales', 'sales')));
ok( $node->poll_query_until('postgres',
		q(SELECT phase = 'detect' AND workers = 2 AND rows_done BETWEEN 1000 AND 5000 AND rows_expected = 30000
			AND percent = round(rows_done / 300.0, 1) FROM deltaetl_progress)),
	'phase detect, with workers');
my $before = progress('rows_done');
open_gate(3);
end_session($session);
is($session->{out}, "10000|0\n", 'all are found');
cmp_ok($before, '<', 20000, 'they were not all read before');

# By workers alone, of a diff, which is no run that has a number.
$node->safe_psql('postgres', 'VACUUM ANALYZE sales');
close_gate(3);
$session = start_session(
	q(SET max_parallel_workers_per_gather = 2; SET parallel_leader_participation = off;
	SELECT count(*) FROM deltaetl_diff('new_sales', 'sales')));
ok( $node->poll_query_until('postgres',
		q(SELECT run_id IS NULL AND phase = 'detect' AND workers = 2 AND rows_done BETWEEN 2954 AND 5000
			AND rows_expected = 40000 FROM deltaetl_progress)),
	'phase detect, by workers alone');
open_gate(3);
end_session($session);

# All has been read; diff reads rows once more that it shows.
$node->safe_psql('postgres', q(
	DELETE FROM sales WHERE id > 15000;
	DELETE FROM sales WHERE id < 6;
	ALTER TABLE new_sales ADD COLUMN extra int;
	CREATE SEQUENCE reads;
	CREATE OR REPLACE FUNCTION read_amount(amount) RETURNS int LANGUAGE plpgsql PARALLEL SAFE COST 10000 AS $$
	BEGIN
		IF $1.value = 3 AND nextval('reads') = 2 THEN
			PERFORM pass_gate(3);
		END IF;
		RETURN $1.value;
	END $$;));
close_gate(3);
$session = start_session(q(SELECT count(*) FROM deltaetl_diff('new_sales', 'sales')));
shows('f|new_sales|sales|detect|34995|34995|100.0|0', 'all rows are read');
open_gate(3);
is(end_session($session)->{out}, "5005\n", 'and no more are found');

# With a scope nobody knows how many rows are in it, until they have been read.
$node->safe_psql('postgres', q(ALTER SEQUENCE reads RESTART 2));
close_gate(3);
$session = start_session(q(SELECT count(*) FROM deltaetl_diff('new_sales', 'sales', scope => 'id < 10001')));
shows('f|new_sales|sales|detect|0|||0', 'within a scope');
open_gate(3);
end_session($session);
$node->safe_psql('postgres', q(ALTER SEQUENCE reads RESTART 1));
close_gate(3);
$session = start_session(q(SELECT count(*) FROM deltaetl_diff('new_sales', 'sales', scope => 'id < 10001')));
shows('f|new_sales|sales|detect|19995|19995|100.0|0', 'all rows in scope are read');
open_gate(3);
end_session($session);

# What a join reads is not counted.
$node->safe_psql('postgres', q(ALTER SEQUENCE reads RESTART 2; VACUUM ANALYZE sales));
close_gate(3);
$session = start_session(
	q(SET deltaetl.detection = 'join'; SELECT count(*) FROM deltaetl_diff('new_sales', 'sales')));
shows('f|new_sales|sales|detect||34995||0', 'detection by a join');
open_gate(3);
is(end_session($session)->{out}, "5005\n", 'finds the same');
is_gone('gone after diffs');

# ---------- ends ----------

# Every row is to be updated, in the order of the keys.
sub reset_products
{
	$node->safe_psql('postgres', q(
		TRUNCATE products;
		INSERT INTO products SELECT id, 'old' FROM staging ORDER BY id;));
}

# Start a run that is held in the middle; returns its session and process.
sub start_held_run
{
	my ($sql) = @_;
	reset_products();
	close_gate(1);
	my $held = start_session($sql // $sync);
	shows('t|staging|products|apply|40|1000|4.0|0', 'a run is held');
	return ($held, progress('pid'));
}

# One that is given up in a transaction that goes on.
($session, my $pid) = start_held_run(q(
DO $$
BEGIN
	PERFORM deltaetl_sync('staging', 'products');
EXCEPTION WHEN query_canceled THEN
	PERFORM pass_gate(4);
END $$));
close_gate(4);
$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
ok( $node->poll_query_until('postgres',
		"SELECT EXISTS (SELECT FROM pg_locks WHERE pid = $pid AND NOT granted AND objid = 4)"),
	'an error is caught');
is_gone('gone while the transaction goes on');
open_gate(4);
open_gate(1);
end_session($session);

# One that is canceled, in a transaction that has not been ended.
($session, $pid) = start_held_run();
$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
like(end_session($session)->{err}, qr/canceling statement due to user request/, 'canceled');
is_gone('gone after being canceled');
open_gate(1);

# One whose session goes, and whose process is killed.
($session, $pid) = start_held_run();
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
like(end_session($session)->{err}, qr/terminating connection due to administrator command/, 'terminated');
is_gone('gone after being terminated');
open_gate(1);

# One that fails.
reset_products();
$node->safe_psql('postgres', 'ALTER TABLE products ADD CONSTRAINT no_700 CHECK (id <> 700) NOT VALID');
my ($status, $out, $error) = $node->psql('postgres', $sync);
like($error, qr/violates check constraint "no_700"/, 'failed');
is_gone('gone after an error');
$node->safe_psql('postgres', 'ALTER TABLE products DROP CONSTRAINT no_700');

# One that takes back what another has done has no source.
reset_products();
$run_id = $node->safe_psql('postgres',
	q(SELECT run_id FROM deltaetl_sync('staging', 'products', log_changes => 'rows')));
close_gate(1);
$session = start_session("SELECT updated FROM deltaetl_revert($run_id)");
ok( $node->poll_query_until('postgres',
		"SELECT run_id > $run_id AND source IS NULL AND target = 'products'::regclass AND phase = 'apply'"
		  . ' AND rows_done BETWEEN 1 AND 999 AND rows_expected = 1000 FROM deltaetl_progress'),
	'phase apply, of a revert');
open_gate(1);
is(end_session($session)->{out}, "1000\n", 'which takes back all');
is_gone('gone after a revert');

# ---------- who sees it ----------

$node->safe_psql('postgres', q(
	CREATE ROLE stranger;
	CREATE ROLE reader;
	CREATE ROLE monitor;
	CREATE ROLE runner;
	CREATE ROLE friend;
	GRANT SELECT (id) ON products TO reader;
	GRANT SELECT ON staging TO stranger;
	GRANT pg_read_all_stats TO monitor;
	GRANT runner TO friend;
	CREATE DATABASE other;));
$node->safe_psql('other', 'CREATE EXTENSION deltaetl CASCADE');
$node->safe_psql('postgres', q(GRANT SELECT, INSERT, UPDATE ON products TO runner; GRANT SELECT ON staging TO runner));
($session) = start_held_run("SET ROLE runner; $sync");
$node->safe_psql('postgres', q(REVOKE SELECT, INSERT, UPDATE ON products FROM runner));
my %sees = (stranger => 0, reader => 1, monitor => 1, runner => 1, friend => 1, postgres => 1);
foreach my $role (sort keys %sees)
{
	is($node->safe_psql('postgres', "SET ROLE $role; SELECT count(*) FROM deltaetl_progress"),
		$sees{$role}, "$role sees $sees{$role}");
}
is($node->safe_psql('other', 'SELECT count(*) FROM deltaetl_progress'), '0', 'nothing of another database');
open_gate(1);
end_session($session);

# A target that others cannot look up yet.
close_gate(2);
$session = start_session(q(BEGIN; CREATE TABLE fresh (LIKE items INCLUDING ALL);
	SELECT inserted FROM deltaetl_sync('new_items', 'fresh')));
ok( $node->poll_query_until('postgres',
		q(SELECT source::text = 'new_items' AND target::text ~ '^[0-9]+$' AND phase = 'apply' FROM deltaetl_progress)),
	'a target of a transaction that goes on');
is($node->safe_psql('postgres', 'SET ROLE stranger; SELECT count(*) FROM deltaetl_progress'),
	'0', 'is not for strangers');
open_gate(2);
end_session($session);

# ---------- runs during a run ----------

$node->safe_psql('postgres', q(
	CREATE TABLE colors (id int PRIMARY KEY, name text NOT NULL);
	CREATE TABLE new_colors AS SELECT i AS id, 'red' AS name FROM generate_series(1, 3000) AS i;
	CREATE TABLE bad_colors AS SELECT 1 AS id, NULL AS name;
	CREATE TABLE seen AS SELECT 0 AS id, target, run_id, phase, rows_done FROM deltaetl_progress;
	CREATE FUNCTION sync_colors() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM deltaetl_sync('new_colors', 'colors');
		INSERT INTO seen SELECT new.id, target, run_id, phase, rows_done FROM deltaetl_progress;
		BEGIN
			PERFORM deltaetl_sync('bad_colors', 'colors');
		EXCEPTION WHEN not_null_violation THEN
			INSERT INTO seen SELECT new.id, target, run_id, phase, rows_done FROM deltaetl_progress;
		END;
		RETURN new;
	END $$;
	CREATE TRIGGER sync_colors BEFORE UPDATE ON products
		FOR EACH ROW WHEN (new.id IN (5, 6)) EXECUTE FUNCTION sync_colors();
));
reset_products();
$run_id = $node->safe_psql('postgres', q(SELECT run_id FROM deltaetl_sync('staging', 'products')));
is( $node->safe_psql('postgres', 'SELECT id, target, run_id, phase, rows_done FROM seen ORDER BY id'),
	join("\n", map { "$_|products|$run_id|apply|$_" } 5, 5, 6, 6),
	'the outer run is shown');
is($node->safe_psql('postgres', 'SELECT count(*) FROM colors'), '3000', 'the inner one has done its work');
is_gone('gone after both');

# ---------- notices ----------

$node->safe_psql('postgres', q(
	DROP TRIGGER sync_colors ON products;
	CREATE FUNCTION be_slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(2.1); RETURN new; END';
	CREATE TRIGGER be_slow BEFORE UPDATE ON products FOR EACH ROW WHEN (new.id = 499) EXECUTE FUNCTION be_slow();));

sub notices_of_slow_run
{
	my ($sql) = @_;
	reset_products();
	return end_session(start_session("$sql; SELECT updated FROM deltaetl_sync('staging', 'products')"));
}
$session = notices_of_slow_run('SET deltaetl.progress_notices = on');
like($session->{err}, qr/^NOTICE:  products: apply, 500 of 1000 rows \(50 %\)$/m, 'a notice');
is($session->{out}, "1000\n", 'and the result');
is(notices_of_slow_run('SET deltaetl.progress_notices = off')->{err}, '', 'none unless asked for');

$node->safe_psql('postgres', q(
	CREATE OR REPLACE FUNCTION read_amount(amount) RETURNS int LANGUAGE plpgsql PARALLEL SAFE COST 10000 AS $$
	BEGIN
		IF $1.value = 1 THEN
			PERFORM pg_sleep(2.1);
		END IF;
		RETURN $1.value;
	END $$;));
$session = end_session(start_session(
	q(SET deltaetl.progress_notices = on; SELECT count(*) FROM deltaetl_diff('new_sales', 'sales'))));
like($session->{err}, qr/^NOTICE:  sales: detect, 1024 of about 34995 rows \(2 %\)$/m, 'a notice of detection');

# ---------- crash ----------

# The server starts anew, with memory that is shared anew.
($session, $pid) = start_held_run();
kill 'KILL', $pid;
end_session($session);
$locker->quit;
ok($node->poll_query_until('postgres', 'SELECT true'), 'the server is back');
is_gone('gone after a crash');
$locker = start_locker();
start_held_run();
open_gate(1);
ok($node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM deltaetl_progress'), 'and others are shown');

# ---------- without being loaded by the server ----------

$locker->quit;
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$node->restart;
($status, $out, $error) = $node->psql('postgres', 'SELECT count(*) FROM deltaetl_progress');
is($out, '0', 'no run');
if ($on_demand)
{
	is($error, '', 'nothing to say');
}
else
{
	like($error, qr/NOTICE:  progress is not shown on this server/, 'a notice');
	like($error, qr/HINT:  Add deltaetl to shared_preload_libraries and restart the server/, 'and a hint');
}
$session = notices_of_slow_run('SET deltaetl.progress_notices = on');
like($session->{err}, qr/^NOTICE:  products: apply, 500 of 1000 rows \(50 %\)$/m, 'notices of a run');
is($session->{out}, "1000\n", 'which works');
is( $node->safe_psql('postgres',
		'SELECT count(*) FROM ((TABLE products EXCEPT ALL TABLE staging) UNION ALL (TABLE staging EXCEPT ALL TABLE products)) AS d'),
	'0',
	'in full');

$node->stop;
done_testing();
