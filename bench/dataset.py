"""Tables of one size and shape, filled, on the server.

"target" and "source" are always there; other forms of them are made when a
contender first asks for them:

    target_tracked          target with stored hashes
    source_hashed_staging   source with the hashes that it got while it was loaded
    target_covered          the same two, with indexes that have key and hash,
    source_covered          so that wide rows need not be read
    target_hashed           target with the hashes of the Python pipeline
"""

import tables

# Beyond so many columns a function gets no list of them.
MAX_ARGUMENTS = 100

# What deltaetl_track calls it unless told otherwise.
HASH_COLUMN = 'row_hash'

OTHER_TARGETS = ('target_tracked', 'target_covered', 'target_hashed')
OTHER_SOURCES = ('source_hashed_staging', 'source_covered')


class Dataset:
    def __init__(self, server, case):
        self.server = server
        self.table = tables.table_of(case.shape, case.key)
        self.rows = case.rows
        self.identity = case.target_identity()
        self.before = {}            # sizes of the targets as loaded
        self.load_target(case)

    def drop(self):
        self.server.run(f'DROP TABLE IF EXISTS target, {", ".join(OTHER_TARGETS)}, '
                        f'source, {", ".join(OTHER_SOURCES)}')

    # ---------- loading ----------

    def load_target(self, case):
        self.drop()
        self.source_identity = None
        self.empty = case.first_load
        self.server.run(tables.create(self.table, 'target'))
        if not self.empty:
            self.server.run(tables.fill_target(self.table, 'target', self.rows))
        self.server.run(tables.add_key(self.table, 'target'))
        self.settle_target('target')

    def load_source(self, case):
        """Sources differ more often than targets do."""
        if self.source_identity == case.source_identity():
            return
        delta = tables.Delta(case.share / 100, case.deletes)
        self.server.run(f'DROP TABLE IF EXISTS source, {", ".join(OTHER_SOURCES)}',
                        tables.create(self.table, 'source'),
                        tables.fill_source(self.table, 'source', self.rows, delta))
        self.server.settle('source')
        self.source_identity = case.source_identity()
        self.checksum = self.server.row(tables.checksum(self.table, 'source'))
        self.hash_input = None
        self.delta = self.expected_delta(delta)

    def expected_delta(self, delta):
        """Rows to insert, update and delete."""
        if self.empty:
            return self.checksum[0], 0, 0
        return self.server.row(tables.count_delta(self.rows, delta))

    def exists(self, name):
        return self.server.value('SELECT to_regclass(%s) IS NOT NULL', name)

    def provide(self, contender):
        for name in (contender.target, contender.source):
            if not self.exists(name):
                getattr(self, 'load_' + name)()

    def track(self, name):
        self.server.run(f'CREATE TABLE {name} (LIKE target INCLUDING ALL)',
                        f'INSERT INTO {name} SELECT * FROM target',
                        f"SELECT deltaetl_track('{name}')")

    def stage(self, name, target):
        """A staging table that hashes its rows while it is loaded."""
        names = ', '.join(self.table.names)
        self.server.run(f'CREATE TABLE {name} (LIKE {target} INCLUDING GENERATED)',
                        f'INSERT INTO {name} ({names}) SELECT {names} FROM source')

    def cover(self, name):
        keys = ', '.join(self.table.key_names)
        self.server.run(f'CREATE INDEX ON {name} ({keys}) INCLUDE ({HASH_COLUMN})')

    def load_target_tracked(self):
        self.track('target_tracked')
        self.settle_target('target_tracked')

    def load_source_hashed_staging(self):
        self.stage('source_hashed_staging', 'target_tracked')
        self.server.settle('source_hashed_staging')

    def load_target_covered(self):
        self.track('target_covered')
        self.cover('target_covered')
        self.settle_target('target_covered')

    def load_source_covered(self):
        self.stage('source_covered', 'target_covered')
        self.cover('source_covered')
        self.server.settle('source_covered')

    def load_target_hashed(self):
        import pipeline         # only where SQLAlchemy is needed

        pipeline.create_target(self.server.cursor, self.table)
        self.settle_target('target_hashed')

    def settle_target(self, name):
        self.server.settle(name)
        self.before[name] = self.server.sizes(name)

    # ---------- between contenders ----------

    def restore(self, name):
        if self.empty:
            self.server.run(f'TRUNCATE {name}')
        else:
            self.server.restore(name, self.before[name])

    def encoded_bytes(self):
        """Of both tables, as they are hashed."""
        if self.hash_input is None:
            names = self.table.names
            if len(names) > MAX_ARGUMENTS:
                raise ValueError('too many columns to encode')
            self.hash_input = sum(int(self.server.value(
                f'SELECT coalesce(sum(octet_length(deltaetl_encode({", ".join(names)}))), 0) FROM {name}'))
                for name in ('source', 'target'))
        return self.hash_input
