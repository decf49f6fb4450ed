# Copyright (c) 2026, deltaetl maintainers

# Source and target on servers of different major versions: digests are the same,
# and so is the result, in both directions, with and without deltaetl on the
# other server.
#
# The other server is one of the installation that DELTAETL_OTHER names by its
# directory, such as /usr/lib/postgresql/17, or the first beside this one that has
# the extension and another version.  Instead, DELTAETL_OTHER_SERVER may be the
# connection string of a server with an empty database, as in a chroot.  Where
# there is neither, the test is skipped.

use strict;
use warnings FATAL => 'all';

use File::Basename;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my ($major) = `pg_config --version` =~ /(\d+)/;

# Another major version beside this one, with the extension.
sub other_installation
{
	foreach my $install (glob dirname(dirname(scalar `pg_config --bindir`)) . '/*')
	{
		next unless -x "$install/bin/postgres" && -x "$install/bin/pg_config" && `$install/bin/pg_config --version` =~ /(\d+)/ && $1 != $major;
		chomp(my $sharedir = `$install/bin/pg_config --sharedir`);
		return $install if -f "$sharedir/extension/deltaetl.control";
	}
	return;
}

my $server = $ENV{DELTAETL_OTHER_SERVER};
my $install = $ENV{DELTAETL_OTHER} // other_installation();
plan skip_all => 'no other major version with deltaetl beside this one; DELTAETL_OTHER can name one' unless $server || $install;

my $here = PostgreSQL::Test::Cluster->new('here');
$here->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
$here->start;
unless ($server)
{
	my $other = PostgreSQL::Test::Cluster->new('there', install_path => $install);
	$other->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
	$other->start;
	$server = $other->connstr('postgres');
}

# Our own psql speaks to both.
sub there
{
	my ($sql) = @_;
	my ($out, $err);

	run_log([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $server, '-c', "SET client_min_messages = warning; $sql" ], '>', \$out, '2>', \$err)
	  or die "there: $err";
	chomp $out;
	return $out;
}

my ($version) = there('SHOW server_version') =~ /^(\d+)/;
note "here $major, there $version";
isnt($version, $major, 'the other server has another major version');

# Another as in libpq, but as options of a server.
my %option = $server =~ /(\w+)='?([^'\s]+)'?/g;
my $options = join ', ', map { "$_ '$option{$_}'" } grep { /^(host|port|dbname)$/ } sort keys %option;
my $user = $option{user} ? " OPTIONS (user '$option{user}')" : '';

my $columns = 'id int NOT NULL, name varchar(40), price numeric(12,3), ratio float8, at timestamptz, span interval, data bytea, doc jsonb,'
  . ' key uuid, flag boolean, day date, words text[], period tstzrange';
my $values = q(SELECT i, CASE WHEN i %% 3 = 0 THEN NULL ELSE 'name ' || i END, i / 7.0, i / 3.0, timestamptz '2026-01-01 UTC' + i * interval '1 s',
	make_interval(mins => i), decode(md5(i::text), 'hex'), jsonb_build_object('i', i), md5(i::text)::uuid, i %% 2 = 0, date '2026-01-01' + i,
	ARRAY[i::text, NULL], tstzrange('2026-01-01 UTC', NULL) FROM generate_series(%d, %d) AS i);
my $change = q(UPDATE near SET name = 'changed', price = -price, span = '1 mon -1 day' WHERE id % 10 = 0; DELETE FROM near WHERE id % 100 = 1; )
  . 'INSERT INTO near ' . sprintf($values, 3001, 3100);

there('CREATE EXTENSION IF NOT EXISTS deltaetl CASCADE');
$here->safe_psql('postgres', 'CREATE EXTENSION deltaetl CASCADE; CREATE EXTENSION postgres_fdw');

sub make_tables
{
	my ($extensions) = @_;
	my $table = "DROP TABLE IF EXISTS near; CREATE TABLE near ($columns, PRIMARY KEY (id)); INSERT INTO near " . sprintf($values, 1, 3000);

	there($table);
	$here->safe_psql('postgres', qq(
$table;
DROP SERVER IF EXISTS there CASCADE;
CREATE SERVER there FOREIGN DATA WRAPPER postgres_fdw OPTIONS ($options$extensions);
CREATE USER MAPPING FOR CURRENT_USER SERVER there$user;
CREATE FOREIGN TABLE far ($columns) SERVER there OPTIONS (table_name 'near')));
}

sub sync
{
	my ($source, $target) = @_;
	return $here->safe_psql('postgres',
		"SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync('$source', '$target', '{id}', deletes => 'delete')");
}

foreach my $extensions (q(, extensions 'deltaetl'), '')
{
	foreach my $direction ([ 'near', 'far' ], [ 'far', 'near' ])
	{
		my $name = "$direction->[0] to $direction->[1], deltaetl " . ($extensions ? 'there' : 'not there');
		my $explanation;

		make_tables($extensions);
		$explanation = $here->safe_psql('postgres', "SELECT deltaetl_explain('$direction->[0]', '$direction->[1]', '{id}')");
		like($explanation, $extensions ? qr/computed on its server/ : qr/by a join on the key/, "$name: rows are found in the way that is meant");
		is(sync(@$direction), '0|0|0|3000', "$name: at first both are the same");
		$direction->[0] eq 'near' ? $here->safe_psql('postgres', $change) : there($change);
		is(sync(@$direction), '100|300|30|2670', "$name: what differs is written");
		is(sync(@$direction), '0|0|0|3070', "$name: and then nothing");
		is($here->safe_psql('postgres', '(TABLE near EXCEPT ALL TABLE far) UNION ALL (TABLE far EXCEPT ALL TABLE near)'),
			'', "$name: an oracle says that both sides are the same");
		is(there(q(SELECT deltaetl_digest('near'))), $here->safe_psql('postgres', q(SELECT deltaetl_digest('near'))), "$name: so say their digests");
	}
}

done_testing();
