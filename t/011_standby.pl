# Copyright (c) 2026, deltaetl maintainers

# A standby can say what a run would do, and why, although it cannot do it.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1);
$primary->start;
$primary->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'backup', has_streaming => 1);
$standby->start;

$primary->safe_psql(
	'postgres', q(
CREATE EXTENSION pgcrypto;
CREATE EXTENSION deltaetl;
CREATE TABLE products (id int PRIMARY KEY, name text, price numeric(10,2)) PARTITION BY RANGE (id);
CREATE TABLE few PARTITION OF products FOR VALUES FROM (0) TO (100);
CREATE TABLE staging AS SELECT i AS id, 'name' AS name, 1.5 AS price FROM generate_series(1, 10) AS i;
INSERT INTO products SELECT * FROM staging WHERE id < 5;
));
$primary->wait_for_catchup($standby);

my $arguments = q('staging', 'products', deletes => 'delete', scope => 'id < 50', log_changes => 'rows');
my $explain = "SELECT * FROM deltaetl_explain($arguments)";
my $expected = $primary->safe_psql('postgres', $explain);
my ($status, $output, $error) = $standby->psql('postgres', $explain);
is("$status$error", '0', 'a standby explains a run');
is($output, $expected, 'as its primary does');
like($output, qr/^Sync public\.staging \(table\) -> public\.products \(partitioned table\)$/m, 'the one that was asked for');

($status, $output, $error) = $standby->psql('postgres', "SELECT deltaetl_sync($arguments)");
isnt($status, 0, 'but does not do it');
like($error, qr/cannot execute deltaetl_sync\(\) (in a read-only transaction|during recovery)/, 'which it says');
is($standby->safe_psql('postgres', "SELECT count(*) FROM deltaetl_diff('staging', 'products', scope => 'id < 50')"),
	'6', 'a diff is shown, too');

done_testing();
