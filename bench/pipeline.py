"""A pipeline outside the server: extract, hash, compare, load.

The source's rows are fetched and hashed, a map of the target's keys to the
hashes stored with its rows is fetched, and what is new or differs is loaded in
bulk.  The target, "target_hashed", has a column row_hash for it that the
pipeline itself keeps.
"""

import hashlib

import sqlalchemy as sa


def row_hash(row):
    joined = '|'.join('' if value is None else str(value) for value in row)
    return hashlib.sha256(joined.encode()).hexdigest()


class Pipeline:
    def __init__(self, table):
        self.table = table
        self.engine = sa.create_engine('postgresql+psycopg2://', poolclass=sa.pool.NullPool,
                                       executemany_mode='values_plus_batch')
        metadata = sa.MetaData()
        self.source = sa.Table('source', metadata, autoload_with=self.engine)
        self.target = sa.Table('target_hashed', metadata, autoload_with=self.engine)
        self.key_size = len(table.key)

    def extract(self, connection):
        columns = [self.source.c[name] for name in self.table.names]
        return connection.execute(sa.select(*columns)).fetchall()

    def target_hashes(self, connection):
        columns = [self.target.c[name] for name in self.table.key_names + ['row_hash']]
        rows = connection.execute(sa.select(*columns))
        return {tuple(row[:-1]): row[-1] for row in rows}

    def detect(self, rows, hashes):
        inserts, updates = [], []
        for row in rows:
            new, old = row_hash(row), hashes.get(tuple(row[:self.key_size]))
            if new != old:
                record = dict(zip(self.table.names, row), row_hash=new)
                (inserts if old is None else updates).append(record)
        return inserts, updates

    def update_statement(self):
        """A bound key must not bear the name of a column that is set."""
        names = self.table.value_names + ['row_hash']
        matches = [self.target.c[name] == sa.bindparam('key_' + name)
                   for name in self.table.key_names]
        return sa.update(self.target).where(*matches).values(
            {name: sa.bindparam(name) for name in names})

    def load(self, connection, inserts, updates):
        if inserts:
            connection.execute(sa.insert(self.target), inserts)
        for record in updates:
            for name in self.table.key_names:
                record['key_' + name] = record.pop(name)
        if updates:
            connection.execute(self.update_statement(), updates)

    def run(self, connection):
        rows = self.extract(connection)
        inserts, updates = self.detect(rows, self.target_hashes(connection))
        self.load(connection, inserts, updates)


def create_target(cursor, table):
    """What earlier runs of the pipeline would have left: the target's rows, each
    with its hash."""
    names, keys = ', '.join(table.names), ', '.join(table.key_names)
    cursor.execute(f'CREATE TEMPORARY TABLE hashes AS SELECT {keys}, NULL::text AS row_hash '
                   'FROM target LIMIT 0')
    cursor.execute(f'SELECT {names} FROM target')
    with HashedKeys(cursor.fetchall(), len(table.key)) as lines:
        cursor.copy_expert('COPY hashes FROM STDIN', lines)
    cursor.execute(f'CREATE TABLE target_hashed AS SELECT {names}, row_hash '
                   f'FROM target JOIN hashes USING ({keys}) ORDER BY {keys}')
    cursor.execute(f'ALTER TABLE target_hashed ADD PRIMARY KEY ({keys})')
    cursor.execute('DROP TABLE hashes')


class HashedKeys:
    """Rows as a file in COPY's format: key and hash.  No key has a character
    that would have to be escaped."""

    def __init__(self, rows, key_size):
        self.lines = ('\t'.join([*map(str, row[:key_size]), row_hash(row)]) + '\n' for row in rows)
        self.rest = ''

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.lines.close()

    def read(self, size=-1):
        parts, length = [self.rest], len(self.rest)
        for line in self.lines:
            parts.append(line)
            length += len(line)
            if 0 <= size <= length:
                break
        text = ''.join(parts)
        if size < 0:
            size = len(text)
        self.rest = text[size:]
        return text[:size]
