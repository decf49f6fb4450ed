"""Plots of the results, as SVG files beside them, drawn by gnuplot.

usage: plots.py RESULTS
"""

import json
import os
import re
import subprocess
import sys

import figures
from show import number_of_rows

# Distinct for the colour-blind, too; the extension always has the first one.
COLOURS = ('#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#555555')

CONTENDERS = ('sync', 'merge', 'on_conflict', 'truncate_insert', 'delete_insert', 'merge_digest')

START = '''set terminal svg size 760,400 font "sans-serif,13" background "#ffffff" noenhanced
set output
set border 3 linecolor "#666666"
set tics nomirror textcolor "#333333"
set grid ytics linecolor "#dddddd" linewidth 1
set key outside right top Left reverse spacing 1.3
'''


def quoted(text):
    return '"' + text.replace('\\', '').replace('"', '') + '"'


def draw(path, commands):
    done = subprocess.run(['gnuplot'], input=START + commands, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    # gnuplot leaves blanks at the ends of lines, and mixes them with tabs
    lines = [line.strip() for line in done.stdout.splitlines()]
    svg = '\n'.join(line for line in lines if line) + '\n'
    with open(path, 'w') as file:
        file.write(re.sub(r'<desc>.*?</desc>\n?', '', svg))


# ---------- lines: something grows, and each contender takes its time ----------

def points(cases, contender, measure):
    """Position, value, and name of the position for each case that has it."""
    return [(x, measure(case, case['results'][contender]), label) for x, case, label in cases
            if contender in figures.usable(case['results'])]


def lines(path, title, x_title, y_title, cases, measure, more=''):
    blocks, plots = [], []
    for number, name in enumerate(CONTENDERS):
        data = points(cases, name, measure)
        if not data:
            continue
        rows = '\n'.join(f'{x} {y} {quoted(label)}' for x, y, label in data)
        blocks.append(f'$data{number} << END\n{rows}\nEND\n')
        result = next(case['results'][name] for _, case, _ in cases if name in case['results'])
        width = 3 if name == 'sync' else 1.5
        plots.append(f'$data{number} using 1:2:xtic(3) with linespoints pointtype 7 pointsize 0.5 '
                     f'linewidth {width} linecolor rgb "{COLOURS[number]}" title {quoted(result["title"])}')
    if plots:
        draw(path, ''.join(blocks) + more + f'set title {quoted(title)}\nset xlabel {quoted(x_title)}\n'
             f'set ylabel {quoted(y_title)}\nplot ' + ', \\\n'.join(plots) + '\n')
    return bool(plots)


def shares(report):
    """The base case with other shares of changed rows, next to each other."""
    names = {'share-0', 'share-0.1', 'base', 'share-10', 'share-50', 'share-100'}
    cases = sorted((case for case in report['cases'] if case['name'] in names),
                   key=lambda case: case['share'])
    return [(x, case, f'{case["share"]:g} %') for x, case in enumerate(cases)]


def sizes(report):
    cases = [case for case in report['cases']
             if case['name'] in ('tenth', 'base', 'five-times', 'twenty-times')]
    return [(case['rows'], case, number_of_rows(case['rows']))
            for case in sorted(cases, key=lambda case: case['rows'])]


def base_rows(report):
    return next((f', {number_of_rows(case["rows"])} rows' for case in report['cases']
                 if case['name'] == 'base'), '')


def plot_shares(report, path):
    return lines(path, 'Time by share of rows that differ' + base_rows(report), 'rows that differ',
                 'seconds', shares(report), lambda case, result: result['median'] / 1000,
                 'set logscale y\nset offsets 0.2, 0.2, 0, 0\n')


def plot_sizes(report, path):
    return lines(path, 'Time per row by number of rows, 1 % differ', 'rows of the target',
                 'microseconds per row', sizes(report),
                 lambda case, result: result['median'] * 1000 / case['rows'],
                 'set logscale x\nset yrange [0:*]\nset offsets graph 0.1, graph 0.1, 0, 0\n')


def plot_wal(report, path):
    """A logarithm has no place for nothing, so that is drawn as one kilobyte."""
    return lines(path, 'WAL by share of rows that differ' + base_rows(report), 'rows that differ',
                 'megabytes', shares(report),
                 lambda case, result: max(min(result['wal']), 1024) / (1 << 20),
                 'set logscale y\nset offsets 0.2, 0.2, 0, 0\n')


# ---------- bars: one number for each case ----------

def fastest(results, tracked):
    """Milliseconds of the extension, with or without stored hashes, or None."""
    return min((result['median'] for result in results.values()
                if result['kind'] == 'deltaetl' and result['writes']
                and (result['target'] != 'target') == tracked), default=None)


def ratio_row(case):
    """Name of the case and two numbers, with a question mark for none."""
    results = figures.usable(case['results'])
    best = figures.best_peer(results)
    times = [fastest(results, tracked) for tracked in (False, True)]
    if not best or times == [None, None]:
        return None
    ratios = [f'{ms / results[best]["median"]:.2f}' if ms else '?' for ms in times]
    return f'{quoted(case["name"])} {" ".join(ratios)}'


def plot_ratios(report, path):
    rows = [row for row in map(ratio_row, report['cases']) if row]
    if not rows:
        return False
    draw(path, '$data << END\n' + '\n'.join(rows) + f'''
END
set datafile missing "?"
set title "Time of deltaetl_sync to that of the best SQL peer, case by case"
set yrange [0:*]
set xtics rotate by -40
set rmargin 6
set key inside left top Left reverse
set arrow from graph 0, first 1 to graph 1, first 1 nohead linecolor "#666666"
set style fill solid
set boxwidth 0.38
plot $data using ($0 - 0.2):2:xtic(1) with boxes linecolor rgb "{COLOURS[0]}" title "plain tables", \\
	$data using ($0 + 0.2):3 with boxes linecolor rgb "{COLOURS[4]}" title "stored hashes"
''')
    return True


PLOTS = {'ratios': plot_ratios, 'shares': plot_shares, 'sizes': plot_sizes, 'wal': plot_wal}


def paths(results):
    base = os.path.splitext(results)[0]
    return {name: f'{base}-{name}.svg' for name in PLOTS}


def main(results):
    with open(results) as file:
        report = json.load(file)
    for name, path in paths(results).items():
        if not PLOTS[name](report, path) and os.path.exists(path):
            os.remove(path)


if __name__ == '__main__':
    main(*sys.argv[1:])
