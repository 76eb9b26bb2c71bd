from datetime import date

import pytest

from dispatch_model.errors import DispatchError, ErrorKind
from serving.console.case_dialogs import categories, dialog, found, override_dialog, standing_of
from serving.console.case_keys import Act
from serving.console.holding import ReturnOpen
from tests.canned import CannedRouter
from tests.case_pages import page

PLACE = ("460106017", "460106", "460100")


def test_a_consultation_begins_with_the_first_two_units() -> None:
    html = dialog(Act.CONSULT, page("u1", "u2", "u3"))
    assert [f'value="u{rank}" checked' in html for rank in (1, 2, 3)] == [True, True, False]
    assert 'name="supervisor"' in html


def test_a_question_begins_with_what_is_missing() -> None:
    assert 'value="事发地点" checked' in dialog(Act.ASK, page(missing=("事发地点",)))
    assert 'name="missing"' not in dialog(Act.ASK, page())


@pytest.mark.parametrize(
    ("act", "form", "field"),
    [(Act.OVERRIDE, "search", "unit-text"), (Act.MERGE, "merge", "into"), (Act.RETURN, "return", "reason")],
)
def test_each_act_has_its_form(act: Act, form: str, field: str) -> None:
    html = dialog(act, page())
    assert f'data-form="{form}"' in html
    assert field in html


def test_a_review_says_what_it_is_about() -> None:
    objection = ReturnOpen(1, "路灯所", "权属不清", "", "", "", "05-03 10:00", "li")
    assert "路灯所 退单，理由：权属不清" in dialog(Act.REVIEW, page(objection=objection))


def test_a_search_marks_the_first_that_fits() -> None:
    router = CannedRouter()
    html = found(router, "交警")
    assert html.count('aria-selected="true"') == 1
    assert "460100-交警" in html
    assert "没有找到" in found(router, "<nobody>")
    assert "<nobody>" not in found(router, "<nobody>")
    assert found(router, "").strip() == ""


def test_a_forbidden_unit_shows_the_row_and_offers_force_to_who_may(ruled: CannedRouter) -> None:
    case = page(day=date(2026, 6, 1), path=PLACE)
    shown = standing_of(ruled, case, "金贸街道办", "030705 露天烧烤", may_force=True)
    assert "不可派" in shown
    assert "J-2" in shown
    assert 'name="force"' in shown
    assert 'name="force"' not in standing_of(ruled, case, "金贸街道办", "030705")
    assert "可派" in standing_of(ruled, case, "460100-交警")


def test_an_override_begins_as_guessed(ruled: CannedRouter) -> None:
    html = override_dialog(ruled, page(path=PLACE), "460100-交警", may_force=False)
    assert "<option selected>职能不符" in html
    assert 'value="030703 ' in html
    assert 'value="460100-交警"' in html
    with pytest.raises(DispatchError) as unknown:
        override_dialog(ruled, page(), "nobody", may_force=False)
    assert unknown.value.kind is ErrorKind.INVALID_DECISION


def test_all_categories_are_offered() -> None:
    router = CannedRouter()
    assert categories(router.maps).count("<option") == len(router.maps.leaves)
