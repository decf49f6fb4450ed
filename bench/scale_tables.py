"""Print what doc/scale.md says of the results of scale.py.

usage: scale_tables.py RESULTS
"""

import json
import sys


def table(head, rows):
    lines = [head, ['---'] * len(head), *rows]
    print('\n'.join(f'| {" | ".join(str(cell) for cell in line)} |' for line in lines) + '\n')


def size(count):
    for unit in ('B', 'KB', 'MB'):
        if count < 1000:
            return f'{count:.0f} {unit}'
        count /= 1000
    return f'{count:.1f} GB'


def share(value):
    return 'none' if value == 0 else f'{100 * value:g} %'


def million(rows):
    return f'{rows / 1e6:g} M'


def select(cases, **wanted):
    return [case for case in cases if all(case[name] == value for name, value in wanted.items())]


def plain(cases):
    table(('rows', 'bytes a row', 'changed', '0 workers', '1 worker', '2 workers', 'pages read', 'temporary files', 'WAL', 'memory'), [
        (million(case['rows']), case['width'], share(case['share']),
         *(f'{c["seconds"]:.2f} s' for c in select(cases, **{name: case[name] for name in ('rows', 'width', 'share', 'partitions', 'tracked')})),
         size(8192 * case['pages']), size(case['temp_bytes']), size(case['wal_bytes']), size(case['memory']))
        for case in select(cases, partitions=0, tracked=False, workers=0)])


def partitioned(cases):
    table(('partitions', 'hashes', *(f'{share(s)} changed' for s in (0, 0.001, 0.01, 0.1)), 'nothing changed, 2 workers', 'memory'), [
        (case['partitions'] or 'none', 'stored' if case['tracked'] else 'none',
         *(f'{select(cases, rows=case["rows"], width=250, partitions=case["partitions"], tracked=case["tracked"], workers=0, share=s)[0]["seconds"]:.2f} s'
           for s in (0, 0.001, 0.01, 0.1)),
         f'{select(cases, rows=case["rows"], width=250, partitions=case["partitions"], tracked=case["tracked"], workers=2, share=0)[0]["seconds"]:.2f} s',
         size(case['memory']))
        for case in select(cases, rows=1_000_000, width=250, workers=0, share=0)])


def model(found):
    table(('term', 'value'), [
        (name, f'{term["value"]:.3g} {term["unit"]}') for name, term in found['terms'].items()])
    print(found['relative_error'], f'over {found["cases"]} cases\n')


def predictions(found):
    table(('where', 'changed', 'reading', 'comparing', 'writing', 'in all'), [
        (p['setup'], share(p['share']), *(f'{p[name]:,} s' for name in ('reading', 'comparing', 'writing', 'seconds')))
        for p in found])


def main(path):
    with open(path) as file:
        report = json.load(file)
    plain(report['cases'])
    partitioned(report['cases'])
    model(report['model'])
    predictions(report['predictions'])


if __name__ == '__main__':
    main(*sys.argv[1:])
