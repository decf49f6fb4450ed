# Copyright (c) 2026, deltaetl maintainers

# The logs outlive dump and restore, into a database where nothing has the same
# OID, and what is logged goes on there.  Whoever listens is told of a run when
# it commits, and only then.

use strict;
use warnings FATAL => 'all';

use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('origin');
$node->init;
$node->start;
$node->safe_psql(
	'postgres', q(
CREATE SCHEMA tools;
CREATE EXTENSION pgcrypto;
CREATE EXTENSION deltaetl SCHEMA tools;
CREATE ROLE loader;
GRANT USAGE ON SCHEMA tools TO loader;
CREATE TABLE "My products" (id int PRIMARY KEY, name text, price numeric);
CREATE TABLE staging (LIKE "My products");
ALTER TABLE "My products" OWNER TO loader;
ALTER TABLE staging OWNER TO loader;
));

# ---------- notification ----------

# The payloads that a session gets which runs some statements and listens.
sub notifications
{
	my ($statements) = @_;
	my $output = $node->safe_psql('postgres', "LISTEN deltaetl; SET deltaetl.notify = on; $statements");

	return map { decode_json($_) } $output =~ /^Asynchronous notification "deltaetl" with payload "(.*)" received/mg;
}

my $sync = q(SELECT run_id FROM tools.deltaetl_sync('staging', '"My products"', log_changes => 'rows'););
my @told = notifications("INSERT INTO staging VALUES (1, 'a', 1.50), (2, 'b', 'NaN'); SET ROLE loader; $sync");
is(scalar @told, 1, 'one run, one notification');
my $run_id = delete $told[0]{run_id};
is_deeply(
	$told[0],
	{
		job => undef,
		source => 'public.staging',
		target => 'public."My products"',
		status => 'succeeded',
		inserted => 2,
		updated => 0,
		deleted => 0,
		unchanged => 0
	},
	'it says what the run has done');
is( $node->safe_psql('postgres', 'SELECT max(run_id) FROM tools.deltaetl_run_log'),
	$run_id, 'and which run it was');
is(scalar notifications("BEGIN; $sync ROLLBACK;"), 0, 'a run that is rolled back is not announced');
is(scalar notifications("SET deltaetl.notify = off; $sync"), 0, 'nor is any if that is switched off');

# ---------- dump and restore ----------

$node->safe_psql('postgres', "UPDATE staging SET name = 'c' WHERE id = 2; SET ROLE loader; $sync");
my @tables = ('run_entry', 'change_entry', 'total_entry', 'run_log', 'stats');
$node->safe_psql('postgres', q(SELECT tools.deltaetl_prune_log('1 hour')));

sub contents
{
	my ($database, $what) = @_;
	return $node->safe_psql($database, qq(SELECT t FROM tools.deltaetl_$what AS t ORDER BY t::text COLLATE "C"));
}

my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump';
$node->command_ok([ 'pg_dump', '--format=custom', "--file=$dump", $node->connstr('postgres') ], 'dump');
$node->safe_psql('postgres', 'CREATE DATABASE copy');
$node->safe_psql('copy', 'CREATE TABLE other AS SELECT 1');
$node->command_ok([ 'pg_restore', '--exit-on-error', '--dbname', $node->connstr('copy'), $dump ], 'restore');
foreach my $table (@tables)
{
	isnt(contents('postgres', $table), '', "$table has content") if $table ne 'total_entry';
	is(contents('copy', $table), contents('postgres', $table), "$table is the same");
}

# Numbers go on where they were, and roles see what they saw.
$node->safe_psql('copy', "INSERT INTO staging VALUES (3, 'd', 3); SET ROLE loader; $sync");
is( $node->safe_psql(
		'copy', 'SET ROLE loader; SELECT count(*), max(run_id) = max(run_id) FILTER (WHERE inserted = 1) FROM tools.deltaetl_run_log'),
	'4|t',
	'the log goes on');

# Also runs of the other database can be taken back, the last one first.
my $revert_all = q(
DO $$
DECLARE
	run bigint;
BEGIN
	FOR run IN SELECT run_id FROM tools.deltaetl_run_log WHERE inserted + updated > 0 ORDER BY run_id DESC LOOP
		PERFORM tools.deltaetl_revert(run);
	END LOOP;
END $$);
is($node->safe_psql('copy', 'SELECT count(*) FROM "My products"'), '3', 'there are rows');
is($node->safe_psql('copy', qq(SET ROLE loader; $revert_all; SELECT count(*) FROM "My products")),
	'0', 'and none after everything has been reverted');

$node->stop;
done_testing();
