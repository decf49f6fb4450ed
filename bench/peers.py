"""The SQL that people write today to bring a table to the content of another.

Each function takes the table's definition and the server's version, and returns
the statements in order.  All work on the relations "source" and "target".
"""


def listed(names, template='{}', separator=', '):
    return separator.join(template.format(name, name) for name in names)


def on_key(table):
    return listed(table.key_names, 't.{} = s.{}', ' AND ')


def differs(table, left='t', right='s'):
    """Row comparison; what is not written anew need not be looked at."""
    return (f'({listed(table.value_names, left + ".{}")}) IS DISTINCT FROM '
            f'({listed(table.value_names, right + ".{}")})')


def merge_when(table, condition, more=''):
    return (f'MERGE INTO target AS t USING source AS s ON {on_key(table)}\n'
            f'WHEN MATCHED AND {condition} THEN\n'
            f'  UPDATE SET {listed(table.value_names, "{} = s.{}")}\n'
            f'WHEN NOT MATCHED THEN\n'
            f'  INSERT ({listed(table.names)}) VALUES ({listed(table.names, "s.{}")}){more}')


def merge(table, version):
    return [merge_when(table, differs(table))]


def merge_digest(table, version):
    return [merge_when(table, "digest(t::text, 'sha256') <> digest(s::text, 'sha256')")]


def merge_delete(table, version):
    if version >= 170000:
        return [merge_when(table, differs(table), '\nWHEN NOT MATCHED BY SOURCE THEN\n  DELETE')]
    return merge(table, version) + [
        f'DELETE FROM target AS t WHERE NOT EXISTS (SELECT FROM source AS s WHERE {on_key(table)})']


def on_conflict(table, version):
    return [f'INSERT INTO target AS t ({listed(table.names)}) SELECT {listed(table.names)} FROM source\n'
            f'ON CONFLICT ({listed(table.key_names)}) DO UPDATE SET '
            f'{listed(table.value_names, "{} = excluded.{}")}\n'
            f'WHERE {differs(table, right="excluded")}']


def insert_select(table, version):
    return [f'INSERT INTO target ({listed(table.names)}) SELECT {listed(table.names)} FROM source']


def delete_insert(table, version):
    return [f'DELETE FROM target AS t USING source AS s WHERE {on_key(table)}'] + \
        insert_select(table, version)


def truncate_insert(table, version):
    return ['TRUNCATE target'] + insert_select(table, version)


# ---------- floors: what cannot be avoided ----------

def scan_both(table, version):
    counts = listed(table.names, 'count({})')
    return [f'SELECT {counts} FROM source', f'SELECT {counts} FROM target']


def join_keys(table, version):
    return [f'SELECT count(*) FROM source AS s JOIN target AS t ON {on_key(table)}']


# ---------- hashing alone, of one table ----------

def count_columns(table, version):
    return [f'SELECT {listed(table.names, "count({})")} FROM target AS t']


def hash_with(expression):
    def statements(table, version):
        return [f'SELECT count({expression.format(columns=listed(table.names))}) FROM target AS t']
    return statements
