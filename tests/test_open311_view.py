import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from dispatch_model.cases import Case, Disposition
from dispatch_model.labels import LabelMaps
from serving.cases_wire import State
from serving.open311.view import LONGEST_DESCRIPTION, Dossier, Service, ServiceRequest, service_request, services
from serving.routing import Router

ADDRESS = {"district": "龙华区", "street": "金贸街道", "detail": "某某路[门牌]"}
STORED = datetime(2026, 5, 1, 1, tzinfo=UTC)


@pytest.fixture
def answer(router: Router) -> dict[str, Any]:
    routing = router.route([Case(case_id="1", transcript="路灯不亮")])[0]
    return routing.model_dump(mode="json")


def dossier(answer: dict[str, Any], **parts: Any) -> Dossier:
    found = Dossier(
        case_id="工单-1",
        city="海口市",
        address=json.dumps(ADDRESS),
        received_at="2026-05-01T08:30:00+08:00",
        stored_at=STORED,
        updated_at=STORED,
        answer=json.dumps(answer),
    )
    return replace(found, **parts)


def shown(answer: dict[str, Any], maps: LabelMaps, *, texts: bool = False, **parts: Any) -> ServiceRequest:
    return service_request(dossier(answer, **parts), maps, texts=texts)


def test_services_are_the_leaves(maps: LabelMaps) -> None:
    found = services(maps)
    assert [service.service_code for service in found] == list(maps.leaves)
    stalls = next(service for service in found if service.service_code == "030703")
    path = maps.path("030703")
    assert stalls == Service(
        service_code="030703",
        service_name=path[-1],
        description=" › ".join(path),
        keywords=",".join(path[:-1]),
        group=path[0],
    )


def test_a_routed_case_has_a_service_and_nobody_responsible(answer: dict[str, Any], maps: LabelMaps) -> None:
    found = shown(answer, maps)
    assert (found.service_code, found.service_name) == ("030703", maps.path("030703")[-1])
    assert (found.status, found.status_notes, found.agency_responsible) == ("open", "待派单", None)
    assert found.requested_datetime.isoformat() == "2026-05-01T08:30:00+08:00"
    assert found.updated_datetime.isoformat() == "2026-05-01T09:00:00+08:00"


def test_without_a_time_of_its_own_it_came_when_it_was_stored(answer: dict[str, Any], maps: LabelMaps) -> None:
    assert shown(answer, maps, received_at=None).requested_datetime == STORED


@pytest.mark.parametrize(
    ("state", "note", "agency"),
    [
        (State.DISPATCHED, "已派单", "示例局"),
        (State.RETURNED, "单位退单，待审核", "示例局"),
        (State.REDISPATCH, "退单成立，待重派", None),
        (State.CONSULTING, "会商中", None),
        (State.ASKED, "待补充信息", None),
    ],
)
def test_what_was_decided_goes_first(
    answer: dict[str, Any], maps: LabelMaps, state: State, note: str, agency: str | None
) -> None:
    found = shown(answer, maps, state=state, unit="示例局", category="030501")
    assert (found.status_notes, found.agency_responsible, found.service_code) == (note, agency, "030501")


def test_a_case_dispatched_automatically_is_with_the_first_suggestion(answer: dict[str, Any], maps: LabelMaps) -> None:
    found = shown({**answer, "disposition": Disposition.AUTO}, maps, state=State.DISPATCHED)
    assert found.agency_responsible == "龙华区城市管理局"


def test_a_merged_case_is_closed_and_names_where_it_goes_on(answer: dict[str, Any], maps: LabelMaps) -> None:
    found = shown(answer, maps, state=State.MERGED, merged_into="工单-2")
    assert (found.status, found.status_notes, found.agency_responsible) == ("closed", "已并入工单 工单-2", None)


@pytest.mark.parametrize("disposition", Disposition)
def test_every_disposition_says_where_a_case_stands(
    answer: dict[str, Any], maps: LabelMaps, disposition: Disposition
) -> None:
    assert shown({**answer, "disposition": disposition}, maps).status_notes


def test_texts_are_shown_only_when_they_may_be(answer: dict[str, Any], maps: LabelMaps) -> None:
    said = {**answer, "transcript": "路灯不亮" * 2000}
    plain, told = shown(said, maps), shown(said, maps, texts=True)
    assert plain.description == f"投诉：{' › '.join(maps.path('030703'))}"
    assert plain.address == "海口市龙华区金贸街道"
    assert told.description == said["transcript"][:LONGEST_DESCRIPTION]
    assert told.address == "海口市龙华区金贸街道某某路[门牌]"


def test_an_erased_case_keeps_its_class(answer: dict[str, Any], maps: LabelMaps) -> None:
    found = shown({**answer, "transcript": ""}, maps, texts=True, address=None, city=None)
    assert found.description.startswith("投诉：")
    assert found.address is None


def test_a_case_without_suggestions_or_of_other_label_maps_is_shown_too(
    answer: dict[str, Any], maps: LabelMaps
) -> None:
    bare = shown({**answer, "suggestions": []}, maps, state=State.DISPATCHED)
    assert (bare.service_code, bare.service_name, bare.agency_responsible) == (None, None, None)
    assert shown(answer, maps, category="990199").service_name == "990199"
