"""Write bench/README.md, and the part of the README on speed, from results.

usage: report.py RESULTS
"""

import json
import os
import sys

import figures
import plots
import show

HERE = os.path.dirname(os.path.abspath(__file__))
README = os.path.join(HERE, '..', 'README.md')
BEGIN, END = '<!-- bench:begin -->\n', '<!-- bench:end -->\n'

CAPTIONS = {
    'ratios': 'Time of deltaetl_sync to that of the best SQL peer',
    'shares': 'Time by share of rows that differ',
    'sizes': 'Time per row by number of rows',
    'wal': 'WAL by share of rows that differ',
}


def pictures(results, directory):
    found = {name: path for name, path in plots.paths(results).items() if os.path.exists(path)}
    return {name: f'![{CAPTIONS[name]}]({os.path.relpath(path, directory)})'
            for name, path in found.items()}


def settings(report):
    return ', '.join(f'`{line}`' for line in show.setting_lines(report))


def case_section(case):
    failures = [f'{result["title"]} failed: {result["error"].splitlines()[0]}\n'
                for result in case['results'].values() if 'error' in result]
    return '\n'.join([f'### {case["name"]}\n', f'{show.case_title(case)}\n',
                      show.markdown(show.case_rows(case)), *failures])


def bench_readme(report, results):
    with open(os.path.join(HERE, 'method.md')) as file:
        method = file.read()
    return '\n'.join([
        '# Benchmark\n',
        'deltaetl against what people use in its place, and against what cannot be avoided. Made by `make bench-report` from '
        f'[{report["scale"]}.json](results/{os.path.basename(results)}); do not edit.\n',
        f'{show.about(report)}. {settings(report)}. Up to {report["rounds"]} rounds, '
        f'{report["seconds"] // 60 + 1} minutes.\n',
        report['note'] + '\n' if 'note' in report else '',
        '## Figures to reach\n', show.markdown(show.figure_rows(report['figures'])),
        show.scale_note(report) + '\n',
        *[picture + '\n' for picture in pictures(results, HERE).values()],
        method,
        '## All cases\n',
        'A case that is missing here was left out: stored hashes need a deltaetl that has `deltaetl_track`.\n'
        if not any('sync_tracked' in case['results'] for case in report['cases']) else '',
        '\n'.join(map(case_section, report['cases']))]).replace('\n\n\n', '\n\n')


# ---------- the README ----------

def speed_rows(cases):
    """Contenders down, sizes across: time, and ratio to the best SQL peer."""
    names = [name for name in cases[0]['results']
             if cases[0]['results'][name]['kind'] != 'floor' and cases[0]['results'][name]['writes']]
    rows = [('', *(show.number_of_rows(case['rows']) + ' rows' for case in cases))]
    names.sort(key=lambda name: cases[0]['results'][name].get('median', 1e12))
    for name in names:
        rows.append((cases[0]['results'][name]['title'], *(speed_cell(case, name) for case in cases)))
    return rows


def speed_cell(case, name):
    results, best = figures.usable(case['results']), figures.best_peer(case['results'])
    if name not in results or not best:
        return ''
    return f'{show.seconds(results[name]["median"])} ({results[name]["median"] / results[best]["median"]:.2f})'


def hashing_sentence(by_name):
    results = figures.usable(by_name['hashing']['results']) if 'hashing' in by_name else {}
    if not {'hash_row', 'hash_md5', 'hash_nothing'} <= set(results):
        return ''
    ours = results['hash_row']['median']
    return ('Hashing in one process: `deltaetl_row_hash` of all columns takes '
            f'{ours / results["hash_md5"]["median"]:.2f} times the time of `md5(row::text)`, and '
            f'{ours / results["hash_nothing"]["median"]:.1f} times that of counting every column.\n')


def speed_section(report, results):
    by_name = {case['name']: case for case in report['cases']}
    cases = [by_name[name] for name in ('base', 'five-times', 'twenty-times') if name in by_name]
    picture = pictures(results, os.path.dirname(README)).get('shares', '')
    machine = report['machine']
    return '\n'.join([
        f'Speed, as `make bench SCALE={report["scale"]}` shows it: 250 bytes a row, 1 % differ, work_mem 64 MB, PostgreSQL {report["server"].split()[0]}, '
        f'{machine["cores"]} cores ({machine["processor"]}), {report["date"]}. Medians within one run; in parentheses '
        'the ratio to the best SQL peer.\n',
        show.markdown(speed_rows(cases)), picture + '\n' if picture else '', hashing_sentence(by_name),
        'More shapes, keys, settings, programs, WAL and memory, and how all of it is measured: [bench/README.md](bench/README.md).\n'
    ]).replace('\n\n\n', '\n\n')


def replace_section(path, section):
    with open(path) as file:
        before, rest = file.read().split(BEGIN)
    after = rest.split(END)[1]
    with open(path, 'w') as file:
        file.write(before + BEGIN + section + END + after)


def main(results):
    with open(results) as file:
        report = json.load(file)
    plots.main(results)
    with open(os.path.join(HERE, 'README.md'), 'w') as file:
        file.write(bench_readme(report, results).rstrip('\n') + '\n')
    replace_section(README, speed_section(report, results))


if __name__ == '__main__':
    main(*sys.argv[1:])
