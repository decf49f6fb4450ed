# Copyright (c) 2026, deltaetl maintainers

# The tables of a case, as SQL: source, target, what both are filled from, and
# the plain tables of the oracle.

package DeltaetlFuzz::Tables;

use strict;
use warnings FATAL => 'all';
use utf8;

use DeltaetlFuzz::Case qw(compared_columns literal quoted);
use DeltaetlFuzz::Random qw(below pick shuffled);
use Exporter qw(import);

our @EXPORT_OK = qw(create_tables create_trigger load_tables names_of target_columns);

sub list
{
	return join ', ', @_;
}

sub target_columns
{
	my ($case) = @_;

	return grep { $_->{side} ne 'source' } @{ $case->{columns} };
}

sub source_columns
{
	my ($case) = @_;

	return grep { $_->{side} ne 'target' } @{ $case->{columns} };
}

# The two tables, as SQL names them; the source may be a view of another.
sub names_of
{
	my ($case) = @_;
	my $odd = $case->{flags}{odd_names};
	my $kind = $case->{flags}{source} // '';

	$case->{source} = $odd ? quoted("s \"\\';--") : 's';
	$case->{target} = $odd ? quoted("t \"\\';--") : 't';
	$case->{base} = $kind =~ /^(view|view_union|materialized)$/ ? 's_base' : $case->{source};
}

# ---------- columns ----------

sub target_definition
{
	my ($column, %how) = @_;
	my $sql = quoted($column->{name}) . " $column->{type}{sql}";

	$sql .= " COLLATE $column->{collation}" if $column->{collation};
	if ($column->{generated})
	{
		return "$sql GENERATED ALWAYS AS ($column->{generated}) STORED";
	}
	$sql .= " GENERATED $column->{identity} AS IDENTITY"
	  if $column->{identity} && !$how{part};
	$sql .= ' DEFAULT ' . literal($column->{default})
	  if defined $column->{default};
	$sql .= ' NOT NULL' if $column->{not_null};
	return $sql;
}

sub source_definition
{
	my ($column) = @_;
	my $sql = quoted($column->{name}) . " $column->{source_type}{sql}";

	$sql .= " COLLATE $column->{collation}"
	  if $column->{collation} && $column->{source_type}{collatable};
	$sql .= ' DEFAULT ' . literal($column->{default})
	  if defined $column->{default}
	  && $column->{source_type} == $column->{type};
	return $sql;
}

# Columns among which some are dropped later
sub with_gone
{
	my ($case, @definitions) = @_;

	return @definitions if !$case->{flags}{dropped};
	foreach my $i (1 .. 2)
	{
		splice @definitions, below(@definitions + 1), 0,
		  "gone_$i " . pick(q(int DEFAULT 5), q(text DEFAULT 'gone'), 'text', 'bool DEFAULT true');
	}
	return @definitions;
}

sub drop_gone
{
	my ($case, @tables) = @_;

	return if !$case->{flags}{dropped};
	return map { ("ALTER TABLE $_ DROP gone_1;", "ALTER TABLE $_ DROP gone_2;") }
	  @tables;
}

sub key_constraint
{
	my ($case) = @_;
	my %words = (
		primary => 'PRIMARY KEY',
		unique => 'UNIQUE',
		nulls => 'UNIQUE NULLS NOT DISTINCT');
	my $words = $words{ $case->{flags}{key} } or return;

	return "$words ("
	  . list(map { quoted($_->{name}) }
		  grep { $_->{key} } compared_columns($case))
	  . ')';
}


# ---------- target ----------

my %partitions = (
	list => [ 'LIST', 'FOR VALUES IN (0, 1)', 'FOR VALUES IN (2)', 'DEFAULT' ],
	range => [ 'RANGE', 'FOR VALUES FROM (MINVALUE) TO (2)', 'FOR VALUES FROM (2) TO (3)', 'DEFAULT' ],
	hash => [ 'HASH', 'FOR VALUES WITH (MODULUS 2, REMAINDER 0)', 'FOR VALUES WITH (MODULUS 2, REMAINDER 1)' ],
	nested => [ 'RANGE', 'FOR VALUES FROM (MINVALUE) TO (2)', 'DEFAULT' ],);

# Tables of their own that become parts of the target, laid out otherwise
sub create_part
{
	my ($case, $name, $more) = @_;
	my @columns = shuffled(grep { !$_->{late} } target_columns($case));
	my @definitions = with_gone($case, map { target_definition($_, part => 1) } @columns);

	return "CREATE TABLE $name (" . list(@definitions) . ")$more;",
	  drop_gone($case, $name);
}

sub add_partition
{
	my ($case, $parent, $name, $bound, $more) = @_;

	if (!$case->{flags}{other_parts})
	{
		return "CREATE TABLE $name PARTITION OF $parent $bound$more;";
	}
	return create_part($case, $name, $more),
	  "ALTER TABLE $parent ATTACH PARTITION $name $bound;";
}

sub add_partitions
{
	my ($case) = @_;
	my $kind = $case->{flags}{partitions};
	my ($method, @bounds) = @{ $partitions{$kind} };
	my ($column) = map { quoted($_->{name}) } grep { $_->{partition} } @{ $case->{columns} };
	my @statements;

	foreach my $i (0 .. $#bounds)
	{
		my $nested = $kind eq 'nested' && $i == 0;
		push @statements,
		  add_partition($case, $case->{target}, "part_$i", $bounds[$i],
			$nested ? " PARTITION BY HASH ($column)" : '');
		next if !$nested;
		my (undef, @inner) = @{ $partitions{hash} };
		push @statements,
		  map { add_partition($case, 'part_0', "part_0_$_", $inner[$_], '') }
		  0 .. $#inner;
	}
	return @statements;
}

sub partition_clause
{
	my ($case) = @_;
	my $kind = $case->{flags}{partitions} or return '';
	my ($column) = map { quoted($_->{name}) } grep { $_->{partition} } @{ $case->{columns} };

	return " PARTITION BY $partitions{$kind}[0] ($column)";
}

sub target_order
{
	my ($case) = @_;

	return shuffled(grep { !$_->{late} } target_columns($case));
}

my %trigger = (
	note => [ 'BEFORE INSERT OR UPDATE', 'ROW', q(NEW.note := 'seen'; RETURN NEW;) ],
	statement => [ 'AFTER INSERT OR UPDATE OR DELETE', 'STATEMENT', 'INSERT INTO f.fired VALUES (1); RETURN NULL;' ],
	suppress => [ 'BEFORE INSERT OR UPDATE OR DELETE', 'ROW',
		"IF length(format('%s', CASE TG_OP WHEN 'INSERT' THEN NEW.%1 ELSE OLD.%1 END)) % 3 = 0 THEN RETURN NULL; END IF;"
		. " IF TG_OP = 'DELETE' THEN RETURN OLD; ELSE RETURN NEW; END IF;" ],);

sub create_trigger
{
	my ($case) = @_;
	my $kind = $case->{flags}{trigger} or return;
	my ($when, $each, $body) = @{ $trigger{$kind} };
	my ($key) = map { quoted($_->{name}) } grep { $_->{key} } compared_columns($case);

	$body =~ s/%1/$key/g;
	return
	  'CREATE TABLE fired (x int);',
	  'CREATE FUNCTION act() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER'
	  . " SET DateStyle = 'ISO' SET IntervalStyle = 'postgres' AS \$act\$BEGIN $body END\$act\$;",
	  map { "CREATE TRIGGER act $when ON $_ FOR EACH $each EXECUTE FUNCTION act();" }
	  ($case->{target},
		$kind eq 'statement' ? () : 'o',
		$kind ne 'statement' && $case->{flags}{children} ? 't_child' : ());
}

sub create_target
{
	my ($case, @order) = @_;
	my $flags = $case->{flags};
	my $persistence = $flags->{persistence} // '';
	my $name = $case->{target};
	my @storage = map {
		"ALTER TABLE $name ALTER " . quoted($_->{name}) . " SET STORAGE $_->{storage};"
	} grep { $_->{storage} && !$_->{late} } @order;

	return
	  "CREATE $persistence TABLE $name ("
	  . list(with_gone($case, map { target_definition($_) } @order),
		key_constraint($case))
	  . ')'
	  . partition_clause($case) . ';',
	  @storage,
	  ($flags->{partitions} || $flags->{children} ? drop_gone($case, $name) : ()),
	  ($flags->{partitions} ? add_partitions($case) : ()),
	  ($flags->{children}
		? (create_part($case, 't_child', ''), "ALTER TABLE t_child INHERIT $name;")
		: ());
}


# ---------- source ----------

sub create_source
{
	my ($case, @order) = @_;
	my $kind = $case->{flags}{source} // '';
	my %place = map { $order[$_]{name} => $_ } 0 .. $#order;
	my @columns =
	  sort { ($place{ $a->{name} } // 99) <=> ($place{ $b->{name} } // 99) }
	  grep { !$_->{late} } source_columns($case);
	my $persistence = $kind =~ /^[A-Z]+$/ ? $kind : '';

	@columns = shuffled(@columns) if $case->{flags}{other_order};
	my @definitions = map { source_definition($_) } @columns;
	my $base = "CREATE $persistence TABLE $case->{base} (";

	if ($kind eq 'partitioned')
	{
		return $base . list(with_gone($case, @definitions), 's_part int') . ') PARTITION BY LIST (s_part);',
		  drop_gone($case, $case->{base}),
		  "CREATE TABLE s_0 PARTITION OF $case->{base} FOR VALUES IN (0);",
		  'CREATE TABLE s_1 (' . list(with_gone($case, shuffled(@definitions), 's_part int')) . ');',
		  drop_gone($case, 's_1'),
		  "ALTER TABLE $case->{base} ATTACH PARTITION s_1 DEFAULT;";
	}
	return $base . list(with_gone($case, @definitions)) . ');',
	  ($kind =~ /^(children|view_union)$/
		? ('CREATE TABLE s_child (' . list(shuffled(@definitions)) . ');')
		: ()),
	  ($kind eq 'children' ? drop_gone($case, $case->{base}) : ()),
	  ($kind eq 'children' ? "ALTER TABLE s_child INHERIT $case->{base};" : ());
}

# What a source that is no table is, when the rows are there
sub finish_source
{
	my ($case) = @_;
	my $kind = $case->{flags}{source} // '';
	my @columns = source_columns($case);
	my $names = list(map { quoted($_->{name}) } @columns);
	my $keys = list(map { quoted($_->{name}) } grep { $_->{key} } compared_columns($case));
	my $view = "$case->{source} AS SELECT $names FROM s_base";

	return "CREATE VIEW $view;" if $kind eq 'view';
	return "CREATE VIEW $view UNION ALL SELECT $names FROM s_child;"
	  if $kind eq 'view_union';
	my @statements =
	  $kind eq 'materialized' ? ("CREATE MATERIALIZED VIEW $view;") : ();
	push @statements, "CREATE UNIQUE INDEX ON $case->{source} ($keys);"
	  if $case->{flags}{source_index} && $kind !~ /^(partitioned|children)$/;
	return @statements;
}


# ---------- rows ----------

sub create_pool
{
	my ($case) = @_;
	my @columns = @{ $case->{columns} };
	my $definitions = join '',
	  map { ", v$_ $columns[$_]{source_type}{sql}" } 0 .. $#columns;
	my $n = 0;

	return "CREATE TABLE pool (n int, in_source bool, in_target bool, early bool$definitions);",
	  map {
		my $row = $_;
		$n++;
		"INSERT INTO pool VALUES ("
		  . list($n,
			(map { $row->{$_} ? 'true' : 'false' } qw(source target early)),
			(map { literal($_) } @{ $row->{values} }))
		  . ');'
	  } @{ $case->{rows} };
}

# Insert rows one by one, without those that do not fit.
sub load_rows
{
	my ($case, $table, $condition, $extra, $also, @columns) = @_;
	my %number = map { $case->{columns}[$_]{name} => $_ } 0 .. $#{ $case->{columns} };
	my @kept = grep { !$_->{generated} || $table ne $case->{target} && $table ne 't_child' } @columns;
	my $names = list((map { quoted($_->{name}) } @kept), $extra ? $extra->[0] : ());
	my $values = list((map { "v$number{$_->{name}}" } @kept), $extra ? $extra->[1] : ());
	my $check = '';

	if ($also)
	{
		my @common = grep { $_->{side} eq 'both' } @kept;
		$check = 'INSERT INTO a (' . list(map { quoted($_->{name}) } @common) . ') SELECT '
		  . list(map { "v$number{$_->{name}}" } @common) . ' FROM pool WHERE n = i;';
	}
	return <<"END";
DO \$load\$ DECLARE i int; BEGIN
FOR i IN SELECT n FROM pool WHERE $condition ORDER BY n LOOP
	BEGIN
		$check INSERT INTO $table ($names) OVERRIDING SYSTEM VALUE SELECT $values FROM pool WHERE n = i;
	EXCEPTION WHEN OTHERS THEN NULL;
	END;
END LOOP;
END \$load\$;
END
}

sub load_target
{
	my ($case, $early, @columns) = @_;
	my @common = ($early, 'in_target');

	return load_rows($case, $case->{target}, list_and(@common), undef, 0, @columns)
	  if !$case->{flags}{children};
	return
	  load_rows($case, $case->{target}, list_and(@common, 'n % 3 > 0'), undef, 0, @columns),
	  load_rows($case, 't_child', list_and(@common, 'n % 3 = 0'), undef, 0, @columns);
}

sub list_and
{
	return join ' AND ', @_;
}

sub load_source
{
	my ($case, $early, @columns) = @_;
	my $kind = $case->{flags}{source} // '';
	my @common = ($early, 'in_source');
	my $also = !$case->{flags}{bad_values};

	if ($kind eq 'partitioned')
	{
		return load_rows($case, $case->{base}, list_and(@common), [ s_part => 'n % 3' ], $also, @columns);
	}
	return load_rows($case, $case->{base}, list_and(@common), undef, $also, @columns)
	  if $kind !~ /^(children|view_union)$/;
	return
	  load_rows($case, $case->{base}, list_and(@common, 'n % 3 > 0'), undef, $also, @columns),
	  load_rows($case, 's_child', list_and(@common, 'n % 3 = 0'), undef, $also, @columns);
}

# Columns that are added when there are rows
sub add_late
{
	my ($case) = @_;
	my @late = grep { $_->{late} } @{ $case->{columns} };
	my @sources = ($case->{base}, ($case->{flags}{source} // '') eq 'view_union' ? 's_child' : ());

	return map {
		my $column = $_;
		(map { "ALTER TABLE $_ ADD " . source_definition($column) . ';' } @sources),
		"ALTER TABLE $case->{target} ADD " . target_definition($column) . ';'
	} @late;
}

# Those that had no need to be laid out like others yet
sub single_tables
{
	my ($case) = @_;
	my $flags = $case->{flags};

	return (
		(($flags->{source} // '') =~ /^(partitioned|children)$/ ? () : $case->{base}),
		($flags->{partitions} || $flags->{children} ? () : $case->{target}));
}

sub load_tables
{
	my ($case) = @_;
	my $flags = $case->{flags};
	my @early = grep { !$_->{late} } @{ $case->{columns} };
	my @statements = (
		load_source($case, 'early', grep { $_->{side} ne 'target' } @early),
		load_target($case, 'early', grep { $_->{side} ne 'source' } @early),
		drop_gone($case, single_tables($case)),
		add_late($case),
		load_source($case, 'NOT early', source_columns($case)),
		load_target($case, 'NOT early', target_columns($case)),
		'TRUNCATE a;',
		finish_source($case));

	if ($flags->{moved})
	{
		my ($key) = map { quoted($_->{name}) } grep { $_->{key} && !$_->{identity} } @early;
		push @statements,
		  "UPDATE $case->{target} SET $key = $key WHERE length(format('%s', $key)) % 2 = 0;",
		  "VACUUM ANALYZE $case->{target};";
	}
	return @statements, create_tracking($case);
}

# The source is hashed by the expression that the target has.
sub create_tracking
{
	my ($case) = @_;
	my $tracked = $case->{flags}{tracked} or return;
	my @compared = compared_columns($case);
	my @keys = map { quoted($_->{name}) } grep { $_->{key} } @compared;
	my @rest = map { $_->{name} } grep { !$_->{key} } @compared;
	my $hash = 'deltaetl_row_hash(' . list(@keys, map { quoted($_) } @rest) . ')';
	my $add = "ADD row_hash bytea GENERATED ALWAYS AS ($hash) STORED;";

	return (
		$case->{flags}{key} eq 'given'
		? "ALTER TABLE $case->{target} $add"
		: 'SELECT deltaetl_track(' . literal($case->{target}) . ', columns => ARRAY['
		  . list(map { literal($_) } @rest) . ']::name[]);',
		$tracked eq 'both' && $case->{base} eq $case->{source}
		? "ALTER TABLE $case->{base} $add"
		: ());
}


# ---------- all of them ----------

my %collations = (
	alike => q(provider = icu, locale = 'und-u-ks-level1', deterministic = false),
	strict => q(provider = icu, locale = 'und'));

sub create_tables
{
	my ($case) = @_;
	my @order = target_order($case);
	my @copied = grep { $_->{side} eq 'both' } @{ $case->{columns} };
	my $key = $case->{flags}{children} ? undef : key_constraint($case);

	return
	  ($case->{icu} ? map({ "CREATE COLLATION $_ ($collations{$_});" } sort keys %collations) : ()),
	  (map { "$_;" } @{ $case->{ddl} }),
	  create_pool($case),
	  'CREATE TABLE a ('
	  . list(map {
			quoted($_->{name}) . " $_->{type}{sql}"
			  . ($_->{collation} ? " COLLATE $_->{collation}" : '')
		  } @copied)
	  . ');',
	  'CREATE TABLE o (' . list((map { target_definition($_) } target_columns($case)), $key // ()) . ');',
	  create_source($case, @order),
	  create_target($case, @order);
}

1;
