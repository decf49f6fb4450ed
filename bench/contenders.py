"""Those who are measured: a name, what kind they are, and what they run.

kind 'deltaetl'  the extension
     'sql'       statements that bring the target to the source's content
     'tool'      a program outside the server
     'floor'     work that no contender can do without
     'hash'      hashing alone
"""

from dataclasses import dataclass, field
from typing import Callable

import peers
import tools


@dataclass(frozen=True)
class Contender:
    name: str
    title: str
    kind: str
    statements: Callable = None     # of table and version, for those that run SQL
    program: Callable = None        # of a Round, for those that do not
    source: str = 'source'
    target: str = 'target'
    writes: bool = True             # leaves the target with the source's content
    counts: bool = False            # returns the counts of deltaetl_sync
    differences: bool = False       # returns the number of rows that differ
    needs: tuple = field(default=())        # functions, extensions


def sync(arguments='', source='source', target='target'):
    def statements(table, version):
        return ['SELECT inserted, updated, deleted, unchanged FROM '
                f"deltaetl_sync('{source}', '{target}'{arguments})"]
    return statements


def diff(table, version):
    return ["SELECT count(*) FROM deltaetl_diff('source', 'target')"]


def deltaetl(name, title, arguments='', source='source', target='target', **more):
    return Contender(name, title, 'deltaetl', sync(arguments, source, target),
                     source=source, target=target, counts=True, **more)


def sql(name, title, statements):
    return Contender(name, title, 'sql', statements)


def comparator(name, title, *options):
    return Contender(name, title, 'tool', program=tools.compare_with(*options),
                     writes=False, needs=('pgcmp',))


def hashing(name, title, statements):
    return Contender(name, title, 'hash', statements, writes=False)


TRACK = ('deltaetl_track',)

CONTENDERS = {contender.name: contender for contender in (
    deltaetl('sync', 'deltaetl_sync'),
    deltaetl('sync_deletes', 'deltaetl_sync, deletes', ", deletes => 'delete'"),
    deltaetl('sync_keys', 'deltaetl_sync, keys logged', ", deletes => 'delete', log_changes => 'keys'"),
    deltaetl('sync_rows', 'deltaetl_sync, rows logged', ", deletes => 'delete', log_changes => 'rows'"),
    deltaetl('dry_run', 'deltaetl_sync, dry run', ', dry_run => true', writes=False),
    deltaetl('sync_tracked', 'deltaetl_sync, tracked', target='target_tracked', needs=TRACK),
    deltaetl('sync_hashed', 'deltaetl_sync, tracked, hashed staging', source='source_hashed_staging',
             target='target_tracked', needs=TRACK),
    deltaetl('sync_covered', 'deltaetl_sync, tracked, hashed staging, covering indexes',
             source='source_covered', target='target_covered', needs=TRACK),
    Contender('diff', 'deltaetl_diff', 'deltaetl', diff, writes=False, differences=True),

    sql('merge', 'MERGE, IS DISTINCT FROM', peers.merge),
    sql('on_conflict', 'ON CONFLICT DO UPDATE WHERE', peers.on_conflict),
    sql('merge_digest', 'MERGE, digest(row::text)', peers.merge_digest),
    sql('delete_insert', 'DELETE and INSERT', peers.delete_insert),
    sql('truncate_insert', 'TRUNCATE and INSERT', peers.truncate_insert),
    sql('merge_delete', 'MERGE with deletes', peers.merge_delete),
    sql('insert_select', 'INSERT ... SELECT', peers.insert_select),

    comparator('pg_comparator', 'pg_comparator (compares only)'),
    comparator('pg_comparator_fold', 'pg_comparator --folding-factor=5', '--folding-factor=5'),
    Contender('pipeline', 'Python pipeline', 'tool', program=tools.run_pipeline,
              target='target_hashed'),

    Contender('scan', 'floor: scan and deform both', 'floor', peers.scan_both, writes=False),
    Contender('join', 'floor: join the keys', 'floor', peers.join_keys, writes=False),
    Contender('sha256', 'floor: SHA-256 of the same bytes', 'floor', program=tools.hash_bytes,
              writes=False),

    hashing('hash_nothing', 'count every column', peers.count_columns),
    hashing('hash_encode', 'deltaetl_encode', peers.hash_with('deltaetl_encode({columns})')),
    hashing('hash_row', 'deltaetl_row_hash', peers.hash_with('deltaetl_row_hash({columns})')),
    hashing('hash_md5', 'md5(row::text)', peers.hash_with('md5(t::text)')),
    hashing('hash_sha256', 'sha256(row::text::bytea)', peers.hash_with('sha256(t::text::bytea)')),
    hashing('hash_digest', 'digest(row::text)', peers.hash_with("digest(t::text, 'sha256')")),
)}
