"""A model of what a sync costs, fitted to measured cases, and what it predicts.

usage: costs.py RESULTS, to fit it anew

    seconds = fixed
            + (row_read * rows read + byte_read * bytes read) / speed-up(workers)
            + row_compared * rows of a side
            + row_changed * rows changed + byte_changed * bytes of rows changed

Rows and bytes read are those of both sides.  Coefficients are those, none below
0, with the least sum of squares of relative errors.  Two processes are taken to
read twice as fast, and so are three on two cores: what then does not become
faster is what one process does alone.
"""

import itertools
import json
import sys

TERMS = ('fixed', 'row_read', 'byte_read', 'row_compared', 'row_changed', 'byte_changed')
UNITS = {'fixed': 's', 'row_read': 's a row', 'byte_read': 's a byte', 'row_compared': 's a row',
         'row_changed': 's a row', 'byte_changed': 's a byte'}
SPEED_UP = {0: 1, 1: 2, 2: 2}       # by workers, of reading, on two cores


def features(case):
    speed_up = SPEED_UP[case['workers']]
    changed = case['rows'] * case['share']
    return [1, 2 * case['rows'] / speed_up, case['bytes'] / speed_up, case['rows'],
            changed, changed * case['bytes'] / case['rows'] / 2]


def solve(matrix, vector):
    """Gauss-Jordan elimination with pivoting; None if there is no one solution."""
    size = len(vector)
    rows = [list(row) + [value] for row, value in zip(matrix, vector)]
    for column in range(size):
        pivot = max(range(column, size), key=lambda i: abs(rows[i][column]))
        if abs(rows[pivot][column]) < 1e-12:
            return None
        rows[column], rows[pivot] = rows[pivot], rows[column]
        for i in range(size):
            if i != column:
                factor = rows[i][column] / rows[column][column]
                rows[i] = [a - factor * b for a, b in zip(rows[i], rows[column])]
    return [rows[i][size] / rows[i][i] for i in range(size)]


def least_squares(rows, columns):
    """Coefficients of some columns, the others 0, for a right side of ones."""
    scale = [max(abs(row[i]) for row in rows) or 1 for i in columns]
    scaled = [[row[i] / s for i, s in zip(columns, scale)] for row in rows]
    matrix = [[sum(row[i] * row[j] for row in scaled) for j in range(len(columns))] for i in range(len(columns))]
    found = solve(matrix, [sum(row[i] for row in scaled) for i in range(len(columns))])
    if found is None or min(found) < 0:
        return None
    coefficients = [0.0] * len(TERMS)
    for i, value, s in zip(columns, found, scale):
        coefficients[i] = value / s
    return coefficients


def error(rows, coefficients):
    return sum((sum(a * b for a, b in zip(row, coefficients)) - 1) ** 2 for row in rows)


def best_coefficients(rows):
    """Over all sets of terms, so that none is below 0."""
    sets = (columns for size in range(1, len(TERMS) + 1)
            for columns in itertools.combinations(range(len(TERMS)), size))
    found = [c for c in (least_squares(rows, columns) for columns in sets) if c is not None]
    return min(found, key=lambda c: error(rows, c))


def relative(cases):
    """Features of each case by its time, which makes errors relative."""
    return [[value / case['seconds'] for value in features(case)] for case in cases]


def fit(cases):
    rows = relative(cases)
    coefficients = best_coefficients(rows)
    errors = sorted(abs(sum(a * b for a, b in zip(row, coefficients)) - 1) for row in rows)
    return {'terms': {name: {'value': float(f'{value:.4g}'), 'unit': UNITS[name]} for name, value in zip(TERMS, coefficients)},
            'speed_up': SPEED_UP, 'cases': len(cases),
            'relative_error': {'median': round(errors[len(errors) // 2], 3),
                               'percentile_90': round(errors[len(errors) * 9 // 10], 3),
                               'largest': round(errors[-1], 3)}}


# ---------- predictions ----------

ROWS = 1_000_000_000
WIDTH = 250
PAGE_SHARE = 1.12               # bytes of the table by those of its rows
FINGERPRINTS = 64               # bytes of temporary files for a row of both sides

# name, servers, processes that read on each, bytes a second that each reads from
# its disks
SETUPS = (
    ('one big server, 1 process', 1, 1, 3e9),
    ('one big server, 16 processes', 1, 16, 3e9),
    ('16 servers, each a part of its own, 4 processes', 16, 4, 1e9),
)

# Statements on one shard of 1 million rows of 250 bytes on each side, as measured
# with Citus 13.2: seconds a row of a side, and a row that changed
CITUS_ROW = 4.31 / 1e6
CITUS_CHANGED = (4.87 - 4.31) / 1e4
CITUS_SHARDS = 16


def predict_one(terms, share, servers, processes, disk):
    rows = ROWS / servers
    table = rows * WIDTH * PAGE_SHARE
    reading = (2 * rows * terms['row_read'] + 2 * table * terms['byte_read']) / processes
    if disk:
        reading = max(reading, 2 * table / disk) + 2 * rows * FINGERPRINTS / disk
    writing = rows * share * (terms['row_changed'] + WIDTH * terms['byte_changed'])
    return {'reading': round(reading), 'comparing': round(rows * terms['row_compared']),
            'writing': round(writing),
            'seconds': round(terms['fixed'] + reading + rows * terms['row_compared'] + writing)}


def predict_citus(share):
    rows = ROWS / CITUS_SHARDS
    comparing, writing = rows * CITUS_ROW, rows * share * CITUS_CHANGED
    return {'setup': f'Citus, {CITUS_SHARDS} shards on {CITUS_SHARDS} servers', 'share': share, 'reading': 0,
            'comparing': round(comparing), 'writing': round(writing), 'seconds': round(comparing + writing)}


def predict(model):
    terms = {name: term['value'] for name, term in model['terms'].items()}
    shares = (0, 0.001, 0.01)
    return [{'setup': name, 'share': share, **predict_one(terms, share, servers, processes, disk)}
            for name, servers, processes, disk in SETUPS for share in shares] + [predict_citus(share) for share in shares]


def add_to(report):
    report['model'] = fit([case for case in report['cases'] if not case['partitions'] and not case['tracked']])
    report['predictions'] = predict(report['model'])


def main(path):
    with open(path) as file:
        report = json.load(file)
    add_to(report)
    with open(path, 'w') as file:
        file.write(json.dumps(report, indent=1) + '\n')


if __name__ == '__main__':
    main(*sys.argv[1:])
