# Copyright (c) 2026, deltaetl maintainers

# Making a case that fails small: without what it fails without, too.

package DeltaetlFuzz::Reduce;

use strict;
use warnings FATAL => 'all';

use Exporter qw(import);
use Time::HiRes qw(time);

our @EXPORT_OK = qw(reduce);

# Longer than that is not worth it.
my $seconds = 60;

sub without_row
{
	my ($case, $i) = @_;
	my @rows = @{ $case->{rows} };

	splice @rows, $i, 1;
	return { %$case, rows => \@rows };
}

sub without_column
{
	my ($case, $i) = @_;
	my @columns = @{ $case->{columns} };
	my ($gone) = splice @columns, $i, 1;
	my @rows = map {
		my @values = @{ $_->{values} };
		splice @values, $i, 1;
		+{ %$_, values => \@values }
	} @{ $case->{rows} };
	my %flags = %{ $case->{flags} };

	return if $gone->{key} && !grep { $_->{key} } @columns;
	return if $gone->{partition} || $gone->{name} eq 'note';
	return if grep { ($_->{of} // '') eq $gone->{name} } @columns;
	return if index($flags{scope} // '', $gone->{name}) >= 0;
	foreach (qw(exclude columns))
	{
		$flags{$_} = [ grep { $_ ne $gone->{name} } @{ $flags{$_} } ]
		  if $flags{$_};
	}
	return { %$case, columns => \@columns, rows => \@rows, flags => \%flags };
}

sub without_flag
{
	my ($case, $flag) = @_;
	my %flags = %{ $case->{flags} };

	return if $flag eq 'key' || $flag eq 'partitions' && $flags{key} ne 'given';
	delete $flags{$flag};
	return { %$case, flags => \%flags };
}

sub without_property
{
	my ($case, $i, $property) = @_;
	my @columns = map { +{%$_} } @{ $case->{columns} };

	return if !$columns[$i]{$property};
	delete $columns[$i]{$property};
	return { %$case, columns => \@columns };
}

sub without_value
{
	my ($case, $i) = @_;
	my @sets = @{ $case->{sets} };

	splice @sets, $i, 1;
	return { %$case, sets => \@sets };
}

# All that are smaller by one thing, made when they are wanted
sub smaller
{
	my ($case) = @_;

	return if $case->{kind} eq 'volume';
	return map { my $i = $_; sub { without_value($_[0], $i) } }
	  reverse 0 .. $#{ $case->{sets} }
	  if $case->{kind} eq 'values';
	return (
		(map { my $flag = $_; sub { without_flag($_[0], $flag) } }
			  sort keys %{ $case->{flags} }),
		(map { my $i = $_; sub { without_row($_[0], $i) } }
			  reverse 0 .. $#{ $case->{rows} }),
		(map { my $i = $_; sub { without_column($_[0], $i) } }
			  reverse 0 .. $#{ $case->{columns} }),
		(map {
			my $i = $_;
			map { my $p = $_; sub { without_property($_[0], $i, $p) } }
			  qw(late storage default collation not_null)
		} 0 .. $#{ $case->{columns} }));
}

# A case for which a function is still true
sub reduce
{
	my ($case, $fails) = @_;
	my $deadline = time + $seconds;
	my $progress = 1;

	while ($progress)
	{
		$progress = 0;
		foreach my $make (smaller($case))
		{
			return $case if time > $deadline;
			my $less = eval { $make->($case) } or next;
			next if !$fails->($less);
			$case = $less;
			$progress = 1;
		}
	}
	return $case;
}

1;
