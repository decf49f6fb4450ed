# Copyright (c) 2026, deltaetl maintainers

=pod

=head1 NAME

DeltaetlSoak - syncs among writers and readers, for as long as one likes

=head1 SYNOPSIS

  use DeltaetlSoak qw(soak);

  my ($figures, @problems) = soak(seconds => 60, modes => ['table'], say => sub { ... });

=head1 DESCRIPTION

Runs on the server that PGHOST and its like name, in a database of its own,
with the psql and pgbench that PATH has.  The time is shared by rounds, one for
each mode of locking and each kind of target.  In a round pgbench runs

=over

=item syncs

of one target from two sources, at each isolation level, with deletes, scopes,
dry runs, savepoints, a log of changes, short lock timeouts;

=item writers

that write hot keys (by Zipf's law), at each isolation level;

=item readers, and loaders

who write both sources anew while they are read.

=back

=head1 WHAT HAS TO HOLD

Columns C<sold> and C<balance> are not synced.  Each C<count> adds one to a
C<sold>, each C<transfer> moves one from a C<balance> to another, so what a sync
writes back from a row as it was before is missed in a sum in the end.  Rows up
to 1000 are in the sources always; from 1001 to 2000 anybody inserts, deletes
and gives other keys; from 2001 on only syncs write.

A sync that has locked its source is followed, in its transaction, by EXCEPT ALL
both ways; where others may write to the target meanwhile, for the rows that only
syncs write, and for those that the log of changes names.  In the end one more sync has to make both equal, and a second one
find nothing to do.

Serialization failures, deadlocks that the server resolved and lock timeouts may
happen.  Any other error is a problem, and so is a client that does not end.

=cut

package DeltaetlSoak;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use File::Temp;
use POSIX ();

our @EXPORT_OK = qw(soak);

# How long, after the time is over, a client may take to end.
my $patience = 600;

my $balance = 1_000_000;
my $target_columns = q{
	id int PRIMARY KEY, name text, price numeric(10,2),
	sold int NOT NULL DEFAULT 0, balance int NOT NULL DEFAULT 0};
my %kinds = (
	plain => "CREATE TABLE products ($target_columns)",
	tracked => qq{
		CREATE TABLE products ($target_columns);
		SELECT deltaetl_track('products', ARRAY['name', 'price'])},
	partitioned => qq{
		CREATE TABLE products ($target_columns) PARTITION BY RANGE (id);
		CREATE TABLE products_1 PARTITION OF products FOR VALUES FROM (0) TO (1001);
		CREATE TABLE products_2 PARTITION OF products FOR VALUES FROM (1001) TO (1500);
		CREATE TABLE products_3 PARTITION OF products FOR VALUES FROM (1500) TO (4000)},
	trigger => qq{
		CREATE TABLE products ($target_columns);
		CREATE TRIGGER note AFTER INSERT OR UPDATE OF name, price OR DELETE ON products
			FOR EACH ROW EXECUTE FUNCTION note()});

my $setup = q{
CREATE FUNCTION generation(number int) RETURNS TABLE (id int, name text, price numeric) LANGUAGE sql AS $$
	SELECT i, format('product %s of %s', i, CASE WHEN hashint4(i + number) % 3 = 0 THEN number ELSE 0 END), i + 0.5
	FROM generate_series(1, 3000) AS i
	WHERE i <= 1000 OR hashint4(i * 7 + number) % 10 <> 0
$$;
CREATE TABLE audit (id int);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
	$$BEGIN INSERT INTO audit VALUES (coalesce(new.id, old.id)); RETURN NULL; END$$;
CREATE TABLE staging (id int, name text, price numeric);
CREATE TABLE loaded (LIKE staging) PARTITION BY HASH (id);
CREATE TABLE loaded_0 PARTITION OF loaded FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE loaded_1 PARTITION OF loaded FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO staging SELECT * FROM generation(0);
INSERT INTO loaded SELECT * FROM generation(1);
CREATE VIEW loaded_view AS SELECT id, upper(name) AS name, price FROM loaded;
INSERT INTO products (id, name, price, balance)
	SELECT id, name, price, CASE WHEN id <= 1000 THEN BALANCE / 1000 ELSE 0 END FROM generation(2);
CREATE INDEX products_name ON products (name);
CREATE TABLE sales (product int NOT NULL REFERENCES products);
CREATE TABLE notes (product int NOT NULL REFERENCES products ON UPDATE CASCADE ON DELETE CASCADE);
CREATE INDEX ON sales (product);
CREATE INDEX ON notes (product);
CREATE TABLE timeouts (at timestamptz);
CREATE FUNCTION give_key(old int, new int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	UPDATE products SET id = new WHERE id = old;
EXCEPTION WHEN unique_violation THEN
END $$;
CREATE FUNCTION hasty_sync() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	SET LOCAL lock_timeout = '2ms';
	PERFORM SYNC('staging');
EXCEPTION WHEN lock_not_available THEN
	INSERT INTO timeouts VALUES (now());
END $$;
CREATE FUNCTION differing(source regclass, scope text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	number bigint;
BEGIN
	EXECUTE format('SELECT count(*) FROM (
		(SELECT id, name, price FROM products WHERE %2$s EXCEPT ALL SELECT id, name, price::numeric(10,2) FROM %1$s WHERE %2$s) UNION ALL
		(SELECT id, name, price::numeric(10,2) FROM %1$s WHERE %2$s EXCEPT ALL SELECT id, name, price FROM products WHERE %2$s)) AS d',
		source, scope) INTO number;
	RETURN number;
END $$;
CREATE FUNCTION check_equal(source regclass, scope text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF differing(source, scope) > 0 THEN
		RAISE EXCEPTION 'oracle: % rows differ from %', differing(source, scope), source;
	END IF;
END $$;
};

# ---------- what the clients do ----------

# SYNC('source', more) is made a call in the mode of the round; WRITTEN is a
# condition for the rows that nobody but syncs may have written.
my %syncs = (
	sync => q{
BEGIN;
LOCK TABLE staging IN SHARE MODE;
SELECT SYNC('staging', deletes => 'delete');
SELECT check_equal('staging', 'WRITTEN');
COMMIT;
},
	sync_logged => q{
BEGIN;
LOCK TABLE staging IN SHARE MODE;
SELECT run_id FROM SYNC('staging', deletes => 'delete', log_changes => 'keys', max_delete_pct => 100) \gset
SELECT check_equal('staging', 'id IN (SELECT (key->>''id'')::int FROM deltaetl_change_log WHERE run_id = :run_id)');
SELECT check_equal('staging', 'WRITTEN');
COMMIT;
},
	sync_repeatable => q{
BEGIN ISOLATION LEVEL REPEATABLE READ;
LOCK TABLE staging IN SHARE MODE;
SELECT SYNC('staging', deletes => 'delete');
SELECT check_equal('staging', 'true');
COMMIT;
},
	sync_serializable => q{
BEGIN ISOLATION LEVEL SERIALIZABLE;
LOCK TABLE staging IN SHARE MODE;
SELECT SYNC('staging', deletes => 'delete');
SELECT check_equal('staging', 'true');
COMMIT;
},
	sync_locked => q{
BEGIN ISOLATION LEVEL SERIALIZABLE;
LOCK TABLE staging IN SHARE MODE;
LOCK TABLE products IN SHARE ROW EXCLUSIVE MODE;
SELECT SYNC('staging', deletes => 'delete');
SELECT check_equal('staging', 'true');
COMMIT;
},
	sync_unlocked => q{
SELECT SYNC('staging', scope => 'id <= 2000');
},
	sync_loaded => q{
SELECT SYNC('loaded', scope => 'id <= 2000', deletes => 'delete');
},
	sync_view => q{
SELECT SYNC('loaded_view', scope => 'id <= 1000');
},
	sync_skip => q{
SELECT SYNC('staging', scope => 'id <= 2000', if_running => 'skip');
},
	sync_undone => q{
BEGIN;
SAVEPOINT a;
SELECT SYNC('staging', scope => 'id <= 2000', deletes => 'delete');
ROLLBACK TO a;
SELECT SYNC('staging', scope => 'id <= 500');
COMMIT;
},
	sync_hasty => q{
SELECT hasty_sync();
},
	sync_dry => q{
SELECT SYNC('staging', deletes => 'delete', dry_run => true);
});

my $hot = '\set id random_zipfian(1, 1000, 1.2)';
my $volatile = '\set id random(1001, 2000)';
my %writers = (
	count => qq{
$hot
UPDATE products SET sold = sold + 1 WHERE id = :id;
},
	count_locked => qq{
$hot
BEGIN;
SELECT sold FROM products WHERE id = :id FOR UPDATE \\gset
UPDATE products SET sold = :sold + 1 WHERE id = :id;
COMMIT;
},
	transfer => qq{
$hot
\\set other random_zipfian(1, 1000, 1.2)
BEGIN;
UPDATE products SET balance = balance - 1 WHERE id = :id;
UPDATE products SET balance = balance + 1 WHERE id = :other;
COMMIT;
},
	spoil => qq{
$hot
UPDATE products SET name = 'spoilt', price = NULL WHERE id BETWEEN :id AND :id + 3 AND id <= 1000;
},
	sell => qq{
$hot
INSERT INTO sales VALUES (:id);
},
	note => qq{
$volatile
INSERT INTO notes SELECT id FROM products WHERE id = :id FOR KEY SHARE;
},
	put => qq{
$volatile
INSERT INTO products (id, name, price) VALUES (:id, 'mine', 1) ON CONFLICT (id) DO UPDATE SET name = 'mine';
},
	remove => qq{
$volatile
DELETE FROM products WHERE id = :id;
},
	move => qq{
$volatile
\\set other random(1001, 2000)
SELECT give_key(:id, :other);
});

my %readers = (
	sum => q{
SELECT 1 / (sum(balance) = BALANCE)::int FROM products WHERE id <= 1000;
},
	diff => q{
SELECT count(*) FROM deltaetl_diff('staging', 'products', exclude_columns => '{sold,balance}');
});

my %loaders = (
	reload => q{
\set number random(1, 100)
BEGIN;
LOCK TABLE staging IN SHARE ROW EXCLUSIVE MODE;
DELETE FROM staging;
INSERT INTO staging SELECT * FROM generation(:number);
COMMIT;
},
	touch => q{
\set id random(1, 2950)
UPDATE staging SET price = price + 1 WHERE id BETWEEN :id AND :id + 50;
},
	truncate => q{
\set number random(1, 100)
BEGIN;
TRUNCATE loaded;
INSERT INTO loaded SELECT * FROM generation(:number);
COMMIT;
});

# Scripts, how many clients run them, and what else pgbench is told.
my @groups = (
	{ scripts => \%syncs, clients => 2 },
	{ scripts => \%writers, clients => 4 },
	{ scripts => \%writers, clients => 1, isolation => 'repeatable read' },
	{ scripts => \%writers, clients => 1, isolation => 'serializable' },
	{ scripts => \%readers, clients => 1, options => [ '--rate', 50 ] },
	{ scripts => \%loaders, clients => 2, options => [ '--rate', 8 ] });

# ---------- tools ----------

# Run SQL in the database of the round; returns what it has said, dies of errors.
sub run_sql
{
	my ($sql, $database) = @_;
	my $file = File::Temp->new;

	print $file $sql;
	$file->flush;
	my $output = qx{psql -X -q -A -t -v ON_ERROR_STOP=1 -d '$database' -f '$file' 2>&1};
	die "psql failed: $output\n" if $? != 0;
	chomp $output;
	return $output;
}

# The text of a script or a definition as it is in a round.
sub fill_in
{
	my ($text, $round) = @_;
	my $more = "exclude_columns => '{sold,balance}'";
	my $written = $round->{mode} eq 'table' ? 'true' : 'id > 2000';

	$more .= ", lock_mode => '$round->{mode}'" if $round->{mode} ne 'table';
	$text =~ s/SYNC\('(\w+)'/deltaetl_sync('$1', 'products', $more/g;
	$text =~ s/\bWRITTEN\b/$written/g;
	$text =~ s/\bBALANCE\b/$balance/g;
	return $text;
}

sub write_file
{
	my ($path, $text) = @_;

	open(my $file, '>', $path) or die "$path: $!\n";
	print $file $text;
	close($file) or die "$path: $!\n";
}

sub read_file
{
	my ($path) = @_;
	local $/;

	open(my $file, '<', $path) or die "$path: $!\n";
	return scalar <$file>;
}

# ---------- clients ----------

# Start pgbench for a group; what it says goes to files.
sub start_group
{
	my ($group, $round) = @_;
	my $dir = File::Temp->newdir;
	my @files;

	foreach my $name (sort keys %{ $group->{scripts} })
	{
		write_file("$dir/$name.sql", fill_in($group->{scripts}{$name}, $round));
		push @files, '--file', "$dir/$name.sql";
	}
	my @command = ('pgbench', '--no-vacuum', '--failures-detailed', '--time', $round->{seconds},
		'--client', $group->{clients}, @{ $group->{options} // [] }, @files, $round->{database});
	my $pid = fork() // die "fork: $!\n";
	if ($pid == 0)
	{
		$ENV{PGOPTIONS} = "-c client_min_messages=error -c deadlock_timeout=50ms -c default_transaction_isolation="
		  . ($group->{isolation} // 'read committed') =~ s/ /\\ /gr;
		open(STDOUT, '>', "$dir/out") && open(STDERR, '>', "$dir/err") && exec @command;
		POSIX::_exit(127);
	}
	return { pid => $pid, dir => $dir };
}

# Wait for a client; returns whether it has ended by itself.
sub wait_for
{
	my ($client, $deadline) = @_;

	while (waitpid($client->{pid}, POSIX::WNOHANG()) == 0)
	{
		if (time() > $deadline)
		{
			kill 'KILL', $client->{pid};
			waitpid($client->{pid}, 0);
			return 0;
		}
		select(undef, undef, undef, 0.1);
	}
	$client->{status} = $?;
	return 1;
}

# Add what pgbench reports of each of its scripts.
sub add_report
{
	my ($report, $done, $figures) = @_;

	while ($report =~ /^SQL script \d+: \S*?(\w+)\.sql\n(.*?)(?=^SQL script|\z)/msg)
	{
		my ($name, $part) = ($1, $2);
		my ($count) = $part =~ /^ - number of transactions actually processed: (\d+)/m;

		# before PostgreSQL 18 this one is without those that have failed
		($count) = $part =~ /^ - (\d+) transactions/m if !defined $count;

		$done->{$name} += $count;
		$figures->{ $name =~ /^sync/ ? 'syncs' : 'transactions' } += $count;
	}
	$figures->{'serialization failures'} += $1 while $report =~ /^number of serialization failures: (\d+)/mg;
	$figures->{deadlocks} += $1 while $report =~ /^number of deadlock failures: (\d+)/mg;
}

# Run all groups at once; returns what has gone wrong.
sub run_groups
{
	my ($round, $done, $figures) = @_;
	my @problems;
	my @clients = map { start_group($_, $round) } @groups;
	my $deadline = time() + $round->{seconds} + $patience;

	foreach my $client (@clients)
	{
		my $ended = wait_for($client, $deadline);
		my $error = read_file("$client->{dir}/err");

		push @problems, "a client has not ended\n" if !$ended;
		push @problems, "pgbench failed: $error" if $ended && $client->{status} != 0;
		add_report(read_file("$client->{dir}/out"), $done, $figures);
	}
	return @problems;
}

# ---------- rounds ----------

# What a query says has to be what is expected.
sub expect
{
	my ($what, $expected, $sql, $round) = @_;
	my $got = run_sql(fill_in($sql, $round), $round->{database});

	return $got eq $expected ? () : "$what: $got, not $expected\n";
}

# Held against what the clients say they have done.
sub check_round
{
	my ($round, $done) = @_;
	my $counts = $done->{count} + $done->{count_locked};
	my $equal = q{SELECT differing('staging', 'true')};
	my @checks = (
		[ 'counts', $counts, 'SELECT sum(sold) FROM products' ],
		[ 'balance', $balance, 'SELECT sum(balance) FROM products' ],
		[ 'sales', $done->{sell}, 'SELECT count(*) FROM sales' ],
		[ 'children without a parent', 0,
			'SELECT count(*) FROM (TABLE notes UNION ALL TABLE sales) AS c WHERE product NOT IN (SELECT id FROM products)' ],
		[ 'keys that occur twice', 0, 'SELECT count(*) - count(DISTINCT id) FROM products' ],
		[ 'a last sync', 't', "SELECT inserted + updated + deleted >= 0 FROM SYNC('staging', deletes => 'delete')" ],
		[ 'rows that differ', 0, $equal ],
		[ 'changes of one more', 0, "SELECT inserted + updated + deleted FROM SYNC('staging', deletes => 'delete')" ],
		[ 'damage to a table or index', 0, q{
			SELECT count(bt_index_parent_check(i.indexrelid, true)) * 0 + (SELECT count(*) FROM pg_class AS t, verify_heapam(t.oid) WHERE t.relname ~ '^products' AND t.relkind = 'r')
			FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid AND c.relkind = 'i' JOIN pg_class AS t ON t.oid = i.indrelid
			WHERE t.relname ~ '^products'} ],
		[ 'locks that are left', 0, q{
			SELECT count(*) FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
			WHERE (l.relation = 'products'::regclass OR l.locktype = 'advisory') AND a.backend_type = 'client backend'} ]);

	if ($round->{kind} eq 'tracked')
	{
		push @checks, [ 'wrong hashes', 0, q{SELECT count(*) FROM deltaetl_verify('products')} ];
	}
	return map { expect(@$_, $round) } @checks;
}

# Each sync that has been committed is in the log once: sync_undone leaves one
# of two, sync_hasty none if it has given up; the last two were our own.
sub check_log
{
	my ($round, $done) = @_;
	my $runs = 2;

	$runs += $done->{$_} foreach keys %syncs;
	return expect('runs in the log', $runs,
		'SELECT (SELECT count(*) FROM deltaetl_run_entry) + (SELECT count(*) FROM timeouts)', $round);
}

sub run_round
{
	my ($round, $figures, $say) = @_;
	my %done = map { $_ => 0 } map { keys %{ $_->{scripts} } } @groups;
	my @problems;

	$round->{database} = "soak_$round->{mode}_$round->{kind}";
	run_sql("CREATE DATABASE $round->{database}", 'postgres');
	run_sql(
		"CREATE EXTENSION deltaetl CASCADE; CREATE EXTENSION amcheck;\n"
		  . fill_in($setup =~ s/(?=^INSERT INTO products)/$kinds{$round->{kind}};\n/mr, $round), $round->{database});
	push @problems, run_groups($round, \%done, $figures);
	$figures->{'lock timeouts'} += run_sql('SELECT count(*) FROM timeouts', $round->{database});
	push @problems, check_round($round, \%done), check_log($round, \%done) if !@problems;
	$say->(join(', ', "$round->{mode}, $round->{kind}", map { "$_ $done{$_}" } sort keys %done));
	run_sql("DROP DATABASE $round->{database}", 'postgres') if !@problems;
	return map { "lock_mode $round->{mode}, target $round->{kind}: $_" } @problems;
}

=pod

=head1 FUNCTION

soak(seconds, modes, kinds, say) takes how long in all, the values of
C<lock_mode>, the kinds of target (all of them, if none is named) and who is told
of each round.  It returns the figures, by name, and a list of problems, which is
empty if all is well.  The database of a round that has problems is left.

=cut

sub soak
{
	my (%args) = @_;
	my %figures = map { $_ => 0 } 'syncs', 'transactions', 'serialization failures', 'deadlocks', 'lock timeouts';
	my @kinds = @{ $args{kinds} // [ sort keys %kinds ] };
	my @rounds = map { my $mode = $_; map { { mode => $mode, kind => $_ } } @kinds } @{ $args{modes} };
	my @problems;

	foreach my $round (@rounds)
	{
		$round->{seconds} = POSIX::ceil($args{seconds} / @rounds);
		push @problems, run_round($round, \%figures, $args{say} // sub { });
	}
	return (\%figures, @problems);
}

1;
