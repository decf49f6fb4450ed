"""What is asked of the server beside the work that is measured: connections,
settings, the WAL, and bringing tables back to what they were."""

import os
import time

import psycopg2

# The same for each contender.  Compiling queries takes longer than running
# most of those here, and would blur what is compared.
SESSION = {'jit': 'off', 'statement_timeout': '30min'}

# Beside those that a case sets.
SHOWN = ('shared_buffers', 'hash_mem_multiplier', 'max_parallel_workers', 'wal_level', 'full_page_writes',
         'fsync', 'synchronous_commit', 'wal_compression', 'max_wal_size', 'autovacuum', 'jit',
         'checkpoint_timeout', 'data_checksums')


def connect(settings=None, autocommit=True):
    """The environment says where the server is."""
    connection = psycopg2.connect('')
    connection.autocommit = True
    with connection.cursor() as cursor:
        for name, value in {**SESSION, **(settings or {})}.items():
            cursor.execute('SELECT set_config(%s, %s, false)', (name, str(value)))
    connection.autocommit = autocommit
    return connection


class Server:
    """A session that prepares and checks, apart from those that are measured."""

    def __init__(self):
        self.connection = connect({'maintenance_work_mem': '512MB', 'max_parallel_workers_per_gather': 2,
                                   'work_mem': '256MB', 'client_min_messages': 'warning'})
        self.cursor = self.connection.cursor()
        self.version = self.connection.server_version
        self.pid = self.connection.info.backend_pid
        self.postmaster = self.find_postmaster()

    def run(self, *statements):
        for statement in statements:
            self.cursor.execute(statement)

    def row(self, statement, *values):
        self.cursor.execute(statement, values or None)
        return self.cursor.fetchone()

    def value(self, statement, *values):
        return self.row(statement, *values)[0]

    def has_function(self, name):
        return self.value('SELECT count(*) > 0 FROM pg_proc WHERE proname = %s', name)

    def can_create(self, extension):
        return self.value('SELECT count(*) > 0 FROM pg_available_extensions WHERE name = %s', extension)

    def find_postmaster(self):
        """None where there is no /proc to look at."""
        directory = self.value("SELECT current_setting('data_directory')")
        if not os.path.isdir('/proc/self'):
            return None
        with open(os.path.join(directory, 'postmaster.pid')) as file:
            return int(file.readline())

    def settings(self):
        return {name: self.value('SELECT current_setting(%s)', name) for name in SHOWN}

    # ---------- tables ----------

    def sizes(self, name):
        """Bytes of heap, indexes, and the same of what is stored out of line."""
        return self.row('''
            SELECT pg_relation_size(c.oid), pg_indexes_size(c.oid),
                   coalesce(pg_relation_size(nullif(c.reltoastrelid, 0)), 0),
                   coalesce(pg_indexes_size(nullif(c.reltoastrelid, 0)), 0)
            FROM pg_class AS c WHERE c.oid = %s::regclass''', name)

    def files(self, name):
        """OIDs and file numbers of a table, its indexes and out-of-line storage."""
        self.cursor.execute('''
            WITH tables AS (
                SELECT unnest(ARRAY[oid, reltoastrelid]) AS oid FROM pg_class WHERE oid = %s::regclass)
            SELECT c.oid, pg_relation_filenode(c.oid) FROM pg_class AS c
            WHERE c.oid IN (SELECT oid FROM tables)
               OR c.oid IN (SELECT indexrelid FROM pg_index JOIN tables ON indrelid = tables.oid)''',
                            (name,))
        return self.cursor.fetchall()

    def settle(self, name):
        """Right after loading: no hint bits to set, statistics, all in memory."""
        self.run(f'VACUUM (FREEZE, ANALYZE) {name}')
        self.warm(name)

    def warm(self, name):
        for oid, _ in self.files(name):
            self.value('SELECT pg_prewarm(%s::regclass)', oid)

    def restore(self, name, before):
        """After a rollback: remove the dead rows, and what room they took.

        What VACUUM cannot give back would make the table larger for whoever
        comes next; then it is written anew.
        """
        self.run(f'VACUUM (INDEX_CLEANUP ON) {name}')
        heap, indexes, toast, toast_indexes = self.sizes(name)
        if heap > before[0] * 1.03 or toast > before[2] * 1.03:
            self.run(f'VACUUM (FULL, FREEZE) {name}', f'VACUUM (FREEZE) {name}')
        elif indexes > before[1] * 1.05 or toast_indexes > before[3] * 1.05:
            self.run(f'REINDEX TABLE {name}')
        self.warm(name)

    # ---------- WAL ----------

    def target_wal(self, name, start, end):
        """Bytes of the WAL records between two places that concern a table."""
        self.run('CHECKPOINT')          # what is to be read has to be flushed
        database = self.value('SELECT oid FROM pg_database WHERE datname = current_database()')
        files = '|'.join(str(file) for _, file in self.files(name))
        return int(self.value('''
            SELECT coalesce(sum(record_length), 0) FROM pg_get_wal_records_info(%s, %s)
            WHERE block_ref ~ %s''', start, end, f'/{database}/({files}) '))


def place_in_wal(cursor):
    cursor.execute('SELECT pg_current_wal_insert_lsn()')
    return cursor.fetchone()[0]


def bytes_between(cursor, start, end):
    cursor.execute('SELECT pg_wal_lsn_diff(%s, %s)', (end, start))
    return int(cursor.fetchone()[0])


def timed(work):
    start = time.perf_counter()
    result = work()
    return round((time.perf_counter() - start) * 1000, 3), result
