"""What is measured as tables of text: for the terminal, and as Markdown."""

import figures as reckoning


def number_of_rows(rows):
    for size, name in ((1000000, 'million'), (1000, 'thousand')):
        if rows >= size:
            return f'{rows / size:g} {name}'
    return str(rows)


def seconds(ms):
    return f'{ms / 1000:.2f} s' if ms >= 1000 else f'{ms:.0f} ms' if ms >= 10 else f'{ms:.1f} ms'


def size(count):
    for unit, name in ((1 << 30, 'GB'), (1 << 20, 'MB'), (1 << 10, 'kB')):
        if count >= unit:
            return f'{count / unit:.1f} {name}'
    return f'{count} B'


def value(figure, number):
    if number is None:
        return '-'
    if figure['unit'] == 'bytes':
        return str(number)
    return f'{number:.2f}' + (' GB' if figure['unit'] == 'GB' else '')


# ---------- rows of cells ----------

def case_title(case):
    parts = [f'{number_of_rows(case["rows"])} rows', case['shape'], f'{case["key"]} key',
             'empty target' if case['first_load'] else f'{case["share"]:g} % differ',
             f'{case["workers"]} workers', f'work_mem {case["work_mem"]}']
    if case['deletes']:
        parts.insert(4, 'a third each new, changed and gone')
    return ', '.join(parts)


def case_rows(case):
    results = case['results']
    best = reckoning.best_peer(results)
    base = results[best]['median'] if best else None
    rows = [('', 'time', 'to best SQL peer', 'WAL', 'memory', 'runs')]
    for result in sorted(results.values(), key=lambda r: (r['kind'] == 'floor', r.get('median', 1e12))):
        rows.append(contender_row(result, base))
    return rows


def contender_row(result, base):
    if 'error' in result:
        return (result['title'], 'failed', '', '', '', '')
    return (result['title'], seconds(result['median']),
            f'{result["median"] / base:.2f}' if base else '',
            size(min(result['wal'])) if 'wal' in result and result['kind'] != 'floor' else '',
            size(max(result['memory'])) if result.get('memory') and max(result['memory']) else '',
            str(len(result['ms'])))


def figure_rows(figures):
    rows = [('', 'at', 'compared with', 'measured', 'reach at least', 'goal', '')]
    for figure in figures:
        rows.append((figure['title'], number_of_rows(figure['rows']) + ' rows' if figure['rows'] else '',
                     figure['to'] or '', value(figure, figure['value']),
                     value(figure, figure['limit']), value(figure, figure['goal']), figure['verdict']))
    return rows


def about(report):
    machine = report['machine']
    return (f'deltaetl {report["version"]}, PostgreSQL {report["server"]}, {machine["processor"]}, '
            f'{machine["cores"]} cores, {machine["memory"]}, {machine["system"]}, {machine["kernel"]}, '
            f'{report["date"]}')


def scale_note(report):
    """Ratios grow with the tables; a small run says little of them."""
    if report['scale'] == 'small':
        return 'This run had a tenth of the rows that the figures are meant for.'
    return ''


def setting_lines(report):
    return [f'{name} = {setting}' for name, setting in report['settings'].items()]


# ---------- layouts ----------

def aligned(rows):
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        cells = [cell.ljust(width) if number == 0 else cell.rjust(width)
                 for number, (cell, width) in enumerate(zip(row, widths))]
        print('  ' + '  '.join(cells).rstrip())


def markdown(rows):
    head, *body = rows
    lines = ['| ' + ' | '.join(head) + ' |', '|' + ' --- |' * len(head)]
    lines += ['| ' + ' | '.join(row) + ' |' for row in body]
    return '\n'.join(lines).replace('|  |', '| |').replace('|  |', '| |') + '\n'


# ---------- on the terminal ----------

def heading(report):
    print(about(report))
    for line in setting_lines(report):
        print('  ' + line)
    print(f'Medians of up to {report["rounds"]} rounds.', flush=True)


def case(measured):
    print(f'\n{measured["name"]}: {case_title(measured)}')
    aligned(case_rows(measured))
    for result in measured['results'].values():
        if 'error' in result:
            print(f'  {result["title"]}: {result["error"]}')
    print(end='', flush=True)


def figures(report):
    print('\nFigures to reach')
    aligned(figure_rows(report['figures']))
    print(scale_note(report))
