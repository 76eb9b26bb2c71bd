import json

import pytest

from dispatch_model.cases import Address, Case, Timing, Versions
from dispatch_model.errors import DispatchError, ErrorKind
from serving.routing import Router
from serving.store.record import Content, Record, Top
from serving.store.seal import Seal

SEAL = Seal.of("the key of these tests, of some length")
VERSIONS = Versions(bundle="b", access_list="a", catalogue="c", label_maps="l")


def hide(text: str) -> str:
    return text.replace("一二三", "[电话]")


def content(**parts: object) -> Content:
    return Content.of(Case.model_validate({"case_id": "1", "transcript": "路灯不亮", **parts}), hide, SEAL)


def record(kept: Content) -> Record:
    return Record("1", kept, "suggest", VERSIONS, "{}")


def test_content_is_masked_everywhere() -> None:
    case = Case.model_validate(
        {
            "case_id": "1",
            "transcript": [{"speaker": "citizen", "text": "电话一二三"}],
            "address": Address(detail="住一二三室"),
            "received_at": "2018-05-03",
        }
    )
    kept = Content.of(case, hide, SEAL)
    assert kept.transcript == '[{"speaker": "citizen", "text": "电话[电话]"}]'
    assert kept.address == '{"detail": "住[电话]室"}'
    assert kept.received_at == "2018-05-03T00:00:00+08:00"
    assert kept.city is None
    assert json.loads(kept.digests or "").keys() == {"transcript", "address", "received_at"}
    assert "一二三" not in str(kept)


def test_the_same_content_is_no_conflict() -> None:
    record(content(city="海口市")).check_same(content(city="海口市"))


@pytest.mark.parametrize(
    ("changed", "names"),
    [
        ({"transcript": "路灯又亮了"}, ["transcript"]),
        ({"transcript": [{"speaker": "citizen", "text": "路灯不亮"}]}, ["transcript"]),
        ({"address": "海甸岛"}, ["address"]),
        ({"caller": "13800000001"}, ["caller"]),
        ({"city": "儋州市", "received_at": "2018-05-03"}, ["city", "received_at"]),
    ],
)
def test_other_content_is_a_conflict_that_names_the_fields(changed: dict[str, object], names: list[str]) -> None:
    with pytest.raises(DispatchError, match="、".join(names)) as caught:
        record(content()).check_same(content(**changed))
    assert (caught.value.kind, caught.value.field) == (ErrorKind.CASE_CONFLICT, names[0])


def test_a_number_written_in_another_way_is_the_same_caller() -> None:
    one, two = content(caller="13800000001"), content(caller="+86 138-0000-0001")
    assert one.caller
    record(one).check_same(two)


def test_what_masking_hides_still_makes_a_difference() -> None:
    one, two = content(transcript="电话一二三"), content(transcript="电话[电话]")
    assert one.transcript == two.transcript
    assert one.differing(two) == ["transcript"]


def test_another_masking_or_an_erasure_makes_no_conflict() -> None:
    case = Case(case_id="1", transcript="电话一二三")
    before, now = Content.of(case, str, SEAL), Content.of(case, hide, SEAL)
    assert before != now
    record(before).check_same(now)


def test_without_digests_of_one_key_the_masked_texts_decide() -> None:
    old = Content(city=None, transcript='"路灯不亮"', address=None, received_at=None)
    record(old).check_same(content())
    assert old.differing(content(address="海甸岛")) == ["address"]
    other = Content.of(
        Case(case_id="1", transcript="路灯不亮"), hide, Seal.of("another key of another service, long enough")
    )
    assert other.digest != content().digest
    record(other).check_same(content())


def test_the_reply_is_the_routing(router: Router) -> None:
    case = Case(case_id="1", transcript="路灯不亮")
    routing = router.route([case])[0]
    kept = Record.of(Content.of(case, str, SEAL), routing)
    assert type(routing).model_validate_json(kept.reply(routing.timing_ms)) == routing
    replayed = type(routing).model_validate_json(kept.reply(Timing(queue=1), replayed=True))
    assert replayed == routing.model_copy(update={"replayed": True, "timing_ms": Timing(queue=1)})


def test_the_first_suggestion_has_columns_of_its_own(router: Router) -> None:
    routing = router.route([Case(case_id="1", transcript="路灯不亮")])[0]
    assert Top.of(routing) == Top("030703", "城管", "区", "u1")
    assert Top.of(routing.model_copy(update={"suggestions": ()})) == Top()
