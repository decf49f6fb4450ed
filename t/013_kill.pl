# Copyright (c) 2026, deltaetl maintainers

# Processes that are killed at each phase of a run: the backend, a parallel
# worker, the postmaster.  After recovery the target is as before or as after
# the run, the run log agrees, and nothing is left that keeps the next one from
# doing its work.  At phases that are too short to stop at, runs are killed at
# random moments; DELTAETL_FAULTS says how often.

use strict;
use warnings FATAL => 'all';

use DeltaetlFaults;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep time);

my $rounds = $ENV{DELTAETL_FAULTS} // 4;
my $node = start_fault_node('main', 'max_prepared_transactions = 1');
my $shared_memory;
my $faults = 0;

# Files that stand for segments of shared memory
sub segments
{
	return scalar @{ [ glob $node->data_dir . '/pg_dynshmem/*' ] };
}

sub kill_process
{
	my ($pid) = @_;

	kill 'KILL', $pid or die "could not kill $pid: $!";
	$faults++;
}

# The backend or worker, which takes all others with it, or the postmaster.
sub kill_run
{
	my ($session, $victim) = @_;
	my $offset = log_end($node);

	if ($victim eq 'postmaster')
	{
		$node->kill9;
		$faults++;
	}
	else
	{
		kill_process($victim eq 'worker' ? $session->{held} : $session->{pid});
	}
	end_session($session);
	stop_locker($node);
	$victim eq 'postmaster' ? poll_start($node) : wait_for_server($node, $offset)
	  or die 'the server does not come back';
}

sub kill_at_phase
{
	my ($phase, $victim) = @_;
	my $name = "$victim killed, $phase->{name}";
	my ($entries, $session);

	make_tables($node, $phase);
	$entries = run_entries($node);
	$session = hold_run($node, $phase);
	cmp_ok(scalar temporary_files($node), '>', 0, "$name: there are temporary files") if $phase->{spilled};
	kill_run($session, $victim);
	is(is_before_or_after($node, $entries, $name), 'before', "$name: nothing has been done");
	is_in_order($node, $name);
	sync_again($node, $phase, $name);
	cmp_ok(segments(), '<=', $shared_memory, "$name: no shared memory is left");
}

# What is shared from the first run on
make_tables($node, (phases())[0]);
sync_again($node, { call => q(SELECT deltaetl_sync('staging', 'products', deletes => 'delete')) }, 'at first');
is_in_order($node, 'at first');
$shared_memory = segments();

foreach my $phase (phases())
{
	kill_at_phase($phase, $_) foreach ('backend', 'postmaster', $phase->{worker} ? 'worker' : ());
}

# ---------- random moments ----------

# The run that is killed may also be done before.
my %states;
my $seed = $ENV{DELTAETL_SEED} // int(rand(1e9));
srand($seed);
note "DELTAETL_SEED=$seed";
my $phase = { name => 'any', set => 'SET max_parallel_workers_per_gather = 2;' };
make_tables($node, $phase);
my $start = time;
$node->safe_psql('postgres', $phase->{call});
my $duration = time - $start;
foreach my $round (1 .. $rounds)
{
	my $victim = ('backend', 'backend', 'postmaster')[ rand 3 ];
	my $name = "round $round, $victim killed";
	my ($entries, $session);

	make_tables($node, $phase);
	$entries = run_entries($node);
	$session = start_session($node, $phase->{call});
	$node->poll_query_until('postgres',
		q(SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'run') OR )
		  . "(SELECT count(*) > $entries FROM deltaetl_run_entry)");
	$session->{pid} =
	  $node->safe_psql('postgres', q(SELECT pid FROM pg_stat_activity WHERE application_name = 'run' AND backend_type = 'client backend'));
	usleep(1e6 * rand $duration);
	$victim = 'postmaster' if $session->{pid} eq '' || !kill 0, $session->{pid};
	kill_run($session, $victim);
	$states{ is_before_or_after($node, $entries, $name) }++;
	is_in_order($node, $name);
	sync_again($node, $phase, $name);
}
note join ', ', map { "$_: $states{$_}" } sort keys %states;

# ---------- a run that is prepared, and jobs ----------

my $entries = run_entries($node);
make_tables($node, $phase);
$node->safe_psql('postgres', "BEGIN; $phase->{call}; PREPARE TRANSACTION 'a run'");
$node->kill9;
$faults++;
ok(poll_start($node), 'the server starts with a prepared run');
is(is_before_or_after($node, $entries, 'prepared'), 'before', 'which has done nothing yet');
my ($status, $out, $error) = $node->psql('postgres', $phase->{call} =~ s/\)$/, if_running => 'error')/r);
like($error, qr/another run on "products" has not finished/, 'but is known to have begun');
$node->safe_psql('postgres', q(COMMIT PREPARED 'a run'));
is(is_before_or_after($node, $entries, 'committed'), 'after', 'and can be committed');

# A job of which nobody is left to tell, and one that is killed when it does.
my $locked = { name => 'of a job', lock => 'deltaetl_run_entry', mode => 'SHARE' };
my $run_job = q(CALL deltaetl_run_job('load'));
$node->safe_psql('postgres', q(SELECT deltaetl_create_job('load', 'staging', 'products', '{"deletes": "delete"}')));
foreach my $fails (0, 1)
{
	make_tables($node, $locked);
	$node->safe_psql('postgres', 'ALTER TABLE products ADD CONSTRAINT last CHECK (id < 5000)') if $fails;
	$entries = run_entries($node);
	kill_run(hold_run($node, $locked, $run_job), 'backend');
	is(is_before_or_after($node, $entries, 'job'), 'before', 'a job that is killed has done nothing');
	is_in_order($node, 'job');
}
($status, $out, $error) = $node->psql('postgres', $run_job);
like($error, qr/violates check constraint "last"/, 'it fails');
$node->safe_psql('postgres', "ALTER TABLE products DROP CONSTRAINT last; $run_job");
is( $node->safe_psql('postgres', q(SELECT string_agg(status, ',' ORDER BY run_id) FROM deltaetl_run_entry WHERE job = 'load')),
	'failed,succeeded', 'and works afterwards, as the run log tells');

note "$faults processes killed";
$node->stop;
done_testing();
