"""Measure what a sync costs by rows, width of rows, share that changed, workers
and partitions, on the server that PGHOST names, and fit a model to it.

usage: scale.py RESULTS [ROUNDS [SIZE...]]

SIZE is the number of a size below, from 0; without any all are measured.  What
RESULTS have already counts as a round.

For each case the best of several rounds counts: what else the machine does
makes a round slower, never faster.  A round is one EXPLAIN ANALYZE of
deltaetl_sync() that is rolled back, so time, pages, temporary files and WAL are
of the same execution; memory is sampled beside it.
"""

import itertools
import json
import os
import sys
import time

import costs
import machine
from memory import Sampler
from run import say, write
from server import Server, connect

SHARES = (0, 0.001, 0.01, 0.1)
WORKERS = (0, 1, 2)
WORK_MEM = '64MB'

# rows, bytes of a row, partitions, whether hashes are stored; each is measured with
# these shares and workers
SIZES = (
    (1_000_000, 60, 0, False, SHARES, WORKERS),
    (1_000_000, 250, 0, False, SHARES, WORKERS),
    (1_000_000, 1000, 0, False, SHARES, WORKERS),
    (2_000_000, 250, 0, False, SHARES, WORKERS),
    (2_000_000, 1000, 0, False, (0, 0.01), WORKERS),
    (5_000_000, 60, 0, False, SHARES, WORKERS),
    (5_000_000, 250, 0, False, SHARES, WORKERS),
    (1_000_000, 250, 10, False, SHARES, (0, 2)),
    (1_000_000, 250, 100, False, SHARES, (0, 2)),
    (1_000_000, 250, 1000, False, SHARES, (0, 2)),
    (1_000_000, 250, 0, True, SHARES, (0, 2)),
    (1_000_000, 250, 100, True, SHARES, (0, 2)),
)


class Tables:
    """Source and target, alike until some rows of the source are changed."""

    COLUMNS = 'id bigint NOT NULL, number integer, price numeric(12,2), made timestamptz, filler text'

    def __init__(self, server, rows, width, partitions, tracked):
        self.server = server
        self.rows = rows
        self.partitions = partitions
        server.run('DROP SCHEMA IF EXISTS scale CASCADE', 'CREATE SCHEMA scale')
        self.create('target')
        if tracked:
            server.run('ALTER TABLE scale.target ADD PRIMARY KEY (id)', "SELECT deltaetl_track('scale.target')")
        self.create('source', 'LIKE scale.target INCLUDING GENERATED' if tracked else self.COLUMNS)
        for table in ('target', 'source'):
            server.run(f'''
                INSERT INTO scale.{table} (id, number, price, made, filler)
                SELECT i, i % 1000, (i % 100000) / 100.0, timestamptz '2026-01-01' + i * interval '1 s',
                       left(repeat(md5(i::text), {width // 32 + 1}), {max(width - 58, 1)})
                FROM generate_series(0, {rows - 1}) AS i''')
        for table in ('source',) if tracked else ('target', 'source'):
            server.run(f'ALTER TABLE scale.{table} ADD PRIMARY KEY (id)')
        server.run('VACUUM ANALYZE scale.target', 'VACUUM ANALYZE scale.source')
        self.share = 0

    def create(self, table, columns=None):
        # as the filler is not to be compressed or stored out of line
        self.server.run(f'CREATE TABLE scale.{table} ({columns or self.COLUMNS})'
                        + (' PARTITION BY RANGE (id)' if self.partitions else ''))
        self.server.run(f'ALTER TABLE scale.{table} ALTER filler SET STORAGE PLAIN')
        step = self.rows // max(self.partitions, 1)
        for i in range(self.partitions):
            self.server.run(f'CREATE TABLE scale.{table}_{i} PARTITION OF scale.{table} '
                            f'FOR VALUES FROM ({i * step}) TO ({(i + 1) * step})')

    def change(self, share):
        """Changed rows are spread over the table; a larger share has those of a smaller one."""
        if share > self.share:
            self.server.run(f'UPDATE scale.source SET number = -1 WHERE id % {round(1 / share)} = 0 AND number >= 0',
                            'VACUUM ANALYZE scale.source')
            self.share = share

    def bytes(self):
        return self.server.value('''
            SELECT sum(pg_relation_size(t.relid))::bigint
            FROM unnest(ARRAY['scale.source', 'scale.target']::regclass[]) AS s, pg_partition_tree(s) AS t''') or \
            self.server.value("SELECT pg_relation_size('scale.source') + pg_relation_size('scale.target')")


def measure(server, workers):
    """One round: seconds, pages, temporary files, WAL and memory of a sync."""
    connection = connect({'work_mem': WORK_MEM, 'max_parallel_workers_per_gather': workers}, autocommit=False)
    server.run('CHECKPOINT')
    try:
        with connection.cursor() as cursor, Sampler(server) as sampler:
            cursor.execute("EXPLAIN (ANALYZE, BUFFERS, WAL, FORMAT JSON) "
                           "SELECT * FROM deltaetl_sync('scale.source', 'scale.target')")
            plan = cursor.fetchone()[0][0]
    finally:
        connection.rollback()
        connection.close()
    node = plan['Plan']
    return {'seconds': round(plan['Execution Time'] / 1000, 4),
            'pages': node['Shared Hit Blocks'] + node['Shared Read Blocks'],
            'temp_bytes': 8192 * node['Temp Written Blocks'],
            'wal_bytes': node['WAL Bytes'],
            'memory': sampler.peak}


def best(rounds):
    """The fastest round, with the most memory that any has taken."""
    fastest = min(rounds, key=lambda round: round['seconds'])
    return {**fastest, 'memory': max(round['memory'] for round in rounds)}


def run_size(server, size, rounds, found):
    rows, width, partitions, tracked, shares, workers = size
    tables = Tables(server, rows, width, partitions, tracked)
    for share, count in itertools.product(shares, workers):
        tables.change(share)
        measured = []
        for _ in range(rounds + (share == 0 and count == 0)):       # the first one warms up
            measured.append(measure(server, count))
            if share:
                server.run('VACUUM scale.target')
        key = (*size[:4], share, count)
        measured += [found[key]] if key in found else []
        found[key] = {**dict(zip(SAME, key)), 'bytes': tables.bytes(), **best(measured)}
        say(f'  {share:.1%} changed, {count} workers: {found[key]["seconds"]:.2f} s')


SAME = ('rows', 'width', 'partitions', 'tracked', 'share', 'workers')


def earlier(path):
    """The cases that the results have, by what makes them the same."""
    if not os.path.exists(path):
        return {}
    with open(path) as file:
        return {tuple(case[name] for name in SAME): case for case in json.load(file)['cases']}


def in_order(found):
    return [found[key] for size in SIZES for share in size[4] for count in size[5]
            for key in [(*size[:4], share, count)] if key in found]


def main(path, rounds='3', *numbers):
    server = Server()
    for extension in ('pgcrypto', 'deltaetl'):
        server.run(f'CREATE EXTENSION IF NOT EXISTS {extension}')
    report = {'work_mem': WORK_MEM, 'rounds': int(rounds), **machine.describe(server),
              'cases': []}
    found = earlier(path)
    started = time.monotonic()
    for size in [SIZES[int(number)] for number in numbers] or SIZES:
        say(f'{size[0]} rows of {size[1]} bytes, {size[2]} partitions{", tracked" if size[3] else ""} '
            f'({time.monotonic() - started:.0f} s so far) ...')
        run_size(server, size, int(rounds), found)
        report['cases'] = in_order(found)
        write(path, report)
    costs.add_to(report)
    report['seconds'] = round(time.monotonic() - started)
    write(path, report)


if __name__ == '__main__':
    main(*sys.argv[1:])
