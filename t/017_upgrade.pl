# Copyright (c) 2026, deltaetl maintainers

# A database goes from one major version to the next, by pg_upgrade and by dump
# and restore, plain and in pg_dump's own format: what was tracked, logged,
# counted and scheduled is there, runs are numbered on, the next run has nothing
# to do, and an old one can be taken back.
#
# The old version is the one that DELTAETL_OLD names by its directory, such as
# /usr/lib/postgresql/15, or the oldest beside this one that has the extension; if
# there is none, it is this one.

use strict;
use warnings FATAL => 'all';

use File::Basename;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# Servers that are installed beside this one, with the extension, oldest first.
sub older_installations
{
	my $here = dirname(dirname(scalar `pg_config --bindir`));
	my ($version) = `pg_config --version` =~ /(\d+)/;
	my @others;

	foreach my $other (glob "$here/*")
	{
		next unless -x "$other/bin/postgres" && -x "$other/bin/pg_config" && `$other/bin/pg_config --version` =~ /(\d+)/ && $1 < $version;
		my $sharedir = `$other/bin/pg_config --sharedir`;
		chomp $sharedir;
		push @others, [ $1, $other ] if -f "$sharedir/extension/deltaetl.control";
	}
	return map { $_->[1] } sort { $a->[0] <=> $b->[0] } @others;
}

my ($install) = $ENV{DELTAETL_OLD} // older_installations();
my $old = PostgreSQL::Test::Cluster->new('old', $install ? (install_path => $install) : ());
my $new = PostgreSQL::Test::Cluster->new('new');
my $old_bindir = $install ? "$install/bin" : $new->config_data('--bindir');

# Checksums are the default since 18, and both have to be alike.
my @checksums = $new->pg_version >= 18 && $old->pg_version < 18 ? ('--no-data-checksums') : ();
note 'from ' . $old->pg_version . ' to ' . $new->pg_version;

$old->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
$old->start;
$old->safe_psql(
	'postgres', q(
SET client_min_messages = warning;
CREATE ROLE loader;
CREATE SCHEMA tools;
CREATE EXTENSION pgcrypto;
CREATE EXTENSION deltaetl SCHEMA tools;
GRANT USAGE ON SCHEMA tools TO loader;
GRANT CREATE ON SCHEMA public TO loader;
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE TABLE products (gone int, id int PRIMARY KEY, name text, price numeric(10,2), made timestamptz, mood mood,
	tags text[], details jsonb);
ALTER TABLE products DROP gone;
ALTER TABLE products OWNER TO loader;
SELECT tools.deltaetl_track('products');
CREATE TABLE sales (id int, region text, amount float8, PRIMARY KEY (region, id)) PARTITION BY LIST (region);
CREATE TABLE eu PARTITION OF sales FOR VALUES IN ('eu');
CREATE TABLE rest PARTITION OF sales DEFAULT;
CREATE TABLE staging AS SELECT i AS id, 'product ' || i AS name, i / 100.0 AS price,
	timestamptz '2026-01-01' + i * interval '1 minute' AS made, 'sad'::mood AS mood, ARRAY['a', i::text] AS tags,
	jsonb_build_object('i', i) AS details FROM generate_series(1, 500) AS i;
CREATE TABLE new_sales AS SELECT i AS id, CASE WHEN i % 2 = 0 THEN 'eu' ELSE 'us' END AS region, i / 3.0::float8 AS amount
	FROM generate_series(1, 100) AS i;
ALTER TABLE staging OWNER TO loader;
ALTER TABLE new_sales OWNER TO loader;
SET ROLE loader;
SELECT tools.deltaetl_sync('staging', 'products', log_changes => 'rows');
UPDATE staging SET name = 'new', tags = '{}' WHERE id <= 10;
DELETE FROM staging WHERE id > 490;
SELECT tools.deltaetl_sync('staging', 'products', deletes => 'delete', log_changes => 'rows');
SELECT tools.deltaetl_create_job('nightly', 'staging', 'products', '{"deletes": "delete", "log_changes": "rows"}');
RESET ROLE;
SELECT tools.deltaetl_sync('new_sales', 'sales');
SELECT tools.deltaetl_prune_log('1 year');));

my @what = (
	(map { "SELECT t::text FROM tools.deltaetl_$_ AS t ORDER BY 1" } qw(run_entry change_entry total_entry job_entry stats)),
	q(SELECT t::text FROM products AS t ORDER BY id),
	q(SELECT key::text, row_hash::text FROM tools.deltaetl_hashes('sales') ORDER BY 1),
	q(SELECT count(*) FROM tools.deltaetl_verify('products')),
	q(SELECT defaclobjtype FROM pg_default_acl),
	q(SELECT p.oid::regprocedure::text, p.proacl::text FROM pg_proc AS p
	  JOIN pg_depend AS d ON d.objid = p.oid AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e' AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'deltaetl')
	  ORDER BY 1),
	q(SELECT c.oid::regclass::text, c.relacl::text FROM pg_class AS c
	  JOIN pg_depend AS d ON d.objid = c.oid AND d.classid = 'pg_class'::regclass AND d.deptype = 'e' AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'deltaetl')
	  ORDER BY 1));

sub contents
{
	my ($node, $database) = @_;
	return map { $node->safe_psql($database, $_) } @what;
}

# PostgreSQL 17 has a right more, which owners then have.
sub without_maintain
{
	return map { s/(?<==)([a-zA-Z*]*)m(?=[a-zA-Z*]*\/)/$1/gr } @_;
}

my @expected = without_maintain(contents($old, 'postgres'));

sub check_copy
{
	my ($node, $database, $name) = @_;
	my @got = without_maintain(contents($node, $database));

	is($got[$_], $expected[$_], "$name: $what[$_]" =~ s/\s+/ /gr =~ s/.{70}\K.*//r) foreach 0 .. $#what;
	$node->safe_psql($database, 'ALTER EXTENSION deltaetl UPDATE');
	is( $node->safe_psql(
			$database,
			q(SET ROLE loader; SELECT inserted, updated, deleted, unchanged FROM tools.deltaetl_sync('staging', 'products', deletes => 'delete'))),
		'0|0|0|490',
		"$name: a run has nothing to do");
	is($node->safe_psql($database, q(SELECT max(run_id) = count(*) FROM tools.deltaetl_run_entry)), 't', "$name: and the next number");
	$node->safe_psql($database, q(UPDATE staging SET name = 'newer' WHERE id < 6; SET ROLE loader; CALL tools.deltaetl_run_job('nightly')));
	is($node->safe_psql($database, q(SELECT last_status FROM tools.deltaetl_job)), 'succeeded', "$name: the job runs");
	$node->safe_psql($database, "SET ROLE loader; SELECT tools.deltaetl_revert($_)")
	  foreach $node->safe_psql($database, 'SELECT max(run_id) FROM tools.deltaetl_run_entry'), 2, 1;
	is($node->safe_psql($database, 'SELECT count(*) FROM products'), '0', "$name: and all runs can be taken back, the old ones, too");
}

# ---------- dump and restore ----------

# With the programs of the new version, as the manual says.
$new->init(extra => [ '--encoding=UTF8', '--locale=C', @checksums ]);
$new->start;
$new->safe_psql('postgres', 'CREATE ROLE loader');
my $dir = PostgreSQL::Test::Utils::tempdir();
foreach my $format ('plain', 'custom', 'directory')
{
	my $file = "$dir/$format";
	my @restore = $format eq 'plain' ? ('psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $file) : ('pg_restore', '--exit-on-error', $file);

	command_ok([ 'pg_dump', '--no-sync', "--format=$format", "--file=$file", $old->connstr('postgres') ], "dump, $format");
	$new->safe_psql('postgres', "CREATE DATABASE $format TEMPLATE template0");
	command_ok([ @restore, '-d', $new->connstr($format) ], "restore, $format");
	check_copy($new, $format, $format);
}
$new->stop;

# ---------- pg_upgrade ----------

# Copies of files can be made twice, the files themselves be used once.
foreach my $mode ('copy', 'link')
{
	my $upgraded = PostgreSQL::Test::Cluster->new("upgraded_$mode");

	$upgraded->init(extra => [ '--encoding=UTF8', '--locale=C', @checksums ]);
	$old->stop if $mode eq 'copy';

	# It leaves files in the current directory.
	chdir $PostgreSQL::Test::Utils::tmp_check;
	command_ok(
		[
			'pg_upgrade', '--no-sync', $mode eq 'link' ? '--link' : (),
			'-d' => $old->data_dir,
			'-D' => $upgraded->data_dir,
			'-b' => $old_bindir,
			'-B' => $upgraded->config_data('--bindir'),
			'-s' => $upgraded->host,
			'-p' => $old->port,
			'-P' => $upgraded->port
		],
		"pg_upgrade $mode");
	$upgraded->start;
	check_copy($upgraded, 'postgres', "pg_upgrade $mode");
	$upgraded->stop;
}

done_testing();
