import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from dispatch_model.cases import Case, Reason, Routing, Span
from dispatch_model.errors import DispatchError, ErrorKind
from serving.cases.casefile import CaseFile
from serving.masking import mask
from serving.routing import Router
from serving.store import moments
from serving.store.audit import verify
from serving.store.erasure import blanked, cases_of, erase, scrub
from serving.store.record import Content, Record
from serving.store.schema import cases, decisions, desk_steps, return_reviews, returns, routings
from serving.store.store import Store

CALLER = "13800138001"
SECRET = "榕树巷深处的蓝色铁门"
TABLES = (cases, routings, decisions, desk_steps, returns, return_reviews)


def keep(store: Store, router: Router, case_id: str, caller: str | None = CALLER) -> None:
    """Store a case whose every text speaks of the secret, down to the notes of its return."""
    address = {"street": "金贸街道", "detail": SECRET}
    case = Case.model_validate({"case_id": case_id, "transcript": SECRET, "address": address, "caller": caller})
    routing = telling(router.route([case])[0])
    store.save([Record.of(Content.of(case, mask, store.seal), routing)])
    store.write(partial(_note, case_id=case_id))


def telling(routing: Routing) -> Routing:
    said = Reason(source="model", text=f"出现“{SECRET}”", spans=(Span(start=0, end=4),))
    rule = Reason(source="access_list", rule_id="J-1", text="清单列明")
    first = routing.suggestions[0].model_copy(update={"reasons": (said, rule)})
    update: dict[str, Any] = {"transcript": SECRET, "suggestions": (first,), "reasons": (said,), "repeat_of": ("0",)}
    return routing.model_copy(update={**update, "disposition_reason": SECRET, "missing": (SECRET,)})


def _note(connection: Any, case_id: str) -> None:
    (number,) = connection.execute(select(routings.c.id).where(routings.c.case_id == case_id)).fetchone()
    common = {"case_id": case_id, "operator": "甲", "at": moments.now(), "note": SECRET}
    unit = {"unit_name": "某局", "function": "城管", "level": "区", "category": "030703"}
    decided = connection.add(
        decisions, _filled(decisions, {**common, **unit, "routing_id": number, "action": "accept"})
    )
    asked = {**common, "action": "ask", "question": SECRET}
    connection.add(desk_steps, _filled(desk_steps, asked))
    sent_back = {**common, "decision_id": decided, "reason": "其他", "clause": SECRET}
    returned = connection.add(returns, _filled(returns, sent_back))
    review = {
        "return_id": returned,
        "outcome": "rejected",
        **{name: common[name] for name in ("operator", "at", "note")},
    }
    connection.add(return_reviews, _filled(return_reviews, review))


def _filled(table: Any, values: dict[str, Any]) -> dict[str, Any]:
    """With something in the columns that must hold something and that no test here looks at."""
    needed = [one for one in table.columns if not one.nullable and not one.server_default and one.name != "id"]
    empty: dict[str, Any] = {one.name: False if one.type.python_type is bool else "" for one in needed}
    return empty | values


def everything(store: Store) -> str:
    with store.reading() as connection:
        return str([connection.rows(select(table)) for table in TABLES])


def test_of_an_erased_case_no_text_is_left_and_every_label_is(store: Store, router: Router) -> None:
    keep(store, router, "1")
    assert everything(store).count(SECRET) > 8
    done = store.write(partial(erase, case_ids=["1"], actor="cli:t"))
    assert (done.erased, done.before) == (("1",), ())
    left = everything(store)
    assert SECRET not in left
    with store.reading() as connection:
        case = CaseFile.read(connection, "1")
        (row,) = connection.rows(select(cases))
    routing = case.routing
    assert (routing.suggestions[0].unit.code, routing.suggestions[0].category.code) == ("u1", "030703")
    assert [reason.text for reason in routing.suggestions[0].reasons] == ["", "清单列明"]
    assert routing.suggestions[0].reasons[1].rule_id == "J-1"
    assert (routing.transcript, routing.repeat_of, routing.versions.bundle) == ("", (), "bundle-1")
    assert (row["caller"], row["address"], row["digests"]) == (None, None, None)
    assert row["erased_at"] is not None


def test_a_caller_is_erased_from_all_cases_and_from_no_other(store: Store, router: Router) -> None:
    for case_id, caller in (("1", CALLER), ("2", "+86 138-0013-8001"), ("3", "13800138002"), ("4", None)):
        keep(store, router, case_id, caller)
    pseudonym = store.seal.pseudonym(CALLER)
    assert pseudonym is not None
    with store.reading() as connection:
        found = cases_of(connection, pseudonym)
    assert found == ["1", "2"]
    store.write(partial(erase, case_ids=found, actor="cli:t"))
    with store.reading() as connection:
        assert cases_of(connection, pseudonym) == []
        assert [json.loads(CaseFile.read(connection, one).routings[0]["answer"])["transcript"] for one in "1234"] == [
            *("", ""),
            *(SECRET, SECRET),
        ]


def test_the_chain_stays_whole_and_tells_of_the_erasure(store: Store, router: Router) -> None:
    keep(store, router, "1")
    with store.reading() as connection:
        before = set(verify(connection).flaws)
    store.write(partial(erase, case_ids=["1"], actor="cli:t"))
    with store.reading() as connection:
        report = verify(connection)
        events = connection.run("SELECT actor, action, subject, details FROM audit_events").fetchall()
    assert set(report.flaws) <= before
    assert [(actor, subject) for actor, action, subject, _ in events if action == "erase"] == [("cli:t", "1")]
    assert SECRET not in str(events)


def test_twice_is_once(store: Store, router: Router) -> None:
    keep(store, router, "1")
    store.write(partial(erase, case_ids=["1", "1"], actor="cli:t"))
    again = store.write(partial(erase, case_ids=["1"], actor="cli:t"))
    assert (again.erased, again.before) == ((), ("1",))


def test_a_case_that_is_not_there_stops_it_all(store: Store, router: Router) -> None:
    keep(store, router, "1")
    with pytest.raises(DispatchError, match="没有工单 9") as caught:
        store.write(partial(erase, case_ids=["1", "9"], actor="cli:t"))
    assert caught.value.kind is ErrorKind.NOT_FOUND
    assert SECRET in everything(store)


def test_the_same_case_again_finds_the_erased_one(store: Store, router: Router) -> None:
    keep(store, router, "1")
    store.write(partial(erase, case_ids=["1"], actor="cli:t"))
    address = {"street": "金贸街道", "detail": SECRET}
    case = {"case_id": "1", "transcript": SECRET, "address": address, "caller": CALLER}
    kept = store.find(["1"])["1"]
    kept.check_same(Content.of(Case.model_validate(case), mask, store.seal))
    with pytest.raises(DispatchError, match="transcript"):
        kept.check_same(Content.of(Case.model_validate({**case, "transcript": "别的事"}), mask, store.seal))


def test_nothing_is_left_in_the_files_of_sqlite(tmp_path: Path, router: Router) -> None:
    store = Store.open(tmp_path / "dispatch.db")
    for number in range(50):
        keep(store, router, str(number))
    store.write(partial(erase, case_ids=[str(number) for number in range(50)], actor="cli:t"))
    with store.reading() as connection:
        assert scrub(connection)
    files = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    store.close()
    assert "清单列明".encode() in files
    for form in (SECRET.encode(), json.dumps(SECRET)[1:-1].encode()):
        assert form not in files


def test_an_answer_without_suggestions_is_blanked(router: Router) -> None:
    routing = router.route([Case(case_id="1", transcript=SECRET)])[0].model_copy(update={"suggestions": ()})
    answer = blanked(Record.of(_content(), telling_nothing(routing)).answer)
    assert json.loads(answer)["suggestions"] == []
    assert SECRET not in answer


def _content() -> Content:
    return Content(city=None, transcript='""', address=None, received_at=None)


def telling_nothing(routing: Routing) -> Routing:
    return routing.model_copy(update={"transcript": SECRET})
