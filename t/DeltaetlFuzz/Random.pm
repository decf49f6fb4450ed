# Copyright (c) 2026, deltaetl maintainers

# Random choices.  All of them follow from srand(), so a case is the same
# whenever it is made from the same seed.

package DeltaetlFuzz::Random;

use strict;
use warnings FATAL => 'all';

use Exporter qw(import);

our @EXPORT_OK = qw(below between chance pick sample shuffled);

# 0 to n - 1
sub below
{
	my ($n) = @_;

	return int rand $n;
}

sub between
{
	my ($least, $most) = @_;

	return $least + below($most - $least + 1);
}

# True with this probability in percent
sub chance
{
	my ($percent) = @_;

	return rand(100) < $percent;
}

sub pick
{
	return $_[ rand @_ ];
}

sub shuffled
{
	my @list = @_;

	foreach my $i (reverse 1 .. $#list)
	{
		my $j = below($i + 1);
		@list[ $i, $j ] = @list[ $j, $i ];
	}
	return @list;
}

# Some of a list, each with this probability in percent
sub sample
{
	my ($percent, @list) = @_;

	return grep { chance($percent) } @list;
}

1;
