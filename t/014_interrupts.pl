# Copyright (c) 2026, deltaetl maintainers

# Runs that are cancelled, and sessions that are terminated, at each phase and
# at random moments: they end soon, nothing has been done, nothing is left, and
# the session of a run that was cancelled goes on to do it.
#
# How soon is reported and not asserted, but for what no machine exceeds.
# DELTAETL_FAULTS says how often random moments are tried, DELTAETL_ROWS on how
# many rows.

use strict;
use warnings FATAL => 'all';

use DeltaetlFaults;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep time);

my $rounds = $ENV{DELTAETL_FAULTS} // 2;
my $rows = $ENV{DELTAETL_ROWS} // 20000;
my $node = start_fault_node('main', '');
my %messages = (
	pg_cancel_backend => qr/canceling statement due to user request/,
	pg_terminate_backend => qr/terminating connection due to administrator command/);
my @seconds;

# The session in which others are interrupted, so that no time is lost with
# connecting.
my $signals = $node->background_psql('postgres');
$signals->set_query_timer_restart;

# Interrupt a session; returns how long it took until its client knows, unless
# the session has been faster.
sub interrupt
{
	my ($session, $function) = @_;
	my $start = time;

	$signals->query("SELECT $function($session->{pid})");
	while ($session->{run}->pumpable && $session->{err} !~ $messages{$function})
	{
		$session->{run}->pump_nb;
		usleep(1000);
	}
	return $session->{err} =~ $messages{$function} ? time - $start : undef;
}

sub interrupt_at_phase
{
	my ($phase, $function) = @_;
	my $name = "$function, $phase->{name}";
	my ($entries, $session, $seconds);

	make_tables($node, $phase);
	$entries = run_entries($node);
	$signals->query_safe('SELECT pg_advisory_lock(2)');
	$session = hold_run($node, $phase, $phase->{call}, 'SELECT pg_advisory_xact_lock_shared(2)', $phase->{call});
	$seconds = interrupt($session, $function);
	ok(defined $seconds, "$name: it is told");
	cmp_ok($seconds, '<', $PostgreSQL::Test::Utils::timeout_default, "$name: soon");
	push @seconds, $seconds;
	note sprintf '%.3f s', $seconds;

	release_run($node);
	is(is_before_or_after($node, $entries, $name), 'before', "$name: nothing has been done");
	is_in_order($node, $name);

	# the session is still there, and goes on when it may
	$signals->query_safe('SELECT pg_advisory_unlock(2)');
	end_session($session);
	if ($function eq 'pg_cancel_backend')
	{
		is(is_before_or_after($node, $entries, "$name, again"), 'after', "$name: the session goes on");
		is($session->{out} =~ s/^\n//r, "2000|1253|500|1247\n", "$name: and counts what it does");
	}
	sync_again($node, $phase, $name) if $function eq 'pg_terminate_backend';
}

foreach my $phase (phases())
{
	interrupt_at_phase($phase, $_) foreach sort keys %messages;
}

# ---------- random moments ----------

# Many rows, of which every tenth differs; with a key whose order is as wild as
# that of the hashes.
sub make_many_rows
{
	$node->safe_psql(
		'postgres', qq(
DROP TABLE IF EXISTS staging, products, kept;
CREATE TABLE staging (id int NOT NULL, name text, amount int);
INSERT INTO staging SELECT i, md5(i::text), i FROM generate_series(1, $rows) AS i;
CREATE TABLE products AS SELECT id, name, CASE WHEN id % 10 = 0 THEN -amount ELSE amount END AS amount FROM staging
	WHERE id % 10 <> 1 OR id < $rows / 2;
ALTER TABLE products ADD PRIMARY KEY (id);
CREATE TABLE kept AS TABLE products;
VACUUM ANALYZE;));
}

my $seed = $ENV{DELTAETL_SEED} // int(rand(1e9));
srand($seed);
note "DELTAETL_SEED=$seed";
my %settings = (
	fingerprints => q(SET work_mem = '4MB';),
	spilling => '',
	workers => 'SET max_parallel_workers_per_gather = 2;',
	join => 'SET deltaetl.detection = join;');
my %states;
foreach my $way (sort keys %settings)
{
	my $sync = q(SELECT count(*) FROM deltaetl_sync('staging', 'products', deletes => 'delete', log_changes => 'rows'););
	my ($start, $duration);

	make_many_rows();
	$start = time;
	$node->safe_psql('postgres', "$settings{$way} BEGIN; $sync ROLLBACK;");
	$duration = time - $start;
	foreach my $round (1 .. $rounds)
	{
		my $function = ('pg_cancel_backend', 'pg_terminate_backend')[ rand 2 ];
		my $name = "$way, round $round, $function";
		my $entries = run_entries($node);
		my ($session, $seconds);

		# the process is known before it begins, which takes no time of the run's
		$session = start_session($node, 'SELECT pg_backend_pid()', "$settings{$way} $sync");
		$session->{run}->pump until $session->{out} =~ /^(\d+)\n/;
		$session->{pid} = $1;
		usleep(1e6 * rand $duration);
		$seconds = interrupt($session, $function);
		end_session($session);
		push @seconds, $seconds if defined $seconds;
		$states{ is_before_or_after($node, $entries, $name) }++;
		is_in_order($node, $name);
		make_many_rows() if run_entries($node) != $entries;
	}
}
note join ', ', map { "$_: $states{$_}" } sort keys %states;

# ---------- values that take long ----------

# One value may take as long as many rows.
foreach my $value (
	q(repeat('x', 200000000)),
	q(range_agg(int4range(i, i + 1)) FROM generate_series(1, 2000000, 2) AS i),
	q(array_agg(i) FROM generate_series(1, 1000000) AS i),
	q(jsonb_agg(i) FROM generate_series(1, 500000) AS i))
{
	my $session = start_session($node,
		'SELECT pg_backend_pid()',
		"DO \$\$ DECLARE v text; BEGIN CREATE TEMP TABLE big AS SELECT $value; RAISE NOTICE 'ready';"
		  . ' LOOP PERFORM deltaetl_record_hash(b) FROM big AS b; END LOOP; END $$');
	my $seconds;

	$session->{run}->pump until $session->{out} =~ /^(\d+)\n/;
	$session->{pid} = $1;
	$session->{run}->pump until $session->{err} =~ /ready/;
	usleep(1e5 * rand 10);
	$seconds = interrupt($session, 'pg_cancel_backend');
	end_session($session);
	ok(defined $seconds, "hash of $value is cancelled");
	note sprintf '%.3f s', $seconds;
	push @seconds, $seconds;
}

@seconds = sort { $a <=> $b } @seconds;
note sprintf '%d interrupts, half of them within %.3f s, all within %.3f s', scalar @seconds, $seconds[ @seconds / 2 ], $seconds[-1];
$signals->quit;
$node->stop;
done_testing();
