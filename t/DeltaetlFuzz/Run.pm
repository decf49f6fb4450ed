# Copyright (c) 2026, deltaetl maintainers

# Cases, one after the other, in several processes; those that fail are made
# small and written to a file each.

package DeltaetlFuzz::Run;

use strict;
use warnings FATAL => 'all';

use DeltaetlFuzz::Case qw(random_case);
use DeltaetlFuzz::Encoding qw(random_values encoding_script judge_encoding);
use DeltaetlFuzz::Judge qw(judge);
use DeltaetlFuzz::Reduce qw(reduce);
use DeltaetlFuzz::Script qw(script);
use DeltaetlFuzz::Session;
use DeltaetlFuzz::Volume qw(random_volume volume_script judge_volume);
use Exporter qw(import);
use IO::Handle;
use POSIX ();
use Time::HiRes qw(time);

our @EXPORT_OK = qw(prepare run_cases);

# ---------- the database ----------

# A query's result, from a database
sub ask
{
	my ($database, $query) = @_;

	open my $psql, '-|', 'psql', '-XAtq', '-d', $database, '-c', $query
	  or die "could not run psql: $!";
	my @lines = <$psql>;
	close $psql or die "psql: status $?";
	chomp @lines;
	return @lines;
}

my @contrib = qw(citext hstore ltree cube seg);

# What there is in the server that cases may use
sub features
{
	my ($database) = @_;
	my %has = map { $_ => 1 } ask($database, 'SELECT name FROM pg_available_extensions');
	my ($icu) = ask($database, "SELECT count(*) FROM pg_collation WHERE collprovider = 'i'");

	return (icu => $icu > 0, contrib => [ grep { $has{$_} } @contrib ]);
}

sub create_database
{
	my ($database, $encoding, @extensions) = @_;

	ask('postgres', "CREATE DATABASE $database TEMPLATE template0 ENCODING '$encoding' LC_COLLATE 'C' LC_CTYPE 'C'");
	ask($database, "SET client_min_messages = error; CREATE EXTENSION $_ CASCADE")
	  foreach 'deltaetl', @extensions;
}

# For each process a database and one of another encoding; returns what there
# is in the server.
sub prepare
{
	my (@databases) = @_;
	my %there = features('postgres');

	ask('postgres', "DO 'BEGIN CREATE ROLE fuzz_limited; EXCEPTION WHEN duplicate_object THEN END'");
	foreach my $database (@databases)
	{
		create_database($database, 'UTF8', @{ $there{contrib} });
		create_database("${database}_latin", 'LATIN1', @{ $there{contrib} });
	}
	return %there;
}


# ---------- cases ----------

# Of which kind it is follows from the seed as well.
sub make_case
{
	my ($seed, $there) = @_;

	return { kind => 'volume', %{ random_volume($seed, 60000) } }
	  if $seed % 100 == 99;
	return { kind => 'values', %{ random_values($seed, %$there) } }
	  if $seed % 10 == 5;
	return { kind => 'tables', %{ random_case($seed, %$there) } };
}

my %scripts = (
	tables => sub { script($_[0]) },
	values => sub { (encoding_script($_[0], 0), encoding_script($_[0], 1)) },
	volume => sub { volume_script($_[0]) },);

my %judges = (
	tables => \&judge,
	values => \&judge_encoding,
	volume => \&judge_volume,);

# What it comes to: what went wrong, the SQLSTATE or what else it is counted
# as, scripts, what they have printed
sub try_case
{
	my ($sessions, $case) = @_;
	my @scripts = $scripts{ $case->{kind} }->($case);
	my @output = map { $sessions->[$_]->run($scripts[$_]) } 0 .. $#scripts;
	my ($failures, $state) = eval { $judges{ $case->{kind} }->($case, @output) };

	($failures, $state) = (["could not be judged: $@"], 'unknown') if $@;
	return ($failures, "$case->{kind} $state", join("\n", @scripts), join "\n", @output);
}

# A failure, whatever figures and names are in it
sub signature
{
	my ($failures) = @_;

	return substr $failures->[0] =~ s/\d+/N/gr, 0, 40;
}

sub report
{
	my ($sessions, $case, $failures, $first_output, $directory) = @_;
	my $wanted = signature($failures);
	my $small = reduce($case,
		sub {
			my ($found) = try_case($sessions, $_[0]);
			return @$found && signature($found) eq $wanted;
		});
	my ($found, undef, $script, $output) = try_case($sessions, $small);
	my $file = "$directory/fuzz-$case->{seed}.sql";

	($found, $output) = ([ @$failures, '(not again)' ], $first_output)
	  if !@$found;
	my $comment = join '', map { "-- $_\n" } "seed $case->{seed}", @$found, '',
	  split /\n/, $output;
	DeltaetlFuzz::Session::write_file($file, $comment . $script);
	return join '', map { "  $_\n" } @$found, "shown by $file";
}

# Cases number first, first + step ... until there are enough or it is late;
# calls back with what each is counted as and, if it failed, a report.
sub work
{
	my (%how) = @_;
	my @sessions = map { DeltaetlFuzz::Session->new($_, "$how{directory}/$_.sql") }
	  $how{database}, "$how{database}_latin";

	for (my $i = $how{first}; $i < $how{cases}; $i += $how{step})
	{
		last if $how{deadline} && time > $how{deadline};
		my $case = make_case($how{seed} + $i, $how{there});
		my ($failures, $state, undef, $output) = try_case(\@sessions, $case);
		my $report =
		  @$failures
		  ? report(\@sessions, $case, $failures, $output, $how{directory})
		  : '';
		$how{callback}->($how{seed} + $i, $state, $report);
	}
	$_->stop foreach @sessions;
}

# A process for one database; returns its number and a handle that says what it
# found, a line for each case.  Not through standard output, which a test has
# use for.
sub start_worker
{
	my (%how) = @_;

	pipe(my $from, my $to) or die "could not make a pipe: $!";
	my $pid = fork // die "could not fork: $!";
	if ($pid)
	{
		binmode $from, ':encoding(UTF-8)';
		return [ $pid, $from ];
	}
	binmode $to, ':encoding(UTF-8)';
	$to->autoflush;
	my $say = sub {
		my ($seed, $state, $report) = @_;
		print $to "$seed\t$state\t" . ($report =~ s/\n/\r/gr) . "\n";
	};
	eval { work(%how, callback => $say); 1 }
	  or $say->($how{seed}, 'died', $@);
	close $to;

	# without what the caller does at its end
	POSIX::_exit(0);
}

# Runs cases with seeds from one on; returns how many there were of each kind
# and SQLSTATE, and reports by seed.
sub run_cases
{
	my (%how) = @_;
	my @databases = @{ $how{databases} };
	my @workers = map {
		start_worker(%how, first => $_, step => scalar @databases,
			database => $databases[$_])
	} 0 .. $#databases;
	my (%states, %reports);

	foreach my $worker (@workers)
	{
		my ($pid, $from) = @$worker;
		while (my $line = <$from>)
		{
			chomp $line;
			my ($seed, $state, $report) = split /\t/, $line, 3;
			$states{$state}++;
			$reports{$seed} = $report =~ s/\r/\n/gr if $report ne '';
		}
		waitpid $pid, 0;
	}
	return (\%states, \%reports);
}

1;
