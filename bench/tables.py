"""The tables that are measured: their columns, keys and contents, as SQL text.

Every value is an expression in i, the number of the row, so that any two loads
of the same table are equal.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    name: str
    type: str
    value: str


@dataclass(frozen=True)
class Shape:
    """Columns beside the key, and what the source has where a row changed."""
    name: str
    title: str
    columns: tuple
    changed: str                # column that a changed row differs in
    changed_value: str
    rows_from: str = ''         # more relations that the values come from


@dataclass(frozen=True)
class Table:
    key: tuple
    shape: Shape

    @property
    def columns(self):
        return self.key + self.shape.columns

    @property
    def key_names(self):
        return [column.name for column in self.key]

    @property
    def value_names(self):
        return [column.name for column in self.shape.columns]

    @property
    def names(self):
        return self.key_names + self.value_names


KEYS = {
    'integer': (Column('id', 'integer', 'i'),),
    'composite': (Column('region', 'integer', 'i % 50'),
                  Column('number', 'integer', 'i / 50')),
    'text': (Column('code', 'text', "'ART-' || lpad(i::text, 12, '0')"),),
}

NARROW = Shape('narrow', '4 columns, 40 bytes', (
    Column('name', 'text', "'Product ' || i"),
    Column('price', 'numeric(12,2)', '(i % 100000) / 100.0'),
    Column('quantity', 'integer', 'i % 1000'),
), 'quantity', 'i % 1000 + 1')

MEDIUM = Shape('medium', '9 columns, 250 bytes', (
    Column('sku', 'text', "'SKU-' || lpad(i::text, 9, '0')"),
    Column('name', 'text', "'Product number ' || i"),
    Column('description', 'text', 'repeat(md5(i::text), 4)'),
    Column('price', 'numeric(12,2)', '(i % 100000) / 100.0'),
    Column('quantity', 'integer', 'i % 1000'),
    Column('updated_at', 'timestamptz', "timestamptz '2026-01-01 00:00:00Z' + i * interval '1 second'"),
    Column('active', 'boolean', 'i % 7 = 0'),
    Column('weight', 'float8', 'i * 1.37'),
), 'quantity', 'i % 1000 + 1')

# types of a wide table in turn; some values are NULL
WIDE_TYPES = (
    ('integer', '(i + {n}) % 100000'),
    ('text', "left(md5((i + {n})::text), 12)"),
    ('numeric(12,2)', 'nullif((i * {n}) % 1000, 0) / 100.0'),
    ('timestamptz', "timestamptz '2026-01-01 00:00:00Z' + (i % 100000 + {n}) * interval '1 minute'"),
    ('boolean', '(i + {n}) % 3 = 0'),
    ('float8', 'nullif((i + {n}) % 13, 0) * 1.37'),
    ('date', "date '2026-01-01' + (i + {n}) % 1000"),
    ('bigint', 'i::bigint * {n}'),
)

WIDE = Shape('wide', '60 columns, 480 bytes', tuple(
    Column(f'c{n:02}', WIDE_TYPES[n % len(WIDE_TYPES)][0],
           WIDE_TYPES[n % len(WIDE_TYPES)][1].format(n=n))
    for n in range(1, 60)
), 'c48', '(i + 48) % 100000 + 1')

# One of a hundred random documents each, so that loading them does not take
# longer than all the rest; they do not compress and are stored out of line.
DOCUMENTS = Shape('documents', '4 columns, jsonb of 10 KB', (
    Column('title', 'text', "'Document ' || i"),
    Column('body', 'jsonb', "body || jsonb_build_object('number', i, 'version', 1)"),
    Column('updated_at', 'timestamptz', "timestamptz '2026-01-01 00:00:00Z' + i * interval '1 second'"),
), 'body', "body || jsonb_build_object('number', i, 'version', 2)", """
    JOIN (SELECT d, jsonb_object_agg('field' || f, md5((d * 1000 + f)::text)) AS body
          FROM generate_series(0, 99) AS d, generate_series(1, 230) AS f
          GROUP BY d) AS bodies ON d = i % 100""")

SHAPES = {shape.name: shape for shape in (NARROW, MEDIUM, WIDE, DOCUMENTS)}


def table_of(shape, key):
    return Table(KEYS[key], SHAPES[shape])


def create(table, name):
    columns = ', '.join(f'{column.name} {column.type}' for column in table.columns)
    return f'CREATE TABLE {name} ({columns})'


def add_key(table, name):
    return f'ALTER TABLE {name} ADD PRIMARY KEY ({", ".join(table.key_names)})'


# The multiplication spreads consecutive numbers evenly over 0 to 1, so that
# the changed rows lie all over the table without any pattern in the pages.
POSITION = '((i::bigint * 2654435761) % 4294967296) / 4294967296.0'


@dataclass(frozen=True)
class Delta:
    """How the source differs: a share of rows updated, or a third of that
    share each updated, missing in the source, and new in it."""
    share: float
    mixed: bool = False

    @property
    def updated(self):
        limit = self.share / 3 if self.mixed else self.share
        return f'{POSITION} < {limit:.8f}'

    @property
    def deleted(self):
        if not self.mixed:
            return 'false'
        return (f'{POSITION} >= {self.share / 3:.8f} AND '
                f'{POSITION} < {self.share * 2 / 3:.8f}')

    def inserted(self, rows):
        return round(rows * self.share / 3) if self.mixed else 0


def fill_target(table, name, rows):
    values = ', '.join(f'({column.value})::{column.type}' for column in table.columns)
    return (f'INSERT INTO {name} SELECT {values} '
            f'FROM generate_series(1, {rows}) AS i {table.shape.rows_from} ORDER BY i')


def fill_source(table, name, rows, delta):
    shape = table.shape
    values = []
    for column in table.columns:
        value = column.value
        if column.name == shape.changed:
            value = f'CASE WHEN {delta.updated} THEN {shape.changed_value} ELSE {value} END'
        values.append(f'({value})::{column.type}')
    last = rows + delta.inserted(rows)
    return (f'INSERT INTO {name} SELECT {", ".join(values)} '
            f'FROM generate_series(1, {last}) AS i {shape.rows_from} '
            f'WHERE i > {rows} OR NOT ({delta.deleted}) ORDER BY i')


def count_delta(rows, delta):
    """A query for the rows to insert, update and delete."""
    return (f'SELECT {delta.inserted(rows)}, count(*) FILTER (WHERE {delta.updated}), '
            f'count(*) FILTER (WHERE {delta.deleted}) FROM generate_series(1, {rows}) AS i')


def checksum(table, name):
    """A query for a sum that is the same for the same rows in any order."""
    return (f'SELECT count(*), sum(hash_record_extended(r, 0)::numeric) '
            f'FROM (SELECT {", ".join(table.names)} FROM {name}) AS r')
