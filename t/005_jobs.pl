# Copyright (c) 2026, deltaetl maintainers

# Jobs that pg_cron runs, in sessions and in background workers: they succeed,
# fail, are skipped, are tried again, follow their schedules, and are gone when
# they are dropped.  And jobs that are cancelled, and that outlive a dump.

use strict;
use warnings FATAL => 'all';

use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $sharedir = `pg_config --sharedir`;
chomp $sharedir;
plan skip_all => 'pg_cron is not installed'
  unless -f "$sharedir/extension/pg_cron.control";

sub start_node
{
	my ($name, $workers) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	my $host = $node->host;

	$node->init;
	$node->append_conf(
		'postgresql.conf', qq(
shared_preload_libraries = 'pg_cron'
cron.host = '$host'
cron.use_background_workers = $workers
max_worker_processes = 20
max_prepared_transactions = 5
autovacuum = off
));
	$node->start;
	return $node;
}

sub set_up
{
	my ($node) = @_;

	$node->safe_psql(
		'postgres', q(
SET client_min_messages = warning;
CREATE EXTENSION pg_cron;
CREATE SCHEMA "My tools";
CREATE EXTENSION deltaetl SCHEMA "My tools" CASCADE;
CREATE ROLE loader LOGIN;
GRANT USAGE ON SCHEMA cron, "My tools" TO loader;
ALTER DATABASE postgres SET search_path = public, "My tools";
CREATE TABLE staging (id int, name text);
INSERT INTO staging SELECT i, 'row ' || i FROM generate_series(1, 100) AS i;
GRANT SELECT ON staging TO loader;
CREATE TABLE products (id int PRIMARY KEY, name text);
CREATE TABLE refused (LIKE products INCLUDING ALL, CHECK (id < 100));
CREATE TABLE busy (LIKE products INCLUDING ALL);
CREATE TABLE locked (LIKE products INCLUDING ALL);
ALTER TABLE products OWNER TO loader;
ALTER TABLE refused OWNER TO loader;
ALTER TABLE busy OWNER TO loader;
ALTER TABLE locked OWNER TO loader;));

	# what others are about, and go on with when their sessions have ended
	$node->safe_psql(
		'postgres', q(
BEGIN;
SELECT deltaetl_sync('staging', 'busy');
PREPARE TRANSACTION 'a run';
BEGIN;
LOCK TABLE locked IN SHARE MODE;
PREPARE TRANSACTION 'a lock';));
}

# As another role than the one that has started the server.
sub as_loader
{
	my ($node, $sql) = @_;
	return $node->safe_psql('postgres', "SET ROLE loader; $sql");
}

# A minute is the least that older versions of pg_cron wait.
sub often
{
	my ($node) = @_;
	return $node->safe_psql('postgres',
		q(SELECT CASE WHEN substring(extversion, '^[0-9.]+')::numeric >= 1.5 THEN '1 second' ELSE '* * * * *' END
		  FROM pg_extension WHERE extname = 'pg_cron'));
}

my $jobs_in_cron = q(SELECT jobname, schedule, command, username FROM cron.job ORDER BY jobname);

sub schedule_jobs
{
	my ($node) = @_;
	my $often = often($node);

	as_loader($node, qq(
BEGIN;
SELECT deltaetl_create_job('it''s good', 'staging', 'products', schedule => '$often');
SELECT deltaetl_create_job('bad', 'staging', 'refused', schedule => '$often');
SELECT deltaetl_create_job('skipped', 'staging', 'busy', '{"if_running": "skip"}', '$often');
SELECT deltaetl_create_job('retried', 'staging', 'locked', '{"retries": 100, "lock_timeout": "50ms"}', '$often');
SELECT deltaetl_create_job('dropped', 'staging', 'products', schedule => '$often');
SELECT deltaetl_create_job('altered', 'staging', 'products', schedule => '$often');
SELECT deltaetl_create_job('by hand', 'staging', 'products');
SELECT deltaetl_drop_job('dropped');
SELECT deltaetl_alter_job('altered', schedule => '0 3 1 1 *');
SELECT deltaetl_alter_job('by hand', schedule => '$often');
SELECT deltaetl_alter_job('by hand', schedule => '');
COMMIT;));
	is($node->safe_psql('postgres', $jobs_in_cron), <<"END" =~ s/\n\z//r, $node->name . ': pg_cron has the jobs');
deltaetl:altered|0 3 1 1 *|CALL "My tools".deltaetl_run_job('altered')|loader
deltaetl:bad|$often|CALL "My tools".deltaetl_run_job('bad')|loader
deltaetl:it's good|$often|CALL "My tools".deltaetl_run_job('it''s good')|loader
deltaetl:retried|$often|CALL "My tools".deltaetl_run_job('retried')|loader
deltaetl:skipped|$often|CALL "My tools".deltaetl_run_job('skipped')|loader
END
}

# Each of them at least once.
sub wait_for_runs
{
	my ($node) = @_;

	$node->poll_query_until('postgres',
		q(SELECT EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE '%retried%' AND wait_event_type = 'Extension'
		  AND backend_type IN ('client backend', 'pg_cron'))))
	  or die 'no retry seen';
	$node->safe_psql('postgres', q(COMMIT PREPARED 'a lock'));
	$node->poll_query_until('postgres',
		q(SELECT count(DISTINCT jobid) = 4 FROM cron.job_run_details WHERE end_time IS NOT NULL
		  AND status IN ('succeeded', 'failed')))
	  or die 'not all jobs have run';
}

sub check_runs
{
	my ($node) = @_;
	my $name = $node->name;

	is( $node->safe_psql('postgres',
			q(SELECT DISTINCT j.jobname, d.status, d.username, d.return_message ~ 'violates check constraint'
			  FROM cron.job_run_details AS d JOIN cron.job AS j USING (jobid)
			  WHERE d.status IN ('succeeded', 'failed') ORDER BY 1)),
		"deltaetl:bad|failed|loader|t\ndeltaetl:it's good|succeeded|loader|f\n"
		  . "deltaetl:retried|succeeded|loader|f\ndeltaetl:skipped|succeeded|loader|f",
		"$name: pg_cron sees what has come of them");
	is( $node->safe_psql('postgres',
			q(SELECT DISTINCT ON (job) job, role, status, inserted, sqlstate, options ->> 'attempts' > '1'
			  FROM "My tools".deltaetl_run_entry WHERE job IS NOT NULL ORDER BY job, run_id)),
		"bad|loader|failed||23514|\nit's good|loader|succeeded|100||\n"
		  . "retried|loader|succeeded|100||t\nskipped|loader|skipped|0||",
		"$name: so does the run log");
	is( $node->safe_psql('postgres',
			'SELECT (SELECT count(*) FROM refused), count(*), (SELECT count(*) FROM locked) FROM'
			  . ' (SELECT * FROM staging INTERSECT SELECT * FROM products) AS same'),
		'0|100|100',
		"$name: targets are as they should be");
	is( as_loader($node, q(SELECT name, last_status FROM deltaetl_job ORDER BY name)),
		"altered|\nbad|failed\nby hand|\nit's good|succeeded\nretried|succeeded\nskipped|skipped",
		"$name: and its owner sees it");
}

sub check_schedules
{
	my ($node) = @_;
	my ($status, $out, $error) =
	  $node->psql('postgres', q(SELECT deltaetl_create_job('never', 'staging', 'products', schedule => 'never')));

	like($error, qr/invalid schedule: never/, 'pg_cron checks schedules');
	($status, $out, $error) = $node->psql('postgres',
		q(SELECT deltaetl_alter_job('bad', schedule => '5 * * * *')));
	like($error, qr/must be owner of job "bad".*Log in as role loader/s, 'others cannot change them');
	$node->safe_psql('postgres', 'CREATE ROLE novice; GRANT SELECT ON staging TO novice; '
		. 'GRANT ALL ON products TO novice; GRANT USAGE ON SCHEMA "My tools" TO novice');
	my $create = q(SELECT deltaetl_create_job('new', 'staging', 'products', schedule => '5 * * * *'));
	($status, $out, $error) = $node->psql('postgres', "SET ROLE novice; $create");
	like($error, qr/permission denied for schema cron.*GRANT USAGE ON SCHEMA cron TO novice/s,
		'pg_cron has to be open to who schedules');
	$node->safe_psql('postgres', 'GRANT USAGE ON SCHEMA cron TO novice');
	($status, $out, $error) = $node->psql('postgres', "SET ROLE novice; $create");
	like($error, qr/of a role that cannot log in/, 'who schedules has to be able to log in');
	($status, $out, $error) = $node->psql('postgres', $create =~ s/new/'n' x 55/er);
	like($error, qr/too long to be scheduled/, 'names that pg_cron would cut are refused');
	is($node->safe_psql('postgres', q(SELECT count(*) FROM deltaetl_job WHERE name ~ '^n')),
		'0', 'nothing is left behind');

	as_loader($node, q(SELECT cron.schedule('deltaetl:left', '0 0 1 1 *', 'SELECT 1');
SELECT deltaetl_create_job('left', 'staging', 'products')));
	is($node->safe_psql('postgres', q(SELECT count(*) FROM cron.job WHERE jobname = 'deltaetl:left')),
		'0', 'a copy that was left behind goes when there is a job of the name without a schedule');
	as_loader($node, q(SELECT cron.schedule('deltaetl:left', '0 0 1 1 *', 'SELECT 1'); SELECT deltaetl_drop_job('left')));
	is($node->safe_psql('postgres', q(SELECT count(*) FROM cron.job WHERE jobname = 'deltaetl:left')),
		'0', 'or is dropped');

	$node->safe_psql('postgres', 'CREATE DATABASE elsewhere');
	$node->safe_psql('elsewhere', 'SET client_min_messages = warning; CREATE EXTENSION deltaetl CASCADE; '
		. 'CREATE TABLE staging (id int); CREATE TABLE products (id int PRIMARY KEY)');
	($status, $out, $error) = $node->psql('elsewhere', $create);
	like(
		$error,
		qr/cannot schedule job "new" without pg_cron.*cron\.schedule_in_database\('deltaetl:new', '5 \* \* \* \*', 'CALL public\.deltaetl_run_job\(''new''\)', 'elsewhere'\)/s,
		'another database is told how');
}

# A run in another session that cannot get a lock and tries on and on; what is
# done to it, and what is seen of that there.
sub interrupt_run
{
	my ($node, $function) = @_;
	my ($out, $error) = ('', '');
	my $session = IPC::Run::start(
		[ 'psql', '-X', '-d', $node->connstr('postgres') . ' user=loader', '-c', q(CALL deltaetl_run_job('stubborn')) ],
		'<', \undef, '>', \$out, '2>', \$error);

	$node->poll_query_until('postgres', "SELECT bool_or($function(pid)) FROM pg_stat_activity"
		  . " WHERE query ~ 'stubborn' AND wait_event_type = 'Extension'")
	  or die 'no retry seen';
	$session->finish;
	return $error;
}

sub check_interrupts
{
	my ($node) = @_;
	my $last = q(SELECT count(*), max(sqlstate), max(options ->> 'attempts') FROM "My tools".deltaetl_run_entry
WHERE job = 'stubborn');

	as_loader($node,
		q(SELECT deltaetl_create_job('stubborn', 'staging', 'locked', '{"retries": 100, "lock_timeout": 1}')));
	$node->safe_psql('postgres', q(BEGIN; LOCK TABLE locked IN SHARE MODE; PREPARE TRANSACTION 'a lock';));
	like(interrupt_run($node, 'pg_cancel_backend'),
		qr/attempt 1 of job "stubborn" failed.*canceling statement due to user request/s, 'cancelled before a retry');
	is($node->safe_psql('postgres', $last), '1|57014|2', 'which the run log tells');
	like(interrupt_run($node, 'pg_terminate_backend'), qr/terminating connection/, 'terminated before a retry');
	is($node->safe_psql('postgres', $last), '1|57014|2', 'which nobody is left to log');
	$node->safe_psql('postgres', q(COMMIT PREPARED 'a lock'));
	as_loader($node, q(CALL deltaetl_run_job('stubborn')));
}

# ---------- dump and restore ----------

# In another cluster, which has another port.
sub check_restored
{
	my ($node, $restored) = @_;
	my $dump = $node->basedir . '/dump.sql';
	my $contents = q(SELECT 'job', j::text FROM "My tools".deltaetl_job_entry AS j
UNION ALL SELECT 'run', r::text FROM "My tools".deltaetl_run_entry AS r ORDER BY 1, 2);
	my $altered = q(SELECT nodeport, schedule FROM cron.job WHERE jobname = 'deltaetl:altered');

	$node->command_ok([ 'pg_dump', '--no-sync', '-f', $dump, '-d', $node->connstr('postgres') ], 'dump');
	$restored->safe_psql('postgres',
		'CREATE ROLE loader LOGIN; CREATE ROLE novice; ALTER DATABASE postgres SET search_path = public, "My tools"');
	$restored->command_ok(
		[ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $dump, '-d', $restored->connstr('postgres') ],
		'restore');
	is($restored->safe_psql('postgres', $contents), $node->safe_psql('postgres', $contents),
		'jobs and runs outlive a dump');
	is( $restored->safe_psql('postgres',
			q(SELECT nextval('"My tools".deltaetl_run_id_seq') > max(run_id) FROM "My tools".deltaetl_run_entry)),
		't', 'runs are numbered on');
	as_loader($restored, q(CALL deltaetl_run_job('it''s good')));
	is($restored->safe_psql('postgres', q(SELECT last_status FROM deltaetl_job WHERE name = 'it''s good')),
		'succeeded', 'jobs run');

	# pg_cron would run its copy where the jobs come from
	is($restored->safe_psql('postgres', $altered), $node->port . '|0 3 1 1 *', 'pg_cron has them as they were');
	as_loader($restored, q(SELECT deltaetl_alter_job('altered', schedule => '')));
	as_loader($restored, q(SELECT deltaetl_alter_job('altered', schedule => '0 4 1 1 *')));
	is($restored->safe_psql('postgres', $altered), $restored->port . '|0 4 1 1 *', 'until they are scheduled anew');
}

# ---------- all of it ----------

# Both wait for the same minute.
my @nodes = (start_node('sessions', 'off'), start_node('workers', 'on'));
set_up($_) foreach @nodes;
schedule_jobs($_) foreach @nodes;
check_schedules($nodes[0]);
wait_for_runs($_) foreach @nodes;
check_runs($_) foreach @nodes;

my ($node) = @nodes;
$node->safe_psql('postgres', 'SELECT cron.alter_job(jobid, active => false) FROM cron.job');
$node->poll_query_until('postgres',
	q(SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE query ~ '^CALL' AND state = 'active')))
  or die 'jobs still run';
check_interrupts($node);
$node->safe_psql('postgres', q(COMMIT PREPARED 'a run'));
check_restored($node, start_node('restored', 'off'));

# a superuser may drop the jobs of others, pg_cron's part of them, too
$node->safe_psql('postgres', 'SELECT deltaetl_drop_job(name) FROM deltaetl_job');
is($node->safe_psql('postgres', $jobs_in_cron), '', 'nothing is left of jobs that are dropped');

$_->stop foreach @nodes;
done_testing();
