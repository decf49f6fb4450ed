# Copyright (c) 2026, deltaetl maintainers

# Stored hashes outlive dump and restore, and pg_upgrade: the columns are still
# generated and found, their hashes are the same to the byte, and the next sync
# has nothing to do.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('origin');
$node->init;
$node->start;

# Each target is tracked in another way: by the extension in a schema of its
# own, in partitions with other column numbers, by more columns than a function
# takes, under another name and algorithm, with columns that have been renamed.
my @targets = ('products', '"My sales"', 'wide');
my $columns = join ', ', map { "c$_ int DEFAULT $_" } 1 .. 150;
$node->safe_psql(
	'postgres', qq(
CREATE SCHEMA tools;
CREATE EXTENSION pgcrypto;
CREATE EXTENSION deltaetl SCHEMA tools;
SET search_path = public, tools;

CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE TABLE products (gone int, id int PRIMARY KEY, name text, price numeric(10,2), made timestamptz,
	mood mood, tags text[], details jsonb);
ALTER TABLE products DROP gone;
INSERT INTO products
SELECT i, 'product ' || i, i / 100.0, timestamptz '2026-01-01' + i * interval '1 minute',
	CASE i % 3 WHEN 1 THEN 'sad' WHEN 2 THEN 'happy' END::mood, ARRAY['a', NULL, i::text], jsonb_build_object('i', i)
FROM generate_series(1, 1000) AS i;
SELECT deltaetl_track('products');
ALTER TABLE products RENAME name TO title;
UPDATE products SET title = 'new' WHERE id = 7;

CREATE TABLE "My sales" (id int, "The region" text, amount float8, PRIMARY KEY ("The region", id))
	PARTITION BY LIST ("The region");
CREATE TABLE eu (gone int, amount float8, id int NOT NULL, "The region" text NOT NULL);
ALTER TABLE eu DROP gone;
ALTER TABLE "My sales" ATTACH PARTITION eu FOR VALUES IN ('eu');
CREATE TABLE rest PARTITION OF "My sales" DEFAULT;
INSERT INTO "My sales" SELECT i, CASE WHEN i % 2 = 0 THEN 'eu' ELSE 'us' END, i / 3.0 FROM generate_series(1, 100) AS i;
SELECT deltaetl_track('"My sales"', hash_column => 'Hash', algorithm => 'sha512');

CREATE TABLE wide (id int PRIMARY KEY, $columns);
INSERT INTO wide (id) SELECT generate_series(1, 10);
SELECT deltaetl_track('wide');

CREATE TABLE staging (LIKE products INCLUDING GENERATED);
INSERT INTO staging (id, title, price, made, mood, tags, details)
SELECT id, title, price, made, mood, tags, details FROM products;
));

# Every row of a table, its hash with it; and where it lies, if asked for.
sub rows
{
	my ($on, $database, $table) = @_;
	return $on->safe_psql($database, "SELECT t FROM $table AS t ORDER BY t::text COLLATE \"C\"");
}

my %rows = map { $_ => rows($node, 'postgres', $_) } @targets, 'staging';
is( $node->safe_psql(
		'postgres',
		q(SELECT count(*) FROM products WHERE row_hash = tools.deltaetl_row_hash(id, details, made, mood, title, price, tags))
	),
	'1000',
	'hashes are what they should be');

# All that has to hold of a copy.
sub check_copy
{
	my ($on, $database, $what) = @_;

	foreach my $table (@targets, 'staging')
	{
		is(rows($on, $database, $table), $rows{$table}, "$what: $table has the same hashes");
	}
	foreach my $table (@targets)
	{
		is($on->safe_psql($database, "SELECT count(*) FROM tools.deltaetl_verify('$table')"),
			'0', "$what: the stored hash of $table is found and right");
		my ($status, $out, $error) = $on->psql($database, "SELECT tools.deltaetl_track('$table')");
		like($error, qr/is tracked already/, "$what: $table is tracked");
	}

	my $places = 'SELECT count(*), min(ctid), max(ctid), max(xmin::text::bigint) FROM products';
	my $before = $on->safe_psql($database, $places);
	is( $on->safe_psql(
			$database,
			q(SELECT inserted, updated, deleted, unchanged
			  FROM tools.deltaetl_sync('staging', 'products', deletes => 'delete'))),
		'0|0|0|1000',
		"$what: a sync has nothing to do");
	is($on->safe_psql($database, $places), $before, "$what: and rewrites nothing");

	$on->safe_psql($database,
		q(UPDATE products SET title = 'changed' WHERE id = 3;
		  UPDATE "My sales" SET "The region" = 'asia' WHERE id = 4;));
	is( $on->safe_psql(
			$database, q(
SELECT row_hash = tools.deltaetl_row_hash(id, details, made, mood, title, price, tags) FROM products WHERE id = 3;
SELECT "Hash" = digest(tools.deltaetl_encode("The region", id, amount), 'sha512') FROM "My sales" WHERE id = 4;)),
		"t\nt",
		"$what: hashes follow writes");
}

# ---------- dump and restore ----------

my $dump = $node->basedir . '/dump.sql';
$node->command_ok(
	[ 'pg_dump', '--no-sync', '-f', $dump, '-d', $node->connstr('postgres') ],
	'dump');
$node->safe_psql('postgres', 'CREATE DATABASE restored TEMPLATE template0');
$node->command_ok(
	[ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $dump, '-d', $node->connstr('restored') ],
	'restore');
check_copy($node, 'restored', 'restored');

# ---------- pg_upgrade ----------

my $upgraded = PostgreSQL::Test::Cluster->new('upgraded');
my $bindir = $node->config_data('--bindir');
$upgraded->init;
$node->stop;

# It leaves files in the current directory.
chdir $PostgreSQL::Test::Utils::tmp_check;
command_ok(
	[
		'pg_upgrade', '--no-sync',
		'-d' => $node->data_dir,
		'-D' => $upgraded->data_dir,
		'-b' => $bindir,
		'-B' => $bindir,
		'-s' => $upgraded->host,
		'-p' => $node->port,
		'-P' => $upgraded->port
	],
	'pg_upgrade');
$upgraded->start;
check_copy($upgraded, 'postgres', 'upgraded');
$upgraded->stop;

done_testing();
