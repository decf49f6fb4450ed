# Copyright (c) 2026, deltaetl maintainers

# A run on a foreign table whose backend or postmaster is killed, on either server,
# at each phase.  Afterwards the other server has all of the run or nothing of
# it.  If it is our side that dies once the other has been told to commit, that
# is all of it, although our run log says nothing of the run; there are no other
# cases.  The next run does what there is left to do.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use DeltaetlFaults;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my %node = map { $_ => start_fault_node($_, '') } qw(here there);

# ---------- tables ----------

# A session of postgres_fdw has no path to look functions up.
sub connect_servers
{
	my ($host, $port) = ($node{there}->host, $node{there}->port);

	$node{there}->safe_psql('postgres', 'ALTER FUNCTION hold_row() SET search_path = public');
	$node{here}->safe_psql(
		'postgres', qq(
CREATE EXTENSION postgres_fdw;
CREATE SERVER there FOREIGN DATA WRAPPER postgres_fdw
	OPTIONS (host '$host', port '$port', dbname 'postgres', extensions 'deltaetl', batch_size '100');
CREATE USER MAPPING FOR CURRENT_USER SERVER there;
CREATE FOREIGN TABLE products (id int NOT NULL, name text, amount int) SERVER there;
CREATE TABLE staging AS SELECT i AS id, 'product ' || i AS name, i AS amount FROM generate_series(501, 5000) AS i;
ANALYZE staging));
}

sub make_target
{
	my ($phase) = @_;
	my $trigger = $phase->{trigger} // '';

	$node{there}->safe_psql(
		'postgres', qq(
SET client_min_messages = warning;
DROP TABLE IF EXISTS products, kept;
CREATE TABLE products (id int PRIMARY KEY, name text, amount int);
INSERT INTO products SELECT i, 'product ' || i, CASE WHEN i % 2 = 0 THEN i ELSE -i END FROM generate_series(1, 3000) AS i;
CREATE TABLE kept AS TABLE products;
$trigger));
}

# What a run waits for: a lock of a table, or the gate that triggers pass.
my $row = 'FOR EACH ROW WHEN (%s.id = %d) EXECUTE FUNCTION hold_row()';
my @phases = (
	{ name => 'waiting for the lock', on => 'here', lock => 'LOCK TABLE staging IN ACCESS EXCLUSIVE MODE' },
	{ name => 'detecting', on => 'there', lock => 'LOCK TABLE products IN ACCESS EXCLUSIVE MODE' },
	{ name => 'delete', on => 'there', trigger => 'CREATE TRIGGER hold BEFORE DELETE ON products ' . sprintf($row, 'old', 450) },
	{ name => 'update', on => 'there', trigger => 'CREATE TRIGGER hold BEFORE UPDATE ON products ' . sprintf($row, 'old', 1501) },
	{
		name => 'update with a log', on => 'there', log => 'rows',
		trigger => 'CREATE TRIGGER hold BEFORE UPDATE ON products ' . sprintf($row, 'old', 1501)
	},
	{ name => 'insert', on => 'there', trigger => 'CREATE TRIGGER hold BEFORE INSERT ON products ' . sprintf($row, 'new', 4500) },
	{ name => 'recording', on => 'here', lock => 'LOCK TABLE deltaetl_run_entry IN SHARE MODE' },
	{
		name => 'told to commit', on => 'there', committing => 1,
		trigger => 'CREATE CONSTRAINT TRIGGER hold AFTER INSERT ON products DEFERRABLE INITIALLY DEFERRED ' . sprintf($row, 'new', 4500)
	});

# ---------- runs ----------

my %locker;

sub hold_gate
{
	my ($phase) = @_;
	my $session = $locker{ $phase->{on} } //= $node{ $phase->{on} }->background_psql('postgres');

	$session->set_query_timer_restart;
	$session->query_safe('BEGIN');
	$session->query_safe($phase->{lock} // 'SELECT pg_advisory_xact_lock(1)');
}

# It has gone already where its server has.
sub open_gate
{
	my ($phase) = @_;
	my $session = delete $locker{ $phase->{on} };

	eval { $session->query('COMMIT'); $session->quit; 1 } or eval { $session->{run}->finish };
}

# The process of a server that the run has there.
# One that is at work; others may not have gone yet.
sub backend
{
	my ($side, $extra) = @_;
	my $name = $side eq 'here' ? 'run' : 'postgres_fdw';

	return $node{$side}->safe_psql('postgres',
		"SELECT min(pid) FROM pg_stat_activity WHERE application_name = '$name' AND backend_type = 'client backend' AND xact_start IS NOT NULL " . ($extra // ''));
}

sub start_run
{
	my ($phase) = @_;
	my $log = $phase->{log} // 'none';
	my $session = start_session($node{here},
		"SELECT inserted, updated, deleted FROM deltaetl_sync('staging', 'products', '{id}', deletes => 'delete', log_changes => '$log')");

	until (backend($phase->{on}, "AND wait_event_type = 'Lock'"))
	{
		$session->{run}->pump_nb;
		die "the run does not wait: $session->{out}$session->{err}" unless $session->{run}->pumpable;
		usleep(50_000);
	}
	return $session;
}

sub restart
{
	my ($side) = @_;
	poll_start($node{$side}) or die "$side does not come back";
}

# Of a server whose postmaster has gone no process does anything more, once it has
# noticed that.
sub kill_victim
{
	my ($side, $victim, $pid) = @_;

	if ($victim eq 'backend')
	{
		kill 'KILL', $pid or die "could not kill $pid: $!";
		return;
	}
	$node{$side}->kill9;
	kill 'KILL', $pid if $victim eq 'stopped';
	foreach (1 .. 20 * $PostgreSQL::Test::Utils::timeout_default)
	{
		return unless kill 0, $pid;
		usleep(50_000);
	}
	die "process $pid goes on without its postmaster";
}

# What is left of the run on the other server ends by itself.
sub wait_for_end
{
	foreach my $side (qw(here there))
	{
		wait_for_server($node{$side});
		$node{$side}->poll_query_until('postgres',
			"SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name IN ('run', 'postgres_fdw') AND xact_start IS NOT NULL")
		  or die "a transaction goes on $side";
	}
}

# ---------- what has to hold ----------

my $staging = q(SELECT i AS id, 'product ' || i AS name, i AS amount FROM generate_series(501, 5000) AS i);

sub state
{
	my $same = sub { "NOT EXISTS (($_[0] EXCEPT ALL TABLE products) UNION ALL (TABLE products EXCEPT ALL $_[0]))" };
	my ($before, $after) = split /\|/, $node{there}->safe_psql('postgres', 'SELECT ' . join ', ', $same->('TABLE kept'), $same->("($staging)"));

	return $before eq 't' ? 'before' : $after eq 't' ? 'after' : 'neither';
}

sub is_mended
{
	my ($name, $state, $entries) = @_;
	my $counts = $state eq 'after' ? '0|0|0|4500' : '2000|1250|500|1250';

	is(state(), $state, "$name: the target is as $state the run");
	is(run_entries($node{here}), $entries, "$name: the run log does not know of it");
	is($node{here}->safe_psql('postgres', 'SELECT count(*) FROM deltaetl_change_entry WHERE run_id NOT IN (SELECT run_id FROM deltaetl_run_entry)'),
		'0', "$name: nor does the log of changes");
	is( $node{here}->safe_psql('postgres',
			q(SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync('staging', 'products', '{id}', deletes => 'delete'))),
		$counts, "$name: the next run does what is left to do");
	is(state(), 'after', "$name: and all is done");
}

sub kill_at_phase
{
	my ($phase, $side, $victim) = @_;
	my $name = "$victim killed $side, $phase->{name}";
	my ($entries, $session, $state);

	make_target($phase);
	$entries = run_entries($node{here});
	hold_gate($phase);
	$session = start_run($phase);
	kill_victim($side, $victim, backend($side));

	# the run ends by itself, unless it is our gate that it waits for
	end_session($session) if $side eq 'here' || $phase->{on} eq 'there';
	open_gate($phase);
	end_session($session) if $side eq 'there' && $phase->{on} eq 'here';
	restart($side) if $victim eq 'postmaster';
	wait_for_end();

	# who has been told to commit does so, whoever is there to hear of it
	$state = $phase->{committing} && $side eq 'here' ? 'after' : 'before';
	is_mended($name, $state, $entries);
}

connect_servers();
foreach my $phase (@phases)
{
	foreach my $victim (qw(backend postmaster))
	{
		# before it reads there it has no backend there
		kill_at_phase($phase, 'here', $victim);
		kill_at_phase($phase, 'there', $victim) if $phase->{name} ne 'waiting for the lock';
	}
}

# ---------- between the two commits ----------

# The run is stopped while it waits for the other server to commit, and killed
# when that is done.
foreach my $victim (qw(backend postmaster))
{
	my $phase = $phases[-1];
	my $name = "$victim killed here, between the commits";
	my ($entries, $session, $pid);

	make_target($phase);
	$entries = run_entries($node{here});
	hold_gate($phase);
	$session = start_run($phase);
	$pid = backend('here');
	kill 'STOP', $pid or die "could not stop $pid: $!";
	open_gate($phase);
	$node{there}->poll_query_until('postgres', 'SELECT count(*) > 0 FROM products WHERE id = 4500') or die 'the other server does not commit';
	kill_victim('here', $victim eq 'postmaster' ? 'stopped' : $victim, $pid);
	end_session($session);
	restart('here') if $victim eq 'postmaster';
	wait_for_end();
	is_mended($name, 'after', $entries);
}

done_testing();
