import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from multiprocessing.queues import SimpleQueue
from threading import Thread, Timer

import pytest
from uvicorn.config import STARTUP_FAILURE

from serving.workers import Workers

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="workers are forked on Linux only")

LOADED = ["shared"]
forked = multiprocessing.get_context("fork")


def supervised(count: int, work: Callable[[], None]) -> Callable[[], bool | None]:
    """Start a supervisor in a process of its own; returns what ends it and tells what `run` returned."""
    reader, writer = forked.Pipe(duplex=False)

    def whole() -> None:
        writer.send(Workers(count, work).run())

    process = forked.Process(target=whole)
    process.start()
    writer.close()

    def end() -> bool | None:
        if process.pid and process.is_alive():
            os.kill(process.pid, signal.SIGTERM)
        process.join(20)
        assert process.exitcode == 0
        return reader.recv() if reader.poll() else None

    return end


def collected(queue: "SimpleQueue[int]", count: int) -> list[int]:
    """The first `count` numbers in the queue, within ten seconds."""
    found: list[int] = []
    thread = Thread(target=lambda: found.extend(queue.get() for _ in range(count)), daemon=True)
    thread.start()
    thread.join(10)
    assert len(found) == count
    return found


def test_workers_share_what_was_loaded_and_end_on_sigterm() -> None:
    pids = forked.SimpleQueue()

    def work() -> None:
        pids.put(os.getpid() if LOADED == ["shared", "later"] else 0)
        time.sleep(60)

    LOADED.append("later")
    end = supervised(3, work)
    found = collected(pids, 3)
    assert 0 not in found
    assert len(set(found)) == 3
    assert end() is True
    for pid in found:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_worker_that_dies_is_replaced() -> None:
    pids = forked.SimpleQueue()

    def work() -> None:
        pids.put(os.getpid())
        time.sleep(60)

    end = supervised(2, work)
    first = collected(pids, 2)
    os.kill(first[0], signal.SIGKILL)
    (replacement,) = collected(pids, 1)
    assert replacement not in first
    os.kill(first[1], 0)
    assert end() is True


def test_a_worker_that_cannot_start_ends_the_others() -> None:
    pids = forked.SimpleQueue()
    turn = forked.Value("i", 0)

    def work() -> None:
        with turn.get_lock():
            turn.value += 1
            first = turn.value == 1
        pids.put(os.getpid())
        if first:
            sys.exit(STARTUP_FAILURE)
        time.sleep(60)

    reader, writer = forked.Pipe(duplex=False)
    process = forked.Process(target=lambda: writer.send(Workers(2, work).run()))
    process.start()
    process.join(20)
    assert process.exitcode == 0
    assert reader.recv() is False


def test_a_worker_may_take_its_time_to_end() -> None:
    ended = forked.SimpleQueue()
    begun = forked.SimpleQueue()

    def work() -> None:
        told: list[int] = []
        signal.signal(signal.SIGTERM, lambda sig, _: told.append(sig))
        begun.put(os.getpid())
        while not told:
            time.sleep(0.01)
        time.sleep(0.5)
        ended.put(os.getpid())

    end = supervised(2, work)
    pids = collected(begun, 2)
    assert end() is True
    assert sorted(collected(ended, 2)) == sorted(pids)


def test_a_signal_before_the_first_start_ends_it_too() -> None:
    workers = Workers(1, lambda: time.sleep(60))
    before = signal.getsignal(signal.SIGTERM)
    Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGTERM)).start()
    began = time.monotonic()
    assert workers.run()
    assert time.monotonic() - began < 10
    assert signal.getsignal(signal.SIGTERM) == before
