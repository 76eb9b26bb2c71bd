import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from threading import Event, Lock
from time import sleep
from typing import Any

import pytest

from dispatch_model.cases import Case, Routing
from dispatch_model.errors import DispatchError, ErrorKind
from serving.engine import Engine
from serving.routing import Router
from serving.store.record import Record
from serving.store.seal import Seal
from serving.web.admission import Admission
from tests.canned import CannedRouter


class Shelf:
    """A store in memory; `kept` holds its writes back until they are let go."""

    def __init__(self, *, kept: bool = False) -> None:
        self.records: dict[str, Record] = {}
        self.pending: list[tuple[Sequence[Record], Future[dict[str, Record]]]] = []
        self.kept = kept
        self.seal = Seal.of("0" * 32)
        self.error: DispatchError | None = None

    def ping(self) -> None:
        if self.error:
            raise self.error

    def find(self, case_ids: Sequence[str]) -> dict[str, Record]:
        return {name: self.records[name] for name in case_ids if name in self.records}

    def submit(self, records: Sequence[Record]) -> Future[dict[str, Record]]:
        saved: Future[dict[str, Record]] = Future()
        self.pending.append((records, saved))
        if not self.kept:
            self.let_go()
        return saved

    def let_go(self) -> None:
        for records, saved in self.pending:
            if self.error:
                saved.set_exception(self.error)
                continue
            for record in records:
                self.records.setdefault(record.case_id, record)
            saved.set_result(self.find([record.case_id for record in records]))
        self.pending.clear()


class SlowRouter(CannedRouter):
    """Waits for `go` with each case, and notes their order."""

    def __init__(self) -> None:
        super().__init__()
        self.go = Event()
        self.seen: list[str] = []
        self.at_once = self.most = 0
        self.lock = Lock()

    def route(self, cases: Sequence[Case], **_: Any) -> list[Routing]:
        with self.lock:
            self.at_once += 1
            self.most = max(self.most, self.at_once)
            self.seen += [case.case_id for case in cases]
        self.go.wait(10)
        with self.lock:
            self.at_once -= 1
        return super().route(cases)


class Together(SlowRouter):
    """Notes what came in one call, and refuses one text."""

    def __init__(self) -> None:
        super().__init__()
        self.groups: list[list[str]] = []

    def route(self, cases: Sequence[Case], **_: Any) -> list[Routing]:
        self.groups.append([case.case_id for case in cases])
        if any(case.transcript == "坏" for case in cases):
            raise DispatchError(ErrorKind.TRANSCRIPT_EMPTY, "空白。")
        return super().route(cases)


def case(case_id: str, text: str = "路灯不亮") -> Case:
    return Case(case_id=case_id, transcript=text)


def run(engine: Engine, work: Callable[[], Awaitable[Any]]) -> Any:
    """What `work` returns, all threads stopped after it."""

    async def whole() -> Any:
        return await work()

    try:
        return asyncio.run(whole())
    finally:
        engine.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)


def kinds(replies: Sequence[str | DispatchError]) -> list[str]:
    return [reply.kind.value if isinstance(reply, DispatchError) else json.loads(reply)["case_id"] for reply in replies]


async def outcome(work: Awaitable[str]) -> str:
    """Kind of the error, or `answered`."""
    try:
        await work
    except DispatchError as error:
        return error.kind.value
    return "answered"


def test_an_answer_comes_when_its_rows_are_on_disk(router: Router) -> None:
    shelf = Shelf(kept=True)
    engine = Engine(router, shelf, str)

    async def work() -> str:
        answer = asyncio.ensure_future(engine.answer(case("1")))
        await until(lambda: bool(shelf.pending))
        await asyncio.sleep(0.02)
        assert not answer.done()
        shelf.let_go()
        return await answer

    reply = json.loads(run(engine, work))
    assert (reply["case_id"], reply["replayed"]) == ("1", False)
    assert reply["timing_ms"]["store"] >= 20
    assert engine.admission.inside == 0


def test_the_thread_goes_on_while_the_store_is_slow(router: Router) -> None:
    shelf = Shelf(kept=True)
    engine = Engine(router, shelf, str)

    async def work() -> list[str]:
        answers = [asyncio.ensure_future(engine.answer(case(str(number)))) for number in range(5)]
        await until(lambda: len(shelf.pending) == 5)
        shelf.let_go()
        return await asyncio.gather(*answers)

    assert kinds(run(engine, work)) == ["0", "1", "2", "3", "4"]


def test_the_first_of_two_with_one_case_id_wins(router: Router) -> None:
    shelf = Shelf(kept=True)
    engine = Engine(router, shelf, str)

    async def work() -> list[Any]:
        texts = ("路灯不亮", "路灯不亮", "井盖丢了")
        answers = [asyncio.ensure_future(engine.answer(case("1", text))) for text in texts]
        await until(lambda: len(shelf.pending) == 3)
        shelf.let_go()
        return await asyncio.gather(*answers, return_exceptions=True)

    first, second, third = run(engine, work)
    assert (json.loads(first)["replayed"], json.loads(second)["replayed"]) == (False, True)
    assert third.kind is ErrorKind.CASE_CONFLICT


def test_more_than_may_wait_are_refused_and_the_rest_answered() -> None:
    router = SlowRouter()
    engine = Engine(router, Shelf(), str, admission=Admission(queue_limit=2, threads=1))

    async def work() -> list[str]:
        answers = [asyncio.ensure_future(outcome(engine.answer(case(str(number))))) for number in range(5)]
        await until(lambda: engine.waiting == 2)
        router.go.set()
        return await asyncio.gather(*answers)

    assert run(engine, work) == ["answered"] * 3 + ["overloaded"] * 2
    assert router.seen == ["0", "1", "2"]
    assert (engine.admission.refused, engine.admission.inside) == (2, 0)


def test_after_the_deadline_work_not_begun_is_dropped_and_counted() -> None:
    router, shelf = SlowRouter(), Shelf()
    engine = Engine(router, shelf, str, deadline=0.05)

    async def work() -> list[str]:
        found = await asyncio.gather(*(outcome(engine.answer(case(name))) for name in ("begun", "waiting")))
        router.go.set()
        await until(lambda: "begun" in shelf.records)
        return [*found, await outcome(engine.answer(case("next")))]

    assert run(engine, work) == ["deadline_exceeded", "deadline_exceeded", "answered"]
    assert router.seen == ["begun", "next"]
    assert (engine.dropped, engine.admission.inside) == (1, 0)


def test_what_came_too_late_is_there_when_asked_for_again() -> None:
    router, shelf = SlowRouter(), Shelf()
    engine = Engine(router, shelf, str, deadline=0.05)

    async def work() -> str:
        with pytest.raises(DispatchError, match=r"0\.05 秒"):
            await engine.answer(case("1"))
        router.go.set()
        await until(lambda: "1" in shelf.records)
        return await engine.answer(case("1"))

    assert json.loads(run(engine, work))["replayed"]


@pytest.mark.parametrize("threads", [1, 2])
def test_only_so_many_cases_are_routed_at_once(threads: int) -> None:
    router = SlowRouter()
    engine = Engine(router, Shelf(), str, threads=threads)

    async def work() -> list[str]:
        answers = [asyncio.ensure_future(engine.answer(case(str(number)))) for number in range(6)]
        await until(lambda: engine.waiting == 6 - threads)
        router.go.set()
        return await asyncio.gather(*answers)

    assert len(run(engine, work)) == 6
    assert router.most == threads


def test_cases_that_wait_are_routed_together() -> None:
    router, shelf = Together(), Shelf()
    engine = Engine(router, shelf, str, together=3)

    async def work() -> list[str]:
        first = asyncio.ensure_future(engine.answer(case("first")))
        await until(lambda: router.seen == ["first"])
        rest = [asyncio.ensure_future(outcome(engine.answer(case(str(number))))) for number in range(4)]
        await until(lambda: engine.waiting == 4)
        router.go.set()
        await first
        return await asyncio.gather(*rest)

    assert run(engine, work) == ["answered"] * 4
    assert router.groups == [["first"], ["0", "1", "2"], ["3"]]
    assert list(shelf.records) == router.seen


def test_of_cases_routed_together_each_has_its_own_error() -> None:
    router, shelf = Together(), Shelf()
    engine = Engine(router, shelf, str, together=5)

    async def work() -> list[str]:
        first = asyncio.ensure_future(engine.answer(case("first")))
        await until(lambda: router.seen == ["first"])
        texts = {"good": "路灯", "blank": "坏", "long": "长" * 30_000, "first": "别的"}
        rest = [asyncio.ensure_future(outcome(engine.answer(case(*pair)))) for pair in texts.items()]
        await until(lambda: engine.waiting == 4)
        router.go.set()
        await first
        return await asyncio.gather(*rest)

    assert run(engine, work) == ["answered", "transcript_empty", "transcript_too_long", "case_conflict"]
    assert list(shelf.records) == ["first", "good"]


def test_single_cases_pass_between_those_of_a_batch() -> None:
    router = SlowRouter()
    engine = Engine(router, Shelf(), str)

    async def work() -> None:
        batch = asyncio.ensure_future(engine.answer_each([case(f"b{number}") for number in range(20)]))
        await until(lambda: engine.waiting == 1)
        single = asyncio.ensure_future(engine.answer(case("single")))
        await until(lambda: engine.waiting == 2)
        router.go.set()
        await asyncio.gather(batch, single)

    run(engine, work)
    assert router.seen.index("single") == 2
    assert [name for name in router.seen if name != "single"] == [f"b{number}" for number in range(20)]


def test_a_batch_past_its_deadline_answers_what_it_has() -> None:
    class Plodding(CannedRouter):
        def route(self, cases: Sequence[Case], **_: Any) -> list[Routing]:
            sleep(0.02)
            return super().route(cases)

    engine = Engine(Plodding(), Shelf(), str, batch_deadline=0.15)
    replies = run(engine, lambda: engine.answer_each([case(str(number)) for number in range(50)]))
    found = kinds(replies)
    done = found.index("deadline_exceeded")
    assert 1 <= done <= 8
    assert found == [str(number) for number in range(done)] + ["deadline_exceeded"] * (50 - done)


def test_a_batch_whose_store_fails_is_not_gone_on_with() -> None:
    router, shelf = SlowRouter(), Shelf()
    router.go.set()
    shelf.error = DispatchError(ErrorKind.STORE_UNAVAILABLE, "数据库不可用。")
    engine = Engine(router, shelf, str)
    with pytest.raises(DispatchError, match="数据库不可用"):
        run(engine, lambda: engine.answer_each([case(str(number)) for number in range(9)]))
    assert len(router.seen) <= 3
    assert engine.admission.inside == 0


def test_a_fault_in_one_case_reaches_its_caller_and_nobody_else(router: Router) -> None:
    def mask(text: str) -> str:
        if text == "坏":
            raise ValueError(text)
        return text

    engine = Engine(router, Shelf(), mask)

    async def work() -> list[Any]:
        answers = [engine.answer(case("1", "坏")), engine.answer(case("2", "路灯"))]
        return await asyncio.gather(*answers, return_exceptions=True)

    fault, answered = run(engine, work)
    assert isinstance(fault, ValueError)
    assert kinds([answered]) == ["2"]


def test_an_abandoned_case_is_not_routed() -> None:
    router = SlowRouter()
    engine = Engine(router, Shelf(), str)

    async def work() -> None:
        first, second = (asyncio.ensure_future(engine.answer(case(name))) for name in ("1", "2"))
        await until(lambda: engine.waiting == 1)
        second.cancel()
        await asyncio.wait([second])
        router.go.set()
        await first

    run(engine, work)
    assert router.seen == ["1"]


def test_closing_finishes_what_is_queued(router: Router) -> None:
    shelf = Shelf()
    engine = Engine(router, shelf, str)

    async def work() -> None:
        answers = [asyncio.ensure_future(engine.answer(case(str(number)))) for number in range(20)]
        await asyncio.sleep(0)
        await asyncio.to_thread(engine.close)
        assert len(shelf.records) == 20
        await asyncio.gather(*answers)

    asyncio.run(work())


def test_ping_says_when_the_store_is_away(router: Router) -> None:
    shelf = Shelf()
    engine = Engine(router, shelf, str)
    run(engine, engine.ping)
    shelf.error = DispatchError(ErrorKind.STORE_UNAVAILABLE, "数据库不可用。")
    with pytest.raises(DispatchError, match="不可用"):
        run(engine, engine.ping)
