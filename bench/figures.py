"""The figures to reach: ratios within one run, what they have to be at least,
and what they are meant to be."""

from dataclasses import dataclass

GIGABYTE = 1 << 30

# A run id is drawn from a sequence, and a server in production notes in the WAL
# now and then which transactions run.
NEGLIGIBLE_WAL = 1024

# Peers that write all rows, whether they differ or not.
REWRITERS = ('truncate_insert', 'delete_insert')

# Runs of ours that keep a log of what they change.
LOGGERS = ('sync_keys', 'sync_rows')


@dataclass(frozen=True)
class Ratio:
    """Time of one contender to that of another, or to the best SQL peer."""
    title: str
    case: str
    contenders: str             # the fastest of them counts
    other: str
    limit: float
    goal: float


BEST = 'best SQL peer'

RATIOS = (
    Ratio('1 % changed, 1 million rows, to the best SQL peer', 'base', 'sync', BEST, 0.45, 0.25),
    Ratio('1 % changed, 5 million rows, to the best SQL peer', 'five-times', 'sync', BEST, 0.33, 0.20),
    Ratio('nothing changed, 5 million rows, to the best SQL peer', 'nothing-changed', 'sync', BEST, 0.25, 0.12),
    Ratio('detection, 5 million rows, to scanning and deforming both', 'five-times', 'dry_run', 'scan', 2.5, 1.5),
    Ratio('wide rows, hashed staging, to the best SQL peer', 'wide', 'sync_hashed sync_covered', BEST, 0.20, 0.08),
    Ratio('toasted rows, hashed staging, to the best SQL peer', 'documents', 'sync_hashed sync_covered', BEST, 0.20, 0.08),
    Ratio('first load, 5 million rows, to INSERT ... SELECT', 'first-load', 'sync', 'insert_select', 1.05, 0.80),
    Ratio('half of 1 million rows changed, to the best SQL peer', 'share-50', 'sync', BEST, 1.00, 0.80),
    Ratio('counting what differs, to pg_comparator', 'programs', 'dry_run', 'pg_comparator', 0.15, 0.08),
    Ratio('listing what differs, to pg_comparator', 'programs', 'diff', 'pg_comparator', 0.15, 0.08),
    Ratio('1 % changed, to the Python pipeline', 'programs', 'sync', 'pipeline', 0.05, 0.02),
)


def usable(results):
    """Those that did the work, and did it right."""
    return {name: result for name, result in results.items()
            if 'median' in result and 'error' not in result}


def best_peer(results):
    """Name of the fastest SQL statements, or None."""
    peers = {name: result['median'] for name, result in usable(results).items()
             if result['kind'] == 'sql'}
    return min(peers, key=peers.get, default=None)


def verdict(value, limit, goal):
    if value is None:
        return 'not measured'
    return 'goal' if value <= goal else 'reached' if value <= limit else 'missed'


def figure(title, value, limit, goal, case=None, other=None, unit='times'):
    return {'title': title, 'value': value, 'limit': limit, 'goal': goal, 'unit': unit,
            'case': case['name'] if case else None, 'rows': case['rows'] if case else None,
            'to': other, 'verdict': verdict(value, limit, goal)}


def ratio(wanted, by_name):
    case = by_name.get(wanted.case)
    results = usable(case['results']) if case else {}
    other = best_peer(results) if wanted.other == BEST else wanted.other
    ours = [results[name]['median'] for name in wanted.contenders.split() if name in results]
    if not ours or other not in results:
        return figure(wanted.title, None, wanted.limit, wanted.goal, case)
    value = min(ours) / results[other]['median']
    return figure(wanted.title, value, wanted.limit, wanted.goal, case, results[other]['title'])


def largest(by_name):
    for name in ('twenty-times', 'five-times', 'base'):
        if name in by_name and 'sync' in usable(by_name[name]['results']):
            return by_name[name]
    return None


def growth(by_name):
    """Time per row, of the most rows that were measured, to that of the base case."""
    small, large = by_name.get('base'), largest(by_name)
    title = 'growth of the time per row from 1 to 20 million rows'
    value = None
    if small and large and small is not large and 'sync' in usable(small['results']):
        def per_row(case):
            return case['results']['sync']['median'] / case['rows']
        value = per_row(large) / per_row(small)
    return figure(title, value, 1.3, 1.1, large, f'{small["rows"]:,} rows' if small else None)


def memory(by_name):
    case = largest(by_name)
    peaks = case['results']['sync'].get('memory') if case else None
    value = max(peaks) / GIGABYTE if peaks and max(peaks) else None
    return figure('peak memory at 20 million rows, work_mem 64 MB', value, 0.5, 0.3, case, unit='GB')


def least_wal(results, but):
    """The peer that wrote fewest bytes: bytes and title."""
    return min(((min(result['wal']), result['title']) for name, result in usable(results).items()
                if result['kind'] == 'sql' and name not in but), default=(0, None))


def wal_ratios(case, but):
    """WAL of each contender of ours that writes to the table that the peers write
    to, and no hash, index or log that they lack, to the least of a peer."""
    least, title = least_wal(case['results'], but)
    if least <= NEGLIGIBLE_WAL:
        return
    for name, result in usable(case['results']).items():
        if (name not in LOGGERS and result['kind'] == 'deltaetl' and result['writes'] and 'wal' in result
                and result['target'] == 'target'):
            yield min(result['wal']) / least, case, title


def most_wal(by_name, title, but=()):
    """The case in which we write most, compared with the peer that writes least."""
    ratios = [ratio for case in by_name.values() for ratio in wal_ratios(case, but)]
    value, case, other = max(ratios, key=lambda r: r[0], default=(None, None, None))
    return figure(title, value, 1.05, 1.05, case, other)


def silent(by_name):
    """WAL for a target in which nothing changed."""
    found = [(max(result['target_wal']), case) for case in by_name.values()
             for result in usable(case['results']).values() if 'target_wal' in result]
    value, case = max(found, key=lambda f: f[0], default=(None, None))
    return figure('WAL for the target, nothing changed', value, 0, 0, case, unit='bytes')


def compute(cases):
    by_name = {case['name']: case for case in cases}
    return [ratio(wanted, by_name) for wanted in RATIOS] + [
        silent(by_name),
        most_wal(by_name, 'WAL, worst case, to peers that write only what differs', REWRITERS),
        most_wal(by_name, 'WAL, worst case, to any SQL peer'),
        growth(by_name), memory(by_name)]
