"""Contenders that are programs.  Each takes a Round (run.py), does its work,
and returns milliseconds; what it has to set up first it does not count."""

import hashlib
import os
import subprocess
import threading

import server

OPTIONS = '-c jit=off -c work_mem={work_mem} -c max_parallel_workers_per_gather={workers}'


def session_options(case):
    """For programs that open their own sessions."""
    return OPTIONS.format(work_mem=case.work_mem, workers=case.workers)


# ---------- pg_comparator ----------

def comparator_command(table, options):
    columns = f'{",".join(table.key_names)}:{",".join(table.value_names)}'
    command = ['pg_comparator', '--max-ratio=2.0', '--source-1=DBI:Pg:', '--source-2=DBI:Pg:', *options]
    if [column.type for column in table.key] == ['integer']:
        command.append('--use-key')     # recommended by its manual, and faster
    return command + [f'/postgres/source?{columns}', '/postgres/target']


def compare_with(*options):
    """It prints a line for each row that differs, which has to be all of them."""
    def compare(round):
        environment = {**os.environ, 'PGOPTIONS': session_options(round.case)}
        command = comparator_command(round.data.table, options)
        ms, done = server.timed(lambda: subprocess.run(
            command, env=environment, capture_output=True, text=True))
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip()[-500:])
        round.check_differences(len(done.stdout.splitlines()))
        return ms
    return compare


# ---------- the Python pipeline ----------

def run_pipeline(round):
    import pipeline             # only where SQLAlchemy is needed

    os.environ['PGOPTIONS'] = session_options(round.case)
    try:
        work = pipeline.Pipeline(round.data.table)
        with work.engine.connect() as connection:
            transaction = connection.begin()
            round.checkpoint()
            ms, _ = server.timed(lambda: work.run(connection))
            round.check(connection.connection.cursor())
            transaction.rollback()
    finally:
        del os.environ['PGOPTIONS']
    return ms


# ---------- SHA-256 ----------

CHUNK = bytes(1 << 20)


def hash_chunks(count):
    """The interpreter's lock is released while a chunk is hashed."""
    digest = hashlib.sha256()
    for _ in range(count):
        digest.update(CHUNK)


def hash_bytes(round):
    """As many bytes as the encoded rows of both tables have, in as many streams
    as there are processes: a lower bound, rows would each start a new hash."""
    streams = min(round.case.workers + 1, os.cpu_count())
    chunks = round.data.encoded_bytes() // len(CHUNK) // streams + 1
    threads = [threading.Thread(target=hash_chunks, args=(chunks,)) for _ in range(streams)]

    def work():
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return server.timed(work)[0]
