"""Peak memory of all processes of a server, beyond its shared buffers.

Counted are the private pages of each process (RssAnon), and each segment of
dynamic shared memory, which parallel workers share, once.  Not counted are the
main shared memory, files, and the kernel's cache of temporary files.  Pages
that a new process still shares with its parent count in both, some hundred
kilobytes each, so the figure is a little too high rather than too low.
"""

import re
import threading

PERIOD = 0.1                    # seconds; more often would slow down what is measured
SEGMENT = re.compile(r'^([0-9a-f]+)-([0-9a-f]+) \S+ \S+ \S+ (\d+) +'
                     r'(?:/dev/shm/PostgreSQL\.|.*/pg_dynshmem/)', re.MULTILINE)


def read(pid, name):
    """A file of /proc; nothing if the process has just ended."""
    try:
        with open(f'/proc/{pid}/{name}') as file:
            return file.read()
    except OSError:
        return ''


def private_bytes(pid):
    found = re.search(r'^RssAnon:\s+(\d+) kB', read(pid, 'status'), re.MULTILINE)
    return int(found.group(1)) * 1024 if found else 0


def server_bytes(postmaster, except_for):
    pids = {postmaster, *read(postmaster, f'task/{postmaster}/children').split()} - {except_for}
    segments = {}
    for pid in pids:
        for start, end, inode in SEGMENT.findall(read(pid, 'maps')):
            segments[inode] = int(end, 16) - int(start, 16)
    return sum(map(private_bytes, pids)) + sum(segments.values())


class Sampler:
    """Watches a server as long as it is entered; peak is in bytes.

    The session that prepares and checks is not part of what is measured.
    """

    def __init__(self, server):
        self.postmaster = str(server.postmaster)
        self.except_for = str(server.pid)
        self.peak = 0
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)

    def watch(self):
        while True:
            self.peak = max(self.peak, server_bytes(self.postmaster, self.except_for))
            if self.done.wait(PERIOD):
                break

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *exception):
        self.done.set()
        self.thread.join()
