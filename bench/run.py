"""Measure the extension against its peers on the server that PGHOST names.

usage: run.py SCALE ROUNDS CASES RESULTS

SCALE is small, large or huge; ROUNDS may be empty for those of the scale;
CASES is a list of patterns of names, all if empty; RESULTS is the file to write,
after each case, so that what is done is not lost.
"""

import fnmatch
import json
import os
import re
import statistics
import sys
import time

import cases
import figures
import machine
import show
import tables
from contenders import CONTENDERS
from dataset import Dataset
from memory import Sampler
from server import Server, bytes_between, connect, place_in_wal, timed

# A peer that takes so many times as long as the best one is not waited for again.
HOPELESS = 3
EXTENSIONS = ('pgcrypto', 'deltaetl', 'pg_prewarm', 'pg_walinspect')


class Round:
    """One run of one contender, and what it took."""

    def __init__(self, data, case, contender, checks):
        self.data = data
        self.server = data.server
        self.case = case
        self.contender = contender
        self.checks = checks        # whether to look at what it left
        self.result = {}

    def checkpoint(self):
        """So that each run writes the same full pages to the WAL."""
        self.server.run('CHECKPOINT')

    def check(self, cursor):
        if not self.checks or not self.contender.writes:
            return
        cursor.execute(tables.checksum(self.data.table, self.contender.target))
        if tuple(cursor.fetchone()) != tuple(self.data.checksum):
            raise RuntimeError('the target does not have the content of the source')

    def check_counts(self, counts):
        inserted, updated, deleted = self.data.delta
        unchanged = self.data.checksum[0] - inserted - updated
        if tuple(counts) != (inserted, updated, deleted, unchanged):
            raise RuntimeError(f'counts {counts}, but the delta is {self.data.delta}')

    def check_differences(self, found):
        if found != sum(self.data.delta):
            raise RuntimeError(f'found {found} differences, not {sum(self.data.delta)}')

    def work(self, cursor):
        for statement in self.contender.statements(self.data.table, self.server.version):
            cursor.execute(statement)
        return cursor.fetchone() if cursor.description else None

    def measure_sql(self, cursor):
        # libraries that a session in use has loaded already
        cursor.execute("SELECT deltaetl_row_hash(1), digest('', 'sha256')")
        self.checkpoint()
        start = place_in_wal(cursor)
        with Sampler(self.server) as sampler:
            ms, row = timed(lambda: self.work(cursor))
        end = place_in_wal(cursor)
        self.result = {'ms': ms, 'wal': bytes_between(cursor, start, end), 'memory': sampler.peak}
        if self.contender.counts:
            self.check_counts(row)
        if self.contender.differences:
            self.check_differences(row[0])
        self.check(cursor)
        return start, end

    def run_sql(self):
        connection = connect({'work_mem': self.case.work_mem,
                              'max_parallel_workers_per_gather': self.case.workers}, autocommit=False)
        try:
            with connection.cursor() as cursor:
                start, end = self.measure_sql(cursor)
            connection.rollback()
        finally:
            connection.close()
        if self.case.share == 0 and self.contender.writes and self.contender.kind == 'deltaetl':
            self.result['target_wal'] = self.server.target_wal(self.contender.target, start, end)

    def run(self):
        """Leaves the tables as they were, also after an error."""
        try:
            if self.contender.program:
                self.result = {'ms': self.contender.program(self)}
            else:
                self.run_sql()
        finally:
            if self.contender.writes:
                self.data.restore(self.contender.target)
        return self.result


# ---------- a case ----------

def available(server, contender):
    return all(server.has_function(need) or server.can_create(need) for need in contender.needs)


def competitors(server, case):
    chosen = [CONTENDERS[name] for name in case.contenders.split()]
    for contender in chosen:
        if not available(server, contender):
            say(f'  {contender.title}: skipped, this server has no {" and no ".join(contender.needs)}')
    return [contender for contender in chosen if available(server, contender)]


def hopeless(contenders, results):
    """Names of the peers that are not worth another round."""
    times = {c.name: results[c.name]['ms'][-1] for c in contenders
             if c.kind == 'sql' and results[c.name]['ms']}
    best = min(times.values(), default=0)
    return {name for name, ms in times.items() if ms > HOPELESS * best}


def run_round(data, case, contenders, results, first):
    for contender in contenders:
        result = results[contender.name]
        if 'error' in result:
            continue
        try:
            data.provide(contender)
            figures_of_run = Round(data, case, contender, first).run()
        except Exception as error:
            result['error'] = str(error).strip()
            say(f'  {contender.title}: {result["error"]}')
            continue
        for name, value in figures_of_run.items():
            result.setdefault(name, []).append(value)


def run_case(data, case, rounds):
    contenders = competitors(data.server, case)
    results = {c.name: {'title': c.title, 'kind': c.kind, 'writes': c.writes, 'target': c.target, 'ms': []}
               for c in contenders}
    warm_up = {c.name: {} for c in contenders}
    run_round(data, case, contenders[:1], warm_up, False)
    given_up = set()
    for number in range(rounds):
        shift = number % len(contenders)
        order = [c for c in contenders[shift:] + contenders[:shift] if c.name not in given_up]
        run_round(data, case, order, results, number == 0)
        given_up |= hopeless(contenders, results)
    for result in results.values():
        if result['ms']:
            result['median'] = round(statistics.median(result['ms']), 3)
    return results


def describe(case):
    about = {name: getattr(case, name) for name in (
        'name', 'shape', 'key', 'rows', 'share', 'workers', 'work_mem', 'deletes', 'first_load')}
    about['nominal_rows'] = next(c.rows for c in cases.CASES if c.name == case.name)
    return about


# ---------- all of them ----------

def say(text):
    print(text, file=sys.stderr, flush=True)


def prepare(server):
    for extension in EXTENSIONS:
        server.run(f'CREATE EXTENSION IF NOT EXISTS {extension}')
    if server.can_create('pgcmp'):
        server.run('CREATE EXTENSION pgcmp')


def chosen_cases(scale, patterns):
    everything, rounds = cases.cases_of(scale)
    patterns = patterns.replace(',', ' ').split() or ['*']
    chosen = [case for case in everything
              if any(fnmatch.fnmatch(case.name, pattern) for pattern in patterns)]
    if not chosen:
        sys.exit('no such case; there are: ' + ' '.join(case.name for case in everything))
    return chosen, rounds


def as_json(report):
    """With the figures of a contender's runs on one line."""
    text = json.dumps(report, indent=2)
    return re.sub(r'\[\s+([-0-9.,\s]+?)\s+\]', lambda list: f'[{" ".join(list.group(1).split())}]', text)


def write(path, report):
    with open(path + '.new', 'w') as file:
        file.write(as_json(report) + '\n')
    os.replace(path + '.new', path)


def main(scale, rounds, patterns, path):
    chosen, default_rounds = chosen_cases(scale, patterns)
    rounds = int(rounds or default_rounds)
    server = Server()
    prepare(server)
    report = {'scale': scale, 'rounds': rounds, **machine.describe(server), 'cases': []}
    show.heading(report)
    data = None
    started = time.monotonic()
    for case in chosen:
        say(f'{case.name} ({time.monotonic() - started:.0f} s so far) ...')
        if data is None or data.identity != case.target_identity():
            data = Dataset(server, case)
        data.load_source(case)
        report['cases'].append({**describe(case), 'results': run_case(data, case, rounds)})
        report['seconds'] = round(time.monotonic() - started)
        report['figures'] = figures.compute(report['cases'])
        write(path, report)
        show.case(report['cases'][-1])
    show.figures(report)


if __name__ == '__main__':
    main(*sys.argv[1:])
