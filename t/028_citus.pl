# Copyright (c) 2026, deltaetl maintainers

# Tests of distributed tables are skipped where there is no Citus, and say so.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->start;

# Without a server the tests themselves would fail.
sub skips_because
{
	my ($reason, $port, $name) = @_;

	local $ENV{PGHOST} = $node->host;
	local $ENV{PGPORT} = $port;
	local $ENV{PGDATABASE} = 'postgres';
	my ($out, $err);
	my $ok = run_log([ "$ENV{TESTDIR}/citus/run", 'false' ], '>', \$out, '2>', \$err);
	ok($ok, "$name: status");
	is($out, "skipped: $reason\n", "$name: message");
}

skips_because('no server at PGHOST and PGPORT', $node->port + 1, 'no server');
skips_because('database postgres has no extension citus', $node->port, 'no Citus');

$node->stop;
done_testing();
