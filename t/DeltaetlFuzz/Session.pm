# Copyright (c) 2026, deltaetl maintainers

# A psql that runs one script after the other.  The server is found through
# PGHOST and the like.

package DeltaetlFuzz::Session;

use strict;
use warnings FATAL => 'all';

use Encode qw(decode_utf8 encode_utf8);
use IPC::Open2;

# file: where scripts are put
sub new
{
	my ($class, $database, $file) = @_;
	my $self = bless { database => $database, file => $file, count => 0 }, $class;

	$self->start;
	return $self;
}

sub start
{
	my ($self) = @_;

	local $ENV{PGDATABASE} = $self->{database};
	local $ENV{PGCLIENTENCODING} = 'UTF8';
	local $ENV{PGOPTIONS} = '-c client_min_messages=error';
	$self->{pid} = open2($self->{out}, $self->{in}, 'exec psql -X -q 2>&1');
}

sub stop
{
	my ($self) = @_;

	local $SIG{PIPE} = 'IGNORE';
	close $self->{in};
	close $self->{out};
	waitpid $self->{pid}, 0;
}

sub write_file
{
	my ($file, $text) = @_;

	open my $handle, '>', $file or die "could not open $file: $!";
	print $handle encode_utf8($text);
	close $handle or die "could not write $file: $!";
}

# What a script prints, up to and without a line of its own
sub run
{
	my ($self, $script) = @_;
	my $mark = 'ran ' . ++$self->{count};
	my $output = '';

	local $SIG{PIPE} = 'IGNORE';
	write_file($self->{file}, $script);
	my $in = $self->{in};
	print $in "\\i '$self->{file}'\n\\echo $mark\n";
	$in->flush;
	while (defined(my $line = readline $self->{out}))
	{
		return decode_utf8($output) if $line eq "$mark\n";
		$output .= $line;
	}

	$self->restart;
	return decode_utf8($output);
}

# The server has crashed, and may be up again soon.
sub restart
{
	my ($self) = @_;

	$self->stop;
	foreach (1 .. 60)
	{
		if (system("psql -XAtq -d $self->{database} -c 'SELECT' >/dev/null 2>&1") == 0)
		{
			$self->start;
			return;
		}
		sleep 1;
	}
	die "the server is gone\n";
}

1;
