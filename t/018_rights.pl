# Copyright (c) 2026, deltaetl maintainers

# Who a job runs as when its owner has logged in, and what takes a second
# session or settings of the server: temporary tables of others, prepared
# transactions, parallel queries.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('rights');
$node->init;
$node->append_conf('postgresql.conf', 'max_prepared_transactions = 2');
$node->start;
$node->safe_psql(
	'postgres', q(
CREATE EXTENSION pgcrypto;
CREATE EXTENSION deltaetl;
CREATE ROLE maker LOGIN;
CREATE ROLE other LOGIN;
CREATE ROLE staff;
GRANT staff TO other, maker;
CREATE SCHEMA made AUTHORIZATION maker;
));

sub run_as
{
	my ($role, $sql) = @_;
	my ($status, $output, $error) = $node->psql('postgres', $sql, extra_params => [ '-U', $role ]);

	return ($status, $output, $error);
}

sub works
{
	my ($role, $sql, $what) = @_;
	my ($status, $output, $error) = run_as($role, $sql);

	is("$status$error", '0', $what);
	return $output;
}


# ---------- jobs ----------

# The trigger does what a row says, and notes how that went.
works('maker', q(
CREATE TABLE made.products (id int PRIMARY KEY, attack text, outcome text);
CREATE TABLE made.staging (id int, attack text);
CREATE TABLE made.later (id int, said text);
CREATE FUNCTION made.attack() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE NEW.attack;
	NEW.outcome = 'done';
	RETURN NEW;
EXCEPTION WHEN OTHERS THEN
	NEW.outcome = SQLERRM;
	RETURN NEW;
END $$;
CREATE TRIGGER attack BEFORE INSERT ON made.products FOR EACH ROW EXECUTE FUNCTION made.attack();
CREATE FUNCTION made.say() RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	BEGIN
		EXECUTE 'RESET ROLE';
	EXCEPTION WHEN OTHERS THEN NULL;
	END;
	INSERT INTO made.later VALUES (1, current_user);
	RETURN 1;
END $$;
INSERT INTO made.staging VALUES (1, 'DECLARE held CURSOR WITH HOLD FOR SELECT made.say()'), (2, 'CREATE TEMP TABLE mine (id int)'), (3, 'RESET ROLE');
SELECT FROM deltaetl_create_job('attack', 'made.staging', 'made.products');
), 'a role makes a job');
my $count = q(SELECT count(*) FILTER (WHERE outcome = 'done') FROM made.products);

works('maker', q(CALL deltaetl_run_job('attack')), 'its owner logs in and runs it');
is($node->safe_psql('postgres', $count), '3', 'its code may do what statements of the owner may');
is($node->safe_psql('postgres', 'SELECT DISTINCT said FROM made.later'), 'maker', 'also at the commit, as the owner');

$node->safe_psql('postgres', q(TRUNCATE made.products, made.later));
works('postgres', q(
SET ROLE maker;
CALL deltaetl_run_job('attack');
), 'a superuser sets the role of the owner and runs it');
is($node->safe_psql('postgres', $count), '0', 'its code may not set a role, nor leave something behind');
is($node->safe_psql('postgres', 'SELECT count(*) FROM made.later'), '0', 'not even to the commit');

# a job of a role that cannot log in, which its members run
works('other', q(
SET ROLE staff;
CREATE TEMP TABLE said AS SELECT 1;
), 'a member of a group sets its role');
$node->safe_psql(
	'postgres', q(
CREATE TABLE goods (id int PRIMARY KEY);
CREATE TABLE new_goods AS SELECT 1 AS id;
ALTER TABLE goods OWNER TO staff;
ALTER TABLE new_goods OWNER TO staff;
SET ROLE staff;
SELECT deltaetl_create_job('goods', 'new_goods', 'goods');
));
works('other', q(SET ROLE staff; CALL deltaetl_run_job('goods')), 'and runs the job of the group');
is($node->safe_psql('postgres', q(SELECT role FROM deltaetl_run_log WHERE job = 'goods')), 'staff', 'as that');
foreach my $role ('other', 'postgres')
{
	my (undef, undef, $error) = run_as($role, q(CALL deltaetl_run_job('goods')));

	like($error, qr/must be owner of job "goods"/, "$role does not, without it");
}


# ---------- sessions ----------

my $session = $node->background_psql('postgres');
$session->query_safe('CREATE TEMP TABLE theirs AS SELECT 1 AS id');
$session->query_safe('ALTER TABLE theirs ADD PRIMARY KEY (id)');
my $theirs = $node->safe_psql('postgres', q(SELECT oid FROM pg_class WHERE relname = 'theirs'));
foreach my $call ("deltaetl_diff($theirs, 'goods')", "deltaetl_sync('goods', $theirs)", "deltaetl_hashes($theirs)",
	"deltaetl_track($theirs)", "deltaetl_explain('goods', $theirs)", "deltaetl_create_job('x', $theirs, 'goods')")
{
	my (undef, undef, $error) = run_as('postgres', "SELECT $call");

	like($error, qr/temporary (?:table|relation) "theirs"/, "not with a temporary table of another session: " . $call =~ s/\d+/it/r);
}
$session->quit;

works('postgres', q(
INSERT INTO new_goods VALUES (2);
BEGIN;
SELECT deltaetl_sync('new_goods', 'goods', log_changes => 'rows');
PREPARE TRANSACTION 'sync';
), 'a run is part of a prepared transaction');
my ($status, undef, $notice) = run_as('postgres', q(SELECT deltaetl_sync('new_goods', 'goods', if_running => 'skip')));
is($status, 0, 'another one');
like($notice, qr/another run on "goods" has not finished/, 'notices and is skipped');
works('postgres', q(COMMIT PREPARED 'sync'), 'and with it, it is committed');
is($node->safe_psql('postgres', 'SELECT count(*) FROM goods'), '2', 'as are its rows');
is($node->safe_psql('postgres', q(SELECT count(*) FROM deltaetl_changes('goods'))), '1', 'and their log');


# ---------- parallel queries ----------

my $force = $node->pg_version < 16 ? 'force_parallel_mode' : 'debug_parallel_query';
my $parallel = "SET $force = on; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;";
$node->safe_psql(
	'postgres', q(
INSERT INTO new_goods SELECT generate_series(3, 3000);
CREATE FUNCTION liar() RETURNS bigint LANGUAGE sql PARALLEL SAFE AS
$$ SELECT unchanged FROM deltaetl_sync('new_goods', 'goods') $$;
CREATE FUNCTION teller() RETURNS bigint LANGUAGE sql PARALLEL SAFE AS
$$ SELECT count(*) FROM deltaetl_diff('new_goods', 'goods') $$;
));
is(works('postgres', "$parallel SELECT inserted FROM deltaetl_sync('new_goods', 'goods')", 'a run in a parallel query'),
	'2998', 'does what it should');
is(works('postgres', "$parallel SELECT count(*) FROM goods WHERE deltaetl_row_hash(id) IS NOT NULL", 'hashes by workers'),
	'3000', 'are computed');
is(works('postgres', "$parallel SELECT count(*) FROM new_goods, deltaetl_diff('new_goods', 'goods')", 'a diff beside workers'),
	'0', 'finds nothing');
is(works('postgres', "$parallel SELECT teller()", 'a diff in a worker, by a function that is not safe but says so'),
	'0', 'does as well');
my (undef, undef, $error) = run_as('postgres', "$parallel SELECT liar()");
like($error, qr/during a parallel operation/, 'and a run is refused there');
is($node->safe_psql('postgres', 'SELECT count(*) FROM goods'), '3000', 'all the same');

unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC|TRAP/, 'nothing has crashed');
$node->stop;
done_testing();
