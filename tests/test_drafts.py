import json
from concurrent.futures import Future
from dataclasses import replace
from time import perf_counter

import pytest

from dispatch_model.cases import Timing, Versions
from dispatch_model.errors import DispatchError, ErrorKind
from serving.drafts import Draft, Outcome, settle
from serving.store.record import Content, Record

VERSIONS = Versions(bundle="b", access_list="a", catalogue="c", label_maps="m")
CONTENT = Content(None, '"路灯不亮"', None, None)
RECORD = Record("1", CONTENT, "suggest", VERSIONS, '{"case_id":"1"}')
DRAFT = Draft(CONTENT, RECORD, 1.5, Timing(infer=8.0))


def told(outcome: Outcome) -> tuple[bool, float, float, float]:
    """replayed, queue, infer, store."""
    reply = outcome.reply()
    assert isinstance(reply, str)
    body = json.loads(reply)
    timing = body["timing_ms"]
    return body["replayed"], timing["queue"], timing["infer"], timing["store"]


def test_our_own_answer_tells_what_it_took() -> None:
    assert told(Outcome(DRAFT, RECORD, 3.0)) == (False, 1.5, 8.0, 3.0)


def test_a_case_answered_before_is_a_replay_without_a_model() -> None:
    assert told(Outcome(DRAFT._replace(timing=None), RECORD)) == (True, 1.5, 0.0, 0.0)


def test_whoever_was_first_is_who_answers() -> None:
    first = replace(RECORD, answer='{"case_id":"1","kind":"求助"}')
    outcome = Outcome(DRAFT, first, 3.0)
    assert told(outcome) == (True, 1.5, 0.0, 3.0)
    assert "求助" in str(outcome.reply())


def test_other_content_under_the_same_case_id_is_a_conflict() -> None:
    first = replace(RECORD, content=replace(CONTENT, transcript='"井盖丢了"'))
    reply = Outcome(DRAFT, first).reply()
    assert isinstance(reply, DispatchError)
    assert reply.kind is ErrorKind.CASE_CONFLICT


def test_what_the_writer_did_is_handed_on() -> None:
    outcome: Future[Outcome] = Future()
    saved: Future[dict[str, Record]] = Future()
    saved.set_result({"1": RECORD})
    settle(outcome, DRAFT, perf_counter() - 0.01, saved)
    assert outcome.result().stored is RECORD
    assert outcome.result().waited >= 10


def test_what_the_writer_could_not_do_is_handed_on() -> None:
    outcome: Future[Outcome] = Future()
    saved: Future[dict[str, Record]] = Future()
    saved.set_exception(DispatchError(ErrorKind.STORE_UNAVAILABLE, "数据库不可用。"))
    settle(outcome, DRAFT, perf_counter(), saved)
    with pytest.raises(DispatchError, match="数据库不可用"):
        outcome.result()
