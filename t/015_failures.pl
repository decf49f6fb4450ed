# Copyright (c) 2026, deltaetl maintainers

# Runs that fail at the last row, or because something has run out: disk space
# for tables, temporary files and WAL, the limit of temporary files, memory.  All
# in one session, which goes on each time: the target is as before, the error
# says what it can of the row, and once the cause is gone the run does all.
#
# Where DELTAETL_SMALL_DISKS names two directories on small file systems of their
# own, the first for tables and temporary files and the second for WAL, these are
# filled up as well; tools/diskfull provides them.

use strict;
use warnings FATAL => 'all';

use DeltaetlFaults;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = start_fault_node('main', "wal_buffers = 32kB\nwal_writer_delay = 10s\ncheckpoint_timeout = 1h\n",
	extra => ['--wal-segsize=1']);
my $phase = { name => 'any' };
my ($session, $pid);
my $failures = 0;
my @skipped;

sub open_session
{
	$session = $node->background_psql('postgres', on_error_stop => 0);
	$session->set_query_timer_restart;
	$pid = $session->query('SELECT pg_backend_pid()');
	chomp $pid;
}

# Run it in the session; returns its output and its errors.
sub in_session
{
	my ($sql) = @_;
	my $out;

	$session->{stderr} = '';
	$out = $session->query($sql);
	return ($out, $session->{stderr});
}

# A run that fails as it should, and does all once the cause has been removed.
#
# error: what it says; before, after: SQL or a function, the cause and what
# removes it; call: how it is run; oracle: false if the target ends otherwise
sub fails
{
	my ($name, $error, %how) = @_;
	my $entries = run_entries($node);
	my $call = $how{call} // $phase->{call};
	my ($out, $message);

	ref $how{before} ? $how{before}->() : in_session($how{before}) if $how{before};
	($out, $message) = in_session($call);
	like($message, $error, "$name: the error");
	unlike($out, qr/\d\|\d/, "$name: no result");
	$failures++;
	is(is_before_or_after($node, $entries, $name), 'before', "$name: nothing has been done");
	is_in_order($node, $name);
	ref $how{after} ? $how{after}->() : in_session($how{after}) if $how{after};
	($out, $message) = in_session($call);
	is($message, '', "$name: the session goes on");
	is(is_before_or_after($node, $entries, "$name, again"), 'after', "$name: and does all");
}

# ---------- the last row ----------

my %way = (
	'without a plan' => '',
	'by a statement' =>
	  'CREATE TRIGGER nothing BEFORE INSERT OR UPDATE OR DELETE ON products FOR EACH ROW EXECUTE FUNCTION do_nothing();');
my %key = (INSERT => 5000, UPDATE => 2999, DELETE => 500);

$node->safe_psql(
	'postgres', q(
CREATE FUNCTION do_nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN COALESCE(new, old); END';
CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE 'row % is refused', CASE WHEN TG_LEVEL = 'ROW' THEN COALESCE(new.id, old.id) END;
END $$;
CREATE DOMAIN small AS int CHECK (VALUE < 5000);
CREATE TYPE level AS ENUM ('low');
CREATE CAST (text AS level) WITH INOUT AS ASSIGNMENT;
));
open_session();

sub anew
{
	my ($way) = @_;

	make_tables($node, $phase);
	$node->safe_psql('postgres', $way{$way});
}

foreach my $way (sort keys %way)
{
	foreach my $action (sort keys %key)
	{
		my $id = $key{$action};

		if ($action ne 'DELETE')
		{
			my $amount = $id;

			anew($way);
			fails("$action $way, CHECK", qr/violates check constraint "last".*\(\Q$id\E, product $id, $amount\)/s,
				before => "ALTER TABLE products ADD CONSTRAINT last CHECK (id <> $id OR amount < 0) NOT VALID",
				after => 'ALTER TABLE products DROP CONSTRAINT last');
			anew($way);
			fails("$action $way, NOT NULL", qr/null value in column "amount".*\(\Q$id\E, product $id, null\)/s,
				before => "ALTER TABLE products ALTER amount SET NOT NULL; UPDATE staging SET amount = NULL WHERE id = $id",
				after => "UPDATE staging SET amount = $id WHERE id = $id");
			anew($way);
			fails("$action $way, UNIQUE", qr/duplicate key value.*\(name\)=\(product 501\)/s,
				before => "CREATE UNIQUE INDEX last ON products (name); UPDATE staging SET name = 'product 501' WHERE id = $id",
				call => $phase->{call} =~ s/'products',/'products', key_columns => '{id}',/r,
				after => "UPDATE staging SET name = 'product ' || id WHERE id = $id");
			anew($way);
			fails("$action $way, FOREIGN KEY", qr/violates foreign key constraint.*\(amount\)=\($amount\) is not present/s,
				before => "DROP TABLE IF EXISTS amounts; CREATE TABLE amounts AS SELECT id FROM staging WHERE id <> $amount;"
				  . 'ALTER TABLE amounts ADD PRIMARY KEY (id);'
				  . 'ALTER TABLE products ADD FOREIGN KEY (amount) REFERENCES amounts NOT VALID',
				after => "INSERT INTO amounts VALUES ($amount)");
			anew($way);
			fails("$action $way, generated column", qr/division by zero/,
				before => "ALTER TABLE products ADD g int GENERATED ALWAYS AS (1 / CASE WHEN id = $id AND amount = $id THEN 0 ELSE 1 END) STORED",
				after => 'ALTER TABLE products ALTER g DROP EXPRESSION');
			anew($way);
			fails("$action $way, index", qr/division by zero/,
				before => "CREATE INDEX last ON products ((1 / CASE WHEN id = $id AND amount = $id THEN 0 ELSE 1 END))",
				after => 'DROP INDEX last');
		}
		else
		{
			anew($way);
			fails("$action $way, FOREIGN KEY", qr/violates foreign key constraint.*\(id\)=\($id\) is still referenced/s,
				before => 'DROP TABLE IF EXISTS uses; CREATE TABLE uses (id int REFERENCES products (id)); '
				  . "INSERT INTO uses VALUES ($id)",
				after => 'DROP TABLE uses');
		}
		foreach my $trigger ('BEFORE', 'AFTER', 'AFTER STATEMENT', 'DEFERRED')
		{
			my $when = sprintf '(%s.id = %d)', $action eq 'DELETE' ? 'old' : 'new', $id;
			my %create = (
				BEFORE => "CREATE TRIGGER last BEFORE $action ON products FOR EACH ROW WHEN $when",
				AFTER => "CREATE TRIGGER last AFTER $action ON products FOR EACH ROW WHEN $when",
				'AFTER STATEMENT' => "CREATE TRIGGER last AFTER $action ON products",
				DEFERRED => "CREATE CONSTRAINT TRIGGER last AFTER $action ON products DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN $when");
			next if $way ne 'by a statement';
			anew($way);
			my $row = $trigger eq 'AFTER STATEMENT' ? '<NULL>' : $id;
			fails("$action, $trigger trigger", qr/row $row is refused/,
				before => "$create{$trigger} EXECUTE FUNCTION fail()",
				after => 'DROP TRIGGER last ON products',
				# a deferred one fails after the result has been sent
				call => $trigger eq 'DEFERRED' ? "DO \$\$ BEGIN PERFORM * FROM ($phase->{call}) AS s; END \$\$" : undef);
		}
	}

	# what cannot be assigned is found before anything is written
	foreach (
		[ 'domain', 'bigint', 'small', 'id', qr/violates check constraint "small_check"/ ],
		[ 'range', 'numeric', 'smallint', q(CASE WHEN id = 5000 THEN 40000 END), qr/smallint out of range/ ],
		[ 'length', 'text', 'varchar(4)', q(CASE WHEN id = 5000 THEN 'long enough' END), qr/value too long/ ],
		[ 'input', 'text', 'level', q(CASE WHEN id = 5000 THEN 'high' ELSE 'low' END), qr/invalid input value for enum/ ])
	{
		my ($name, $from, $to, $value, $error) = @$_;

		anew($way);
		fails("assignment $way, $name", qr/$error.*column "amount" of "staging", row \(id\)=\(5000\)/s,
			before => "ALTER TABLE products DROP amount, ADD amount $to; ALTER TABLE staging DROP amount, ADD amount $from;"
			  . "UPDATE staging SET amount = $value; ALTER TABLE kept DROP amount, ADD amount $to;",
			after => 'UPDATE staging SET amount = NULL WHERE id = 5000');
	}
}

# ---------- what runs out ----------

# A table whose rows are wide.
sub wide_rows
{
	make_tables($node, $phase);
	$node->safe_psql(
		'postgres', q(
UPDATE staging SET name = repeat(md5(id::text), 20);
VACUUM FULL staging;));
}

wide_rows();
fails('temp_file_limit', qr/temporary file size exceeds "?temp_file_limit"?/,
	before => q(SET temp_file_limit = '64kB'), after => 'RESET temp_file_limit');

# Limits of the session's process stand for full disks and for memory that is
# used up.  What is left is limited by the size of a file, so that of WAL, too.
sub limit
{
	my ($what, $bytes) = @_;

	return system_log('prlimit', '--pid', $pid, "--$what=$bytes:") == 0;
}

sub address_space
{
	my ($pages) = split / /, slurp_file("/proc/$pid/statm");
	return $pages * 4096;
}

if (!-r "/proc/$pid/statm" || !limit('fsize', 'unlimited'))
{
	push @skipped, 'limits of a process';
}
else
{
	wide_rows();
	fails('a table outgrows a file', qr/could not (extend|write blocks? \S+ in) file.*File too large/,
		before => sub { $node->safe_psql('postgres', $_) foreach 'VACUUM staging, products', 'CHECKPOINT'; limit('fsize', 1100000) }, after => sub { limit('fsize', 'unlimited') });
	wide_rows();
	fails('a temporary file outgrows it', qr/could not write to file.*pgsql_tmp.*File too large/,
		before => sub {
			$node->safe_psql('postgres', 'ALTER TABLE products ADD wide text; ALTER TABLE staging ADD wide text;'
				. 'UPDATE staging SET wide = name');
			in_session('CREATE TRIGGER nothing BEFORE INSERT ON products FOR EACH ROW EXECUTE FUNCTION do_nothing()');
			$node->safe_psql('postgres', $_) foreach 'VACUUM staging, products', 'CHECKPOINT';
			limit('fsize', 1100000);
		},
		after => sub { limit('fsize', 'unlimited') });

	# a value that memory suffices for in the table, but not when it is taken out
	wide_rows();
	fails('no memory to read with', qr/out of memory.*Failed on request/s,
		before => sub {
			$node->safe_psql('postgres', q(UPDATE staging SET name = repeat('x', 100000000) WHERE id = 5000));
			in_session(q(SET max_stack_depth = '100kB'; SELECT count(*) FROM products));
			limit('as', address_space() + 50000000);
		},
		after => sub {
			limit('as', 'unlimited');
			$node->safe_psql('postgres', q(UPDATE staging SET name = 'x' WHERE id = 5000));
		});
	make_tables($node, $phase);
	fails('no memory to write with', qr/out of memory.*Failed on request/s,
		before => sub {
			in_session(q(
CREATE FUNCTION take_memory() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM length(repeat('x', 100000000));
	RETURN new;
END $$;
CREATE TRIGGER take_memory BEFORE INSERT ON products FOR EACH ROW WHEN (new.id = 5000) EXECUTE FUNCTION take_memory();));
			limit('as', address_space() + 50000000);
		},
		after => sub { limit('as', 'unlimited') });
}

# ---------- what runs out for good ----------

# The server cannot go on without WAL.  It starts anew by itself if it can.
sub panics
{
	my ($name, $error, $run, $recover) = @_;
	my $entries = run_entries($node);
	my $offset = -s $node->logfile;

	$run->();
	$failures++;
	$recover->();
	like(slurp_file($node->logfile, $offset), $error, "$name: the server gives up");
	is(is_before_or_after($node, $entries, $name), 'before', "$name: nothing has been done");
	is_in_order($node, $name);
	sync_again($node, $phase, $name);
}

if (!@skipped)
{
	make_tables($node, $phase);
	$node->safe_psql('postgres', 'TRUNCATE deltaetl_change_entry');
	panics(
		'WAL outgrows a file',
		qr/PANIC:.*could not write to (log file|file "pg_wal).*File too large/,
		sub {
			$node->safe_psql('postgres', $_) foreach 'CHECKPOINT', 'SELECT pg_switch_wal()';
			limit('fsize', 450000);

			# the session ends with the server
			eval { in_session($phase->{call} =~ s/'rows'/'none'/r); };
		},
		sub { wait_for_server($node) });
	open_session();
}

# ---------- what a session keeps ----------

# Nothing that grows: after many failures it has no more memory and files than
# after a few.  Caches may; 18 says in another way what is below them.
sub holdings
{
	my $is_cache = $node->pg_version >= 18 ?
	  q{path @> (SELECT path FROM c WHERE name = 'CacheMemoryContext')} :
	  q{'CacheMemoryContext' IN (name, parent)};
	my ($memory, $contexts) = split /\|/,
	  (in_session(qq{WITH c AS MATERIALIZED (SELECT * FROM pg_backend_memory_contexts)
		SELECT sum(used_bytes) FILTER (WHERE ($is_cache) IS NOT TRUE),
			count(*) FILTER (WHERE name ~ 'deltaetl') FROM c}))[0];
	my @files = map { readlink // () } glob "/proc/$pid/fd/*";

	chomp $contexts;
	return ($memory, $contexts, scalar grep { m{pgsql_tmp|PostgreSQL\.|pg_dynshmem} } @files);
}

make_tables($node, $phase);
$node->safe_psql('postgres', 'ALTER TABLE products ADD CONSTRAINT last CHECK (id <> 5000) NOT VALID');
in_session($phase->{call}) foreach 1 .. 5;
my ($memory, $contexts, $files) = holdings();
is($contexts, '0', 'no memory of the extension is left after failures');
is($files, '0', 'nor a file');
in_session($phase->{call}) foreach 1 .. 40;
$failures += 45;
my ($later) = holdings();
cmp_ok($later - $memory, '<', 40 * 200, 'the session does not grow by what fails');
note "40 failures: from $memory to $later bytes";

$session->quit;

# ---------- disks ----------

my ($disk, $wal_disk) = split /:/, $ENV{DELTAETL_SMALL_DISKS} // '';

# Leave that many bytes of a file system free.
sub fill
{
	my ($dir, $free) = @_;
	my $block = "\0" x 65536;

	open my $ballast, '>', "$dir/ballast" or die "could not open $dir/ballast: $!";
	1 while syswrite $ballast, $block;
	truncate $ballast, (-s $ballast) - $free or die "could not truncate: $!";
	close $ballast;
}

sub make_room { unlink "$_[0]/ballast" or die "could not remove $_[0]/ballast: $!"; }

if (!$wal_disk)
{
	push @skipped, 'full disks, see tools/diskfull';
}
else
{
	open_session();
	mkdir "$disk/tables";
	in_session("CREATE TABLESPACE small LOCATION '$disk/tables'");
	wide_rows();
	fails('a disk full of tables', qr/could not (extend|write blocks? \S+ in) file.*(No space left on device|wrote only)/,
		before => sub { in_session('ALTER TABLE products SET TABLESPACE small'); fill($disk, 300000); },
		after => sub { make_room($disk); });
	wide_rows();
	fails('a disk full of temporary files', qr/could not write to file.*pgsql_tmp.*No space left on device/,
		before => sub {
			in_session('SET temp_tablespaces = small;'
				. 'CREATE TRIGGER nothing BEFORE INSERT ON products FOR EACH ROW EXECUTE FUNCTION do_nothing()');
			fill($disk, 300000);
		},
		after => sub { make_room($disk); });
	$session->quit;

	$node->stop;
	$node = start_fault_node('wal', "wal_buffers = 32kB\nmin_wal_size = 2MB\nmax_wal_size = 2MB\n", extra => ['--wal-segsize=1']);
	make_tables($node, $phase);
	$node->stop;
	system_or_bail('mv', $node->data_dir . '/pg_wal', "$wal_disk/pg_wal");
	symlink "$wal_disk/pg_wal", $node->data_dir . '/pg_wal';
	$node->start;
	$node->safe_psql('postgres', $_) foreach 'UPDATE staging SET name = repeat(md5(id::text), 50)', 'CHECKPOINT', 'CHECKPOINT';
	panics(
		'a disk full of WAL',
		qr/PANIC:.*No space left on device/,
		sub {
			fill($wal_disk, 1100000);
			$node->psql('postgres', $phase->{call});
		},
		sub {
			make_room($wal_disk);

			# it may have tried to recover, in vain
			$node->stop('immediate', fail_ok => 1);
			poll_start($node);
		});
}

note "$failures failures";
note 'skipped: ' . join ', ', @skipped if @skipped;
$node->stop;
done_testing();
