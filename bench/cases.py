"""What is measured: which tables, which delta, which settings, and who competes.

Row counts are those of SCALE=large; "small" takes a tenth of them.  The cases
of one table stand together, so that it is loaded once.
"""

from dataclasses import dataclass

SCALES = {
    # tenths of the row counts, rounds, whether 20 million rows are among them
    'small': (1, 3, False),
    'large': (10, 3, False),
    'huge': (10, 3, True),
}

K, M = 1000, 1000000
BRIEF = 'merge on_conflict truncate_insert'
SQL = BRIEF + ' merge_digest delete_insert'
FLOORS = 'scan join sha256'
STORED = 'sync_tracked sync_hashed sync_covered'
HASHES = 'hash_nothing hash_encode hash_row hash_md5 hash_sha256 hash_digest'


@dataclass(frozen=True)
class Case:
    name: str
    rows: int
    share: float                # percent of the rows that differ
    contenders: str
    shape: str = 'medium'
    key: str = 'integer'
    workers: int = 2
    work_mem: str = '64MB'
    deletes: bool = False       # the delta has inserts and deletes, too
    first_load: bool = False    # the target is empty
    huge: bool = False

    def target_identity(self):
        return self.shape, self.key, self.rows, self.first_load

    def source_identity(self):
        return self.target_identity() + (self.share, self.deletes)


CASES = (
    Case('first-load', 5 * M, 100, 'insert_select sync', first_load=True),

    # sizes
    Case('five-times', 5 * M, 1, f'sync dry_run {BRIEF} {FLOORS}'),
    Case('nothing-changed', 5 * M, 0, f'sync {BRIEF}'),
    Case('twenty-times', 20 * M, 1, f'sync dry_run merge {FLOORS}', huge=True),
    Case('tenth', 100 * K, 1, f'sync dry_run {SQL}'),
    Case('base', 1 * M, 1, f'sync dry_run {STORED} {SQL} {FLOORS}'),

    # settings
    Case('workers-0', 1 * M, 1, f'sync {BRIEF} scan join', workers=0),
    Case('workers-1', 1 * M, 1, f'sync {BRIEF} scan join', workers=1),
    Case('work-mem-4MB', 1 * M, 1, f'sync {BRIEF} join', work_mem='4MB'),
    Case('work-mem-1GB', 1 * M, 1, f'sync {BRIEF} join', work_mem='1GB'),

    # hashing in one process, and programs
    Case('hashing', 1 * M, 1, HASHES, workers=0),
    Case('programs', 1 * M, 1, 'sync dry_run diff pg_comparator pg_comparator_fold pipeline'),

    # shares of changed rows
    Case('share-0', 1 * M, 0, f'sync {SQL}'),
    Case('share-0.1', 1 * M, 0.1, f'sync {SQL}'),
    Case('share-10', 1 * M, 10, f'sync {SQL}'),
    Case('share-50', 1 * M, 50, f'sync {SQL}'),
    Case('share-100', 1 * M, 100, f'sync {SQL}'),
    Case('logged', 1 * M, 1, 'sync_deletes sync_keys sync_rows merge'),
    Case('logged-50', 1 * M, 50, 'sync_deletes sync_keys sync_rows merge'),
    Case('logged-deletes', 1 * M, 1, 'sync_deletes sync_keys sync_rows merge_delete', deletes=True),
    Case('deletes', 1 * M, 1, 'sync_deletes merge_delete truncate_insert', deletes=True),

    # keys and shapes
    Case('composite-key', 1 * M, 1, f'sync {BRIEF}', key='composite'),
    Case('text-key', 1 * M, 1, f'sync {BRIEF}', key='text'),
    Case('narrow', 1 * M, 1, f'sync {STORED} {BRIEF}', shape='narrow'),
    Case('wide', 1 * M, 1, f'sync {STORED} {BRIEF} {FLOORS}', shape='wide'),
    Case('documents', 100 * K, 1, f'sync {STORED} {BRIEF} {FLOORS}', shape='documents'),
)


def cases_of(scale):
    """The cases of a scale, with its row counts, and its number of rounds."""
    tenths, rounds, huge = SCALES[scale]
    cases = []
    for case in CASES:
        if not case.huge or huge:
            cases.append(Case(**{**case.__dict__, 'rows': case.rows * tenths // 10}))
    return cases, rounds
