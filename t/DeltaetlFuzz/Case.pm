# Copyright (c) 2026, deltaetl maintainers

# A random case: two tables, what is in them, and how they are synced.
#
# Columns are hashes:
#   name, type, source_type, collation
#   side        'both', 'target' or 'source'
#   key         whether it is of the key
#   not_null, default, late (added when there were rows), identity ('ALWAYS' or
#   'BY DEFAULT'), generated (an expression), storage: of the target's column
# Rows are hashes: whether they are in source and target, 'early' before columns
# were added, and a literal or undef for each column.  The rest is in flags,
# which are false where nothing is special.

package DeltaetlFuzz::Case;

use strict;
use warnings FATAL => 'all';
use utf8;

use DeltaetlFuzz::Random qw(below between chance pick sample shuffled);
use DeltaetlFuzz::Types
  qw(random_type random_value scalar_type source_type key_type);
use Exporter qw(import);

our @EXPORT_OK = qw(random_case compared_columns literal quoted);

my @odd_names = (
	'a"b', 'select', 'é', '$1', '--x', 'back\\', "new\nline", "it's", '日' x 21, 'x' x 63,
	qw(s t d r n oid tid c1 c2 key source_oid present row_hash action count position), ' ');

sub literal
{
	my ($text) = @_;

	return 'NULL' if !defined $text;
	return q(') . $text =~ s/'/''/gr . q(');
}

sub quoted
{
	my ($name) = @_;

	return q(") . $name =~ s/"/""/gr . q(");
}

# Those that are compared and written, the key first
sub compared_columns
{
	my ($case) = @_;
	my %left_out = map { $_ => 1 } @{ $case->{flags}{exclude} // [] };
	my $only = $case->{flags}{columns};
	my %wanted = map { $_ => 1 } @{ $only // [] };
	my @columns = grep { $_->{side} eq 'both' && !$_->{generated} }
	  @{ $case->{columns} };

	return (
		(sort { $a->{key} <=> $b->{key} } grep { $_->{key} } @columns),
		grep {
			!$_->{key}
			  && !$left_out{ $_->{name} }
			  && (!$only || $wanted{ $_->{name} })
		} @columns);
}


# ---------- columns ----------

# Names are numbered unless odd ones are wanted.
sub next_name
{
	my ($case, $prefix) = @_;
	my $number = ++$case->{names};

	if ($case->{flags}{odd_names} && chance(60))
	{
		my %taken = map { $_->{name} => 1 } @{ $case->{columns} };
		my $name = pick(@odd_names);
		return $name if !$taken{$name};
	}
	return "$prefix$number";
}

sub pick_collation
{
	my ($case, $type) = @_;

	return undef if !$type->{collatable} || chance(50);
	return pick('"C"', '"POSIX"', ($case->{icu} ? qw(alike alike strict) : ()));
}

sub add_column
{
	my ($case, $prefix, $type, %more) = @_;
	my $column = {
		name => next_name($case, $prefix),
		type => $type,
		source_type => $type,
		side => 'both',
		collation => pick_collation($case, $type),
		%more,
	};
	if ($column->{side} eq 'both' && $case->{flags}{coerce} && chance(40))
	{
		$column->{source_type} = source_type($type, $case->{contrib});
	}
	push @{ $case->{columns} }, $column;
	return $column;
}

sub add_key
{
	my ($case) = @_;
	my $flags = $case->{flags};
	my $indexed = $flags->{key} ne 'given';
	my $kinds =
	    $indexed || $flags->{partitions} ? 'b'
	  : chance(90) ? 'b|h'
	  : undef;
	my $count = pick(1, 1, 1, 2, 2, 3, 4);

	if ($flags->{partitions} && $indexed)
	{
		add_column($case, 'p', scalar_type('int4'), key => 1, partition => 1,
			source_type => scalar_type('int4'));
	}
	foreach my $i (1 .. $count)
	{
		my $type = key_type($case->{ddl}, $case->{contrib}, $kinds);
		add_column($case, 'k', $type, key => 1 + $i);
	}
	foreach my $key (grep { $_->{key} } @{ $case->{columns} })
	{
		$key->{not_null} = $flags->{key} =~ /^(primary|unique)$/;
	}
}

sub add_compared
{
	my ($case) = @_;
	my $flags = $case->{flags};

	foreach (1 .. pick(0, 1, 2, 3, 4, 5, 6, 9))
	{
		my $type = random_type($case->{ddl}, 2, $case->{contrib});
		my $column = add_column($case, 'c', $type);
		$column->{not_null} = 1 if chance(10);
		$column->{storage} = pick(qw(EXTERNAL MAIN EXTENDED))
		  if $type->{base} =~ /^(text|varchar|bytea|json|jsonb|xml|array|composite)$/
		  && chance(40);
		$column->{late} = 1 if $flags->{late} && chance(40);
		$column->{default} = random_value($type)
		  if $column->{late} && ($column->{not_null} || $type->{not_null}) || chance(15);
	}
	if ($flags->{partitions} && $flags->{key} eq 'given')
	{
		add_column($case, 'p', scalar_type('int4'), partition => 1);
	}
	if ($flags->{identity})
	{
		my $name = $flags->{identity} eq 'ALWAYS' ? 'always' : 'identity';
		add_column($case, $name, scalar_type('int8'),
			identity => $flags->{identity}, not_null => 1, source_type => scalar_type('int8'),
			side => pick('both', 'both', 'target'));
	}
}

sub add_others
{
	my ($case) = @_;

	foreach my $side (sample(30, qw(target target source)))
	{
		my $type = random_type($case->{ddl}, 1, $case->{contrib});
		my $column = add_column($case, 'x', $type, side => $side);
		$column->{default} = random_value($type)
		  if $type->{not_null} || chance(50);
	}
	if ($case->{flags}{generated})
	{
		my $of = pick(@{ $case->{columns} });
		my $name = quoted($of->{name});
		return if $of->{generated} || $of->{side} eq 'source';
		add_column($case, 'g', scalar_type('bool'),
			source_type => scalar_type('bool'),
			generated => "$name IS NULL",
			of => $of->{name},
			late => $of->{late},
			side => pick('both', 'target', 'target'));
	}
	if ($case->{flags}{trigger} && $case->{flags}{trigger} eq 'note')
	{
		push @{ $case->{columns} }, {
			name => 'note', type => scalar_type('text'), source_type => scalar_type('text'),
			side => 'target', default => 'none' };
	}
}


# ---------- rows ----------

# A value of a column; of one whose type is another in the source, one of that
sub column_value
{
	my ($case, $column) = @_;

	return undef
	  if !$column->{source_type}{not_null}
	  && chance($column->{not_null} || $column->{key} ? 0.3 : 12);
	return below(4) if $column->{partition};
	return between(1, 9) if $column->{identity};
	return random_value($column->{source_type});
}

sub random_row
{
	my ($case) = @_;

	return [ map { column_value($case, $_) } @{ $case->{columns} } ];
}

# Another row with the same key, of which one value may be another, or all
sub changed_row
{
	my ($case, $values) = @_;
	my $columns = $case->{columns};
	my @rest = grep { !$columns->[$_]{key} } 0 .. $#$columns;
	my @new = @$values;
	my @which = chance(70) && @rest ? pick(@rest) : @rest;

	# keys that are equal may differ, too
	@which = pick(0 .. $#$columns) if chance(10);
	$new[$_] = column_value($case, $columns->[$_]) foreach @which;
	return \@new;
}

# The key as the source's literals have it: most that are equal are so here.
sub key_of
{
	my ($case, $values) = @_;

	return join "\0", map { $values->[$_] // 'NULL' }
	  grep { $case->{columns}[$_]{key} } 0 .. $#$values;
}

sub add_rows
{
	my ($case) = @_;
	my $flags = $case->{flags};
	my $count = pick(0, 1, 2, 5, 10, 15, 20, 30);
	my $duplicates = chance(4) ? 30 : 0;
	my @weights = pick([ 6, 2, 1, 1 ], [ 1, 1, 1, 1 ], [ 1, 0, 0, 0 ], [ 0, 1, 0, 0 ], [ 9, 1, 0, 0 ],
		[ 0, 0, 1, 0 ]);
	my @kinds = map { ($_) x $weights[0][$_] } 0 .. 3;
	my %seen;

	foreach (1 .. $count)
	{
		my $values = random_row($case);
		next if $seen{ key_of($case, $values) }++ && !chance($duplicates);
		my ($kind, $early) = (pick(@kinds), chance(50));
		my @row = (early => $early, values => $values);

		push @{ $case->{rows} }, { @row, source => $kind != 3, target => $kind != 2 && $kind != 1 };
		if ($kind == 1)
		{
			push @{ $case->{rows} }, { early => $early, values => changed_row($case, $values), target => 1 };
		}
	}
	@{ $case->{rows} } = shuffled(@{ $case->{rows} });
}


# ---------- how it is done ----------

sub choose
{
	my ($flags, $name, $percent, @values) = @_;

	$flags->{$name} = @values ? pick(@values) : 1 if chance($percent);
}

# What the tables are like
sub choose_shape
{
	my ($flags) = @_;

	$flags->{key} = pick(qw(primary primary primary unique nulls given given));
	choose($flags, 'odd_names', 15);
	choose($flags, 'partitions', 20, qw(list range hash nested));
	choose($flags, 'children', 8) if !$flags->{partitions};
	choose($flags, 'persistence', 15, qw(UNLOGGED TEMP))
	  if !$flags->{partitions} && !$flags->{children};
	choose($flags, 'source', 45, qw(view view_union materialized partitioned children TEMP UNLOGGED));
	choose($flags, 'coerce', 30);
	choose($flags, 'late', 25);
	choose($flags, 'identity', 12, 'ALWAYS', 'BY DEFAULT');
	choose($flags, 'generated', 15);
	choose($flags, 'trigger', 15, qw(note note statement suppress));
	choose($flags, 'dropped', 40);
	choose($flags, 'other_order', 50);
	choose($flags, 'other_parts', 50);
	choose($flags, 'source_index', 30);
	choose($flags, 'bad_values', 5);
	choose($flags, 'moved', 30);
	choose($flags, 'tracked', 20, qw(target target both));
}

sub choose_options
{
	my ($case) = @_;
	my $flags = $case->{flags};
	my @rest = map { $_->{name} }
	  grep { !$_->{key} && $_->{side} eq 'both' && !$_->{generated} }
	  @{ $case->{columns} };

	choose($flags, 'deletes', 60);
	choose($flags, 'allow_empty', 60);
	choose($flags, 'log', 50, qw(rows rows keys));
	choose($flags, 'isolation', 25, 'READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE');
	choose($flags, 'first', 40, qw(encoded join));
	choose($flags, 'second', 40, qw(encoded join));
	choose($flags, 'parallel', 15);
	choose($flags, 'limited', 10) if ($flags->{log} // '') ne 'rows';
	choose($flags, 'row_locks', 35)
	  if $flags->{key} ne 'given' && !$flags->{children} && !$flags->{limited};
	choose($flags, 'max_delete_pct', 5, 0, 10, 50, 100);
	choose($flags, 'max_update_pct', 5, 0, 10, 50, 100);
	if (chance(15))
	{
		$flags->{exclude} = [ sample(40, @rest) ];
	}
	elsif (chance(12))
	{
		$flags->{columns} = [ sample(50, @rest) ];
	}
	$flags->{scope} = random_scope($case) if chance(15);

	# what is assigned to a type, or in scope, may well depend on settings
	choose($flags, 'settings', 40, 0 .. 2)
	  if !$flags->{scope} && !$flags->{coerce};
}

sub random_scope
{
	my ($case) = @_;
	my $column = pick(grep { $_->{side} eq 'both' } @{ $case->{columns} });
	my $name = quoted($column->{name});

	return pick(
		"$name IS NOT NULL",
		"length(format('%s', $name)) % 2 = 0",
		"length(format('%s', $name)) < 4",
		"$name IS NULL OR false", 'true', 'NULL');
}

# What there is: icu (collations), contrib (names of types)
sub random_case
{
	my ($seed, %there) = @_;
	my $case = {
		seed => $seed,
		icu => $there{icu},
		contrib => $there{contrib} // [],
		ddl => [],
		columns => [],
		rows => [],
		flags => {},
	};

	srand $seed;
	choose_shape($case->{flags});
	add_key($case);
	add_compared($case);
	add_others($case);
	add_rows($case);
	choose_options($case);
	delete $case->{flags}{tracked}
	  if grep { $_->{name} eq 'row_hash' } @{ $case->{columns} };
	$case->{shuffle} = below(2**30);
	return $case;
}

1;
