"""Heavy work in one thread that lets requests in other threads go first."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

BRISK_SECONDS = 0.0005

_lock = Lock()
_inside: list[float] = []  # what to go back to, once per thread that is at it


@contextmanager
def giving_way() -> Iterator[None]:
    """Python hands over between threads ten times as often while this lasts.

    A request changes threads some ten times; beside a thread that computes, each waits for a whole switch interval,
    5 ms unless told otherwise (bench/rules_change.py).
    """
    with _lock:
        _inside.append(_inside[0] if _inside else sys.getswitchinterval())
        sys.setswitchinterval(BRISK_SECONDS)
    try:
        yield
    finally:
        with _lock:
            before = _inside.pop()
            if not _inside:
                sys.setswitchinterval(before)
