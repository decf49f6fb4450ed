"""What the figures were measured on, without the name of the machine."""

import datetime
import os
import platform
import re


def first_match(path, pattern):
    try:
        with open(path) as file:
            found = re.search(pattern, file.read(), re.MULTILINE)
    except OSError:
        found = None
    return found.group(1).strip() if found else None


def memory():
    kilobytes = first_match('/proc/meminfo', r'^MemTotal:\s+(\d+) kB')
    return f'{int(kilobytes) / 1024 / 1024:.0f} GB' if kilobytes else 'unknown'


def describe(server):
    return {
        'date': datetime.date.today().isoformat(),
        'machine': {
            'processor': first_match('/proc/cpuinfo', r'^model name\s*:(.*)$') or platform.machine(),
            'cores': len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count(),
            'memory': memory(),
            'system': first_match('/etc/os-release', r'^PRETTY_NAME="?([^"\n]*)') or platform.system(),
            'kernel': f'{platform.system()} {platform.release()}',
        },
        'server': server.value("SELECT current_setting('server_version')"),
        'version': server.value("SELECT extversion FROM pg_extension WHERE extname = 'deltaetl'"),
        'settings': server.settings(),
    }
