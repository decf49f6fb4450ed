# Copyright (c) 2026, deltaetl maintainers

# Syncs among writers and readers for some seconds; make soak takes longer.
# SOAK_SECONDS is how long, for all rounds together.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use DeltaetlSoak qw(soak);

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "autovacuum_naptime = 1s\n");
$node->start;
local $ENV{PGHOST} = $node->host;
local $ENV{PGPORT} = $node->port;

my ($figures, @problems) = soak(
	seconds => $ENV{SOAK_SECONDS} // 16,
	modes => [ 'table', 'row' ],
	say => \&note);
is(join('', @problems), '', 'no write is lost, and each sync makes both sides equal');
foreach my $name ('syncs', 'transactions')
{
	cmp_ok($figures->{$name}, '>', 0, "there have been $name: $figures->{$name}");
}
note("$_: $figures->{$_}") foreach sort keys %$figures;
$node->stop;

done_testing();
