# Copyright (c) 2026, deltaetl maintainers

# An extension that was updated is the same as a new one, whichever released
# version it comes from, and has kept its data.
#
# As long as there is no other version, a made-up one takes its place, which also
# shows that the comparison finds each thing that the script of an update can
# forget.
#
# The server runs from a tree of its own, with the files of this checkout, so that
# a made-up version is not installed anywhere else.

use strict;
use warnings FATAL => 'all';

use File::Basename;
use File::Path qw(make_path);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my ($version) =
  slurp_file('deltaetl.control') =~ /^default_version *= *'(.*)'/m;
my $script = slurp_file("deltaetl--$version.sql");
my $catalog = slurp_file('t/catalog.sql');

# ---------- a server with an extension directory of its own

sub configured
{
	my ($what) = @_;

	chomp(my $dir = qx(pg_config --$what));
	return $dir;
}

sub link_all
{
	my ($from, $to, $except) = @_;

	make_path($to);
	foreach my $file (grep { basename($_) !~ $except } glob "$from/*")
	{
		symlink $file, "$to/" . basename($file) or die "$to: $!";
	}
}

# The server finds its files by the place of its program.
sub make_tree
{
	my ($root) = @_;
	my ($bin, $share, $lib) = map { configured($_) } qw(bindir sharedir pkglibdir);

	make_path($root . $bin, dirname($root . $lib));
	system_or_bail('cp', '-RL', "$bin/.", $root . $bin);
	symlink $lib, $root . $lib or die "$root$lib: $!";
	link_all($share, $root . $share, qr/^extension$/);
	link_all("$share/extension", "$root$share/extension", qr/^deltaetl(--|\.control)/);
	system_or_bail('cp', 'deltaetl.control', glob('deltaetl--*.sql'), "$root$share/extension");
	return ($root . dirname($bin), "$root$share/extension");
}

my ($tree, $extension_dir) = make_tree(PostgreSQL::Test::Utils::tempdir());
my $node = PostgreSQL::Test::Cluster->new('upgrade', install_path => $tree);
$node->init;
$node->append_conf('postgresql.conf', 'autovacuum = off');
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION pgcrypto; CREATE ROLE another');

sub write_script
{
	my ($name, @statements) = @_;

	open my $file, '>', "$extension_dir/deltaetl--$name.sql" or die "$name: $!";
	print $file @statements;
	close $file;
}

# ---------- what is compared

# What the catalogs, and psql, say of the extension after these statements.
sub facts
{
	my (@statements) = @_;
	my $out = $node->safe_psql('postgres', <<"END");
SET client_min_messages = warning;
$catalog
BEGIN;
@statements;
SELECT * FROM pg_temp.describe_extension('deltaetl');
\\dx+ deltaetl
ROLLBACK;
END

	return { map { $_ => 1 } grep { /\S/ } split /\n/, $out };
}

sub difference
{
	my ($fresh, $updated) = @_;

	return (
		(map { "only if new: $_" } grep { !$updated->{$_} } sort keys %$fresh),
		(map { "only if updated: $_" } grep { !$fresh->{$_} } sort keys %$updated));
}

sub facts_updated
{
	my ($from) = @_;

	return facts("CREATE EXTENSION deltaetl VERSION '$from'", "; ALTER EXTENSION deltaetl UPDATE");
}

my $fresh = facts('CREATE EXTENSION deltaetl');
ok( $fresh->{
		'function deltaetl_row_hash("any"): pg_proc.proparallel = "s"'},
	'the facts have functions and their properties');
cmp_ok(scalar keys %$fresh, '>', 3000, 'and there are many');
is(join("\n", difference($fresh, facts('CREATE EXTENSION deltaetl'))),
	'', 'one installation is as the next');

# ---------- a version

sub table_counts
{
	my ($database) = @_;

	return $node->safe_psql($database, <<'END');
SELECT (SELECT count(*) FROM deltaetl_run_entry), (SELECT count(*) FROM deltaetl_change_entry),
	(SELECT count(*) FROM deltaetl_job_entry), (SELECT last_value FROM deltaetl_run_id_seq)
END
}

# Used under the old definitions, with today's library, then updated, then used.
sub check_update
{
	my ($from) = @_;
	my $database = "from $from";

	is(join("\n", difference($fresh, facts_updated($from))),
		'', "an update from $from is as a new installation");

	$node->safe_psql('postgres', qq(CREATE DATABASE "$database"));
	is($node->safe_psql($database, <<"END"), '2|0|0|0', "$from works as it was");
SET client_min_messages = warning;
CREATE EXTENSION deltaetl VERSION '$from' CASCADE;
CREATE TABLE products (id int PRIMARY KEY, name text);
CREATE TABLE staging (id, name) AS VALUES (1, 'Laptop'), (2, 'Phone');
SELECT inserted, updated, deleted, unchanged
FROM deltaetl_sync('staging', 'products', log_changes => 'rows');
SELECT FROM deltaetl_create_job('nightly', 'staging', 'products');
END
	my $before = table_counts($database);
	is($before, '1|2|1|1', "$from has data");
	$node->safe_psql($database, 'ALTER EXTENSION deltaetl UPDATE');
	is(table_counts($database), $before, "an update from $from keeps them");
	is($node->safe_psql($database, <<"END"), "0|1|0|1\nnightly|succeeded", "and goes on with them");
UPDATE staging SET name = 'Tablet' WHERE id = 2;
CALL deltaetl_run_job('nightly');
SELECT inserted, updated, deleted, unchanged FROM deltaetl_run_log WHERE job = 'nightly';
SELECT name, last_status FROM deltaetl_job;
END
}

my @released = split /\n/, $node->safe_psql('postgres', <<"END");
SELECT source FROM pg_extension_update_paths('deltaetl')
JOIN pg_available_extension_versions ON name = 'deltaetl' AND version = source
WHERE target = '$version' AND path IS NOT NULL
END
note 'released before: ' . (join(', ', @released) || 'none');
check_update($_) foreach @released;

# ---------- a made-up version

# What the script has about an object: a paragraph that begins like this, and
# those after it that name it.
sub definition
{
	my ($kind, $name) = @_;
	my @found =
	  grep { /^(?:--.*\n)*(?:CREATE $kind|COMMENT ON $kind) \Q$name\E\b/ } split /\n\n/, $script;

	die "nothing about $kind $name" if !@found;
	return join "\n\n", @found, '';
}

my $differs = definition('FUNCTION', 'deltaetl_differs') =~ s/CREATE/CREATE OR REPLACE/r;
my $forgets_support = $differs =~ s/\nSUPPORT \w+//r;
my $recent_runs = definition('VIEW', 'deltaetl_recent_runs');
isnt($forgets_support, $differs, 'there is a support function to forget');

my @older = (
	$forgets_support,
	'DROP FUNCTION deltaetl_verify;',
	'DROP INDEX deltaetl_run_entry_job;',
	'ALTER TABLE deltaetl_change_entry DROP COLUMN old_text, DROP COLUMN new_text;',
	'DROP VIEW deltaetl_recent_runs;',
	$recent_runs =~ s/,\n\tmessage//r);
my @newer = (
	$differs,
	definition('FUNCTION', 'deltaetl_verify'),
	'CREATE INDEX deltaetl_run_entry_job ON deltaetl_run_entry (job, run_id) WHERE job IS NOT NULL;',
	'ALTER TABLE deltaetl_change_entry ADD COLUMN old_text jsonb, ADD COLUMN new_text jsonb;',
	'DROP VIEW deltaetl_recent_runs;',
	$recent_runs);

write_script('0.9', join "\n", $script, @older);
write_script("0.9--$version");
foreach my $forgotten (
	qr/deltaetl_differs.*prosupport/, qr/deltaetl_verify/, qr/deltaetl_run_entry_job/,
	qr/column new_text/, qr/column message/)
{
	like(join("\n", difference($fresh, facts_updated('0.9'))),
		$forgotten, "an update that does nothing is found out: $forgotten");
}
write_script("0.9--$version", join "\n", @newer);
check_update('0.9');

# ---------- what an update can get wrong

my $hash = 'FUNCTION deltaetl_row_hash(VARIADIC "any")';
my $prune = 'FUNCTION deltaetl_prune_log(interval)';
my $table = 'TABLE deltaetl_change_entry';
foreach (
	[ 'volatility', "ALTER $hash STABLE", 'provolatile = "s"' ],
	[ 'parallel mark', "ALTER $hash PARALLEL RESTRICTED", 'proparallel = "r"' ],
	[ 'strictness', "ALTER $hash STRICT", 'proisstrict = true' ],
	[ 'cost', "ALTER $hash COST 7", 'procost = 7' ],
	[ 'rows', 'ALTER FUNCTION deltaetl_explain ROWS 7', 'prorows = 7' ],
	[ 'leakproof', "ALTER $hash LEAKPROOF", 'proleakproof = true' ],
	[ 'security definer', "ALTER $prune SECURITY DEFINER", 'prosecdef = true' ],
	[ 'setting of a function', "ALTER $prune SET work_mem = '1MB'", 'proconfig = ["work_mem=1MB"]' ],
	[ 'support function', $forgets_support, 'prosupport = null' ],
	[ 'default of an argument', definition('FUNCTION', 'deltaetl_verify') =~
		  s/CREATE/CREATE OR REPLACE/r =~ s/DEFAULT NULL/DEFAULT 'row_hash'/r, "DEFAULT 'row_hash'" ],
	[ 'combine function of an aggregate', definition('AGGREGATE', 'deltaetl_fingerprints') =~
		  s/CREATE/CREATE OR REPLACE/r =~ s/\tCOMBINEFUNC.*\n|\tSERIALFUNC.*\n|\tDESERIALFUNC.*\n//gr,
		'aggcombinefn = null' ],
	[ 'function that is gone', 'CREATE FUNCTION deltaetl_gone() RETURNS int LANGUAGE sql RETURN 1',
		'deltaetl_gone' ],
	[ 'owner', "ALTER $prune OWNER TO another", 'proowner = "role another"' ],
	[ 'right to execute', "GRANT EXECUTE ON $prune TO PUBLIC", 'proacl = ["=X/' ],
	[ 'right to read', 'REVOKE SELECT ON deltaetl_stats FROM PUBLIC', 'relacl = ' ],
	[ 'right to a column', 'GRANT SELECT (name) ON deltaetl_job_entry TO PUBLIC', 'attacl = ["=r/' ],
	[ 'comment', "COMMENT ON $hash IS NULL", 'pg_description.description = ' ],
	[ 'comment on a column', "COMMENT ON COLUMN deltaetl_job.name IS 'x'", 'description = "x"' ],
	[ 'definition of a view', 'CREATE OR REPLACE ' . $recent_runs =~ s/^CREATE (.*)LIMIT 20/$1LIMIT 7/sr,
		'LIMIT 7' ],
	[ 'option of a view', 'ALTER VIEW deltaetl_stats RESET (security_barrier)', 'reloptions = null' ],
	[ 'order of columns', "ALTER $table DROP COLUMN old_text; ALTER $table ADD COLUMN old_text jsonb",
		'new_text, old_text' ],
	[ 'type of a column', "ALTER $table ALTER new_text TYPE json USING NULL", 'atttypid = "type json"' ],
	[ 'NOT NULL', "ALTER $table ALTER new_text SET NOT NULL", 'attnotnull = true' ],
	[ 'default', "ALTER $table ALTER new_text SET DEFAULT '7'", q(definition = "'7'::jsonb") ],
	[ 'storage', "ALTER $table ALTER new_text SET STORAGE EXTERNAL", 'attstorage = "e"' ],
	[ 'constraint', "ALTER $table ADD CHECK (position > 7)", 'CHECK ((\"position\" > 7))' ],
	[ 'index', 'DROP INDEX deltaetl_run_entry_finished', 'CREATE INDEX deltaetl_run_entry_finished' ],
	[ 'trigger', "CREATE TRIGGER t BEFORE UPDATE ON deltaetl_change_entry FOR EACH ROW
		EXECUTE FUNCTION suppress_redundant_updates_trigger()", 'CREATE TRIGGER t ' ],
	[ 'row security', "ALTER $table ENABLE ROW LEVEL SECURITY", 'relrowsecurity = true' ],
	[ 'policy', "CREATE POLICY p ON deltaetl_change_entry USING (run_id > 7)", '(run_id > 7)' ],
	[ 'table without WAL', "ALTER $table SET UNLOGGED", 'relpersistence = "u"' ],
	[ 'option of a table', "ALTER $table SET (fillfactor = 70)", 'reloptions = ["fillfactor=70"]' ],
	[ 'sequence', 'ALTER SEQUENCE deltaetl_run_id_seq CACHE 7', 'seqcache = 7' ],
	[ 'what is dumped', "SELECT pg_catalog.pg_extension_config_dump('deltaetl_job_entry', 'WHERE false')",
		'dumped WHERE false' ],
	[ 'what belongs to it', 'ALTER EXTENSION deltaetl DROP VIEW deltaetl_stats', 'view deltaetl_stats' ])
{
	my ($name, $mistake, $found) = @$_;

	write_script("0.9--$version", join "\n", @newer, "$mistake;\n");
	like(join("\n", difference($fresh, facts_updated('0.9'))),
		qr/\Q$found\E/, "a difference is found: $name");
}

$node->stop;
done_testing();
