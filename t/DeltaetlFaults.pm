# Copyright (c) 2026, deltaetl maintainers

# What the tests of faults share: a server that gets up again, runs that are
# held at a phase until somebody does something to them, and what has to hold
# afterwards.
#
# A run is held by a lock that another session has: of a table, or an advisory
# one that functions in the definition of the tables wait for.  So it is where
# it is meant to be, however fast the machine is.

package DeltaetlFaults;

use strict;
use warnings FATAL => 'all';

use File::Find;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

use Exporter 'import';
our @EXPORT = qw(
  start_fault_node phases make_tables start_session end_session
  hold_run release_run stop_locker is_before_or_after is_in_order sync_again
  temporary_files poll_start run_entries wait_for_server log_end
);

# What holds runs, one session a node.
my %lockers;

# With so little memory all that can be written to temporary files is, and what
# can be done in parallel is.
sub start_fault_node
{
	my ($name, $settings, %options) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init(%options);
	$node->append_conf(
		'postgresql.conf', qq(
restart_after_crash = on
dynamic_shared_memory_type = mmap
shared_preload_libraries = 'deltaetl'
shared_buffers = 4MB
work_mem = 64kB
max_parallel_workers_per_gather = 0
min_parallel_table_scan_size = 0
parallel_setup_cost = 0
parallel_tuple_cost = 0
autovacuum = off
$settings));
	$node->start;
	$node->safe_psql(
		'postgres', q(
SET client_min_messages = warning;
CREATE EXTENSION deltaetl CASCADE;
CREATE FUNCTION pass_gate() RETURNS boolean LANGUAGE plpgsql PARALLEL SAFE COST 10000 AS $$
BEGIN
	PERFORM pg_advisory_lock_shared(1);
	PERFORM pg_advisory_unlock_shared(1);
	RETURN true;
END $$;
CREATE FUNCTION hold_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pass_gate();
	RETURN COALESCE(new, old);
END $$;

-- when the source is read
CREATE TYPE amount AS (value int);
CREATE FUNCTION read_amount(amount) RETURNS int LANGUAGE plpgsql PARALLEL SAFE COST 10000 AS $$
BEGIN
	IF $1.value = 2500 THEN
		PERFORM pass_gate();
	END IF;
	RETURN $1.value;
END $$;
CREATE CAST (amount AS int) WITH FUNCTION read_amount(amount) AS ASSIGNMENT;

-- when the target is read, which alone has such rows
CREATE FUNCTION in_scope(id int) RETURNS boolean LANGUAGE plpgsql PARALLEL SAFE COST 10000 AS $$
BEGIN
	RETURN CASE WHEN id = 450 THEN pass_gate() ELSE true END;
END $$;

-- when rows that only one side has are matched
CREATE TYPE part AS (value int);
CREATE FUNCTION compare_parts(part, part) RETURNS int LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
	IF 2750 IN ($1.value, $2.value) THEN
		PERFORM pass_gate();
	END IF;
	RETURN btint4cmp($1.value, $2.value);
END $$;
CREATE FUNCTION part_lt(part, part) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT AS 'SELECT compare_parts($1, $2) < 0';
CREATE FUNCTION part_le(part, part) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT AS 'SELECT compare_parts($1, $2) <= 0';
CREATE FUNCTION part_eq(part, part) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT AS 'SELECT compare_parts($1, $2) = 0';
CREATE FUNCTION part_ge(part, part) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT AS 'SELECT compare_parts($1, $2) >= 0';
CREATE FUNCTION part_gt(part, part) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT AS 'SELECT compare_parts($1, $2) > 0';
CREATE OPERATOR < (FUNCTION = part_lt, LEFTARG = part, RIGHTARG = part);
CREATE OPERATOR <= (FUNCTION = part_le, LEFTARG = part, RIGHTARG = part);
CREATE OPERATOR = (FUNCTION = part_eq, LEFTARG = part, RIGHTARG = part, COMMUTATOR = =, MERGES);
CREATE OPERATOR >= (FUNCTION = part_ge, LEFTARG = part, RIGHTARG = part);
CREATE OPERATOR > (FUNCTION = part_gt, LEFTARG = part, RIGHTARG = part);
CREATE OPERATOR CLASS part_ops DEFAULT FOR TYPE part USING btree AS OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =,
	OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 compare_parts(part, part);));
	return $node;
}

# Each phase: what is done to the tables so that a run stops there, whether the
# gate is closed or a table is locked, and how the run is called.
sub phases
{
	my $trigger = 'CREATE TRIGGER hold_row BEFORE %s ON products FOR EACH ROW WHEN (%s.id = %d) EXECUTE FUNCTION hold_row()';
	my $check = 'ALTER TABLE products ADD CHECK (id <> %d OR amount = %d OR pass_gate()) NOT VALID';
	my $key = join '; ', (map { "ALTER TABLE $_ ADD part part; UPDATE $_ SET part = ROW(id)::part" } qw(products staging)),
	  'ALTER TABLE products ALTER part SET NOT NULL', 'DROP INDEX products_id_idx',
	  'CREATE UNIQUE INDEX ON products (id, part)';
	my $parallel = 'SET max_parallel_workers_per_gather = 2; SET parallel_leader_participation = off;';

	return (
		{ name => 'waiting for the lock', lock => 'products', mode => 'ROW EXCLUSIVE' },
		{ name => 'reading the source', type => 'amount' },
		{ name => 'reading the source in workers', type => 'amount', set => $parallel, worker => 1 },
		{ name => 'reading the target', scope => 'public.in_scope(id)' },
		{ name => 'reading the target in workers', scope => 'public.in_scope(id)', set => $parallel, worker => 1 },
		{ name => 'matching rows', alter => $key, spilled => 1 },
		{ name => 'delete', alter => sprintf($trigger, 'DELETE', 'old', 450), spilled => 1 },
		{ name => 'update', alter => sprintf($trigger, 'UPDATE', 'new', 1500), spilled => 1 },
		{ name => 'insert', alter => sprintf($trigger, 'INSERT', 'new', 4500), spilled => 1 },
		{ name => 'update without a plan', alter => sprintf($check, 1500, -1500), spilled => 1 },
		{ name => 'insert without a plan', alter => sprintf($check, 4500, -4500), spilled => 1 },
		{
			name => 'firing triggers',
			alter => sprintf($trigger, 'INSERT', 'new', 4500) =~ s/BEFORE/AFTER/r,
			spilled => 1
		},
		{ name => 'logging changes', lock => 'deltaetl_change_entry', mode => 'SHARE', spilled => 1 },
		{ name => 'recording', lock => 'deltaetl_run_entry', mode => 'SHARE' },
		{
			name => 'before commit',
			alter => sprintf($trigger, 'INSERT', 'new', 4500)
			  =~ s/CREATE TRIGGER/CREATE CONSTRAINT TRIGGER/r =~ s/BEFORE/AFTER/r =~ s/FOR EACH/DEFERRABLE INITIALLY DEFERRED FOR EACH/r
		});
}

# Source and target anew, so that a run has rows to insert, update and delete
# and others that are the same; and what is needed to stop at a phase.
sub make_tables
{
	my ($node, $phase) = @_;
	my $type = $phase->{type} // 'int';
	my $alter = $phase->{alter} // '';
	my $value = $type eq 'int' ? 'i' : 'ROW(i)::amount';

	$node->safe_psql(
		'postgres', qq(
SET client_min_messages = warning;
DROP TABLE IF EXISTS staging, products, kept;
CREATE TABLE products (id int NOT NULL, name text, amount int);
CREATE TABLE staging (id int NOT NULL, name text, amount $type);
INSERT INTO products SELECT i, 'product ' || i, CASE WHEN i % 2 = 0 THEN i ELSE -i END FROM generate_series(1, 3000) AS i;
UPDATE products SET amount = -id WHERE id IN (1500, 2500, 2750);
INSERT INTO staging SELECT i, 'product ' || i, $value FROM generate_series(501, 5000) AS i;
CREATE TABLE kept AS TABLE products;
CREATE UNIQUE INDEX ON products (id);
ANALYZE;
$alter;));
	$phase->{call} = ($phase->{set} // '') . ' SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync('
	  . q('staging', 'products', deletes => 'delete', log_changes => 'rows')
	  . ($phase->{scope} ? ", scope => '$phase->{scope}')" : ')');
	return;
}

# ---------- sessions ----------

# A session that runs some statements, one after the other even if they fail;
# wait for its end with end_session().
sub start_session
{
	my ($node, @statements) = @_;
	my %session = (out => '', err => '', node => $node);

	$session{run} = IPC::Run::start(
		[
			'psql', '-X', '-A', '-t', '-q', '-d', $node->connstr('postgres') . ' application_name=run',
			map { ('-c', $_) } @statements
		],
		'<', \undef, '>', \$session{out}, '2>', \$session{err});
	return \%session;
}

sub end_session
{
	my ($session) = @_;
	$session->{run}->finish;
	return $session;
}

# What waits for a lock: the run itself, or a worker of it.
sub waiting
{
	my ($session, $type) = @_;
	my $query = qq(SELECT min(a.pid) FROM pg_stat_activity AS a JOIN pg_locks AS l USING (pid)
		WHERE NOT l.granted AND a.backend_type = '$type');
	my $pid = '';

	while ($pid eq '')
	{
		$session->{run}->pump_nb;
		die "no $type waits: $session->{out}$session->{err}" unless $session->{run}->pumpable;
		usleep(50_000);
		$pid = $session->{node}->safe_psql('postgres', $query);
	}
	return $pid;
}

# Start a run that stops at a phase; it has the process ids of the run and,
# where workers wait, of one of them.
sub hold_run
{
	my ($node, $phase, @statements) = @_;
	my $locker = $lockers{ $node->name } //= $node->background_psql('postgres');
	my $lock = $phase->{lock} ? "LOCK TABLE $phase->{lock} IN $phase->{mode} MODE" : 'SELECT pg_advisory_xact_lock(1)';
	my $session;

	$locker->set_query_timer_restart;
	$locker->query_safe('BEGIN');
	$locker->query_safe($lock);
	$session = start_session($node, @statements ? @statements : $phase->{call});
	$session->{held} = waiting($session, $phase->{worker} ? 'parallel worker' : 'client backend');
	$session->{pid} =
	  $node->safe_psql('postgres', q(SELECT pid FROM pg_stat_activity WHERE application_name = 'run' AND backend_type = 'client backend'));
	return $session;
}

sub release_run
{
	my ($node) = @_;
	$lockers{ $node->name }->query_safe('COMMIT');
	return;
}

# It has ended already where the server has.
sub stop_locker
{
	my ($node) = @_;
	my $locker = delete $lockers{ $node->name };
	eval { $locker->{run}->finish; } if $locker;
	return;
}

# ---------- servers ----------

# Processes that a killed postmaster has left have to go first.
sub poll_start
{
	my ($node) = @_;

	foreach my $i (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		return 1 if $node->start(fail_ok => 1);
		usleep(100_000);

		# the file that a failed start has left would be taken for a server
		$node->stop('fast', fail_ok => 1);
	}
	return 0;
}

# After a process of it has been killed.  It takes a moment until the server
# knows, and before that it is there; where in its log that will be tells
# log_end() before.
sub wait_for_server
{
	my ($node, $offset) = @_;

	foreach (1 .. (defined $offset ? 300 : 0))
	{
		last if slurp_file($node->logfile, $offset) =~ /all server processes terminated; reinitializing/;
		usleep(100_000);
	}
	return $node->poll_query_until('postgres', 'SELECT true');
}

sub log_end
{
	my ($node) = @_;
	return -s $node->logfile;
}

# Files below the directories for temporary ones.
sub temporary_files
{
	my ($node) = @_;
	my @files;

	find(
		{
			wanted => sub { push @files, $_ if m{/pgsql_tmp/.} && -f },
			no_chdir => 1,
			follow_skip => 2
		},
		grep { -d } $node->data_dir . '/base/pgsql_tmp', glob($node->data_dir . '/pg_tblspc/*/*/pgsql_tmp'));
	@files = sort @files;
	return @files;
}

# ---------- what has to hold ----------

sub run_entries
{
	my ($node) = @_;
	return $node->safe_psql('postgres', 'SELECT count(*) FROM deltaetl_run_entry');
}

sub differ
{
	my ($table) = @_;
	my $columns = q(SELECT id, name, translate(amount::text, '()', ''));
	return "EXISTS ($columns FROM products EXCEPT ALL $columns FROM $table)"
	  . " OR EXISTS ($columns FROM $table EXCEPT ALL $columns FROM products)";
}

# The target is as it was, or as it is to be; returns which of them.
sub is_before_or_after
{
	my ($node, $entries, $name) = @_;
	my ($before, $after, $logged, $changes) = split /\|/,
	  $node->safe_psql('postgres', 'SELECT NOT (' . differ('kept') . '), NOT (' . differ('staging') . '),'
		  . ' (SELECT count(*) FROM deltaetl_run_entry),'
		  . ' (SELECT count(*) FROM deltaetl_change_entry WHERE run_id NOT IN (SELECT run_id FROM deltaetl_run_entry))');
	my $state = $before eq 't' ? 'before' : $after eq 't' ? 'after' : 'neither';

	isnt($state, 'neither', "$name: the target is as before or after the run");
	is($logged - $entries, $state eq 'after' ? 1 : 0, "$name: so says the run log");
	is($changes, '0', "$name: no change is logged without its run");
	return $state;
}

# Nothing is left of the run.
sub is_in_order
{
	my ($node, $name) = @_;

	is(join(', ', temporary_files($node)), '', "$name: no temporary file is left");
	is( $node->safe_psql('postgres',
			q(SELECT (SELECT count(*) FROM deltaetl_progress), count(*) FROM pg_locks
			  WHERE relation = 'products'::regclass OR (locktype = 'advisory' AND objsubid > 2))),
		'0|0', "$name: nor is a run shown, or a lock held");
	return;
}

# The same again, with nobody in its way.
sub sync_again
{
	my ($node, $phase, $name) = @_;

	$node->safe_psql('postgres', $phase->{call});
	is($node->safe_psql('postgres', 'SELECT ' . differ('staging')), 'f', "$name: the next run does all");
	return;
}

1;
