import pytest
from jinja2 import DictLoader, UndefinedError
from markupsafe import Markup

from serving.console import templates
from serving.console.templates import render, visible


@pytest.fixture(autouse=True)
def _page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(templates._templates, "loader", DictLoader({"page.html.j2": "<p>{{ text }}</p>"}))


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "a & b"])
def test_what_people_wrote_is_escaped(text: str) -> None:
    shown = render("page.html.j2", text=text)
    assert shown.count("<") == 2
    assert shown.startswith("<p>")


def test_what_turns_or_hides_text_is_made_visible() -> None:
    assert render("page.html.j2", text="占道\u202e经营\u200b\x07") == "<p>占道\ufffd经营\ufffd\ufffd</p>"


def test_markup_of_our_own_is_left_alone() -> None:
    assert render("page.html.j2", text=Markup("<b>1</b>")) == "<p><b>1</b></p>"


def test_a_value_that_is_missing_is_a_fault() -> None:
    with pytest.raises(UndefinedError, match="text"):
        render("page.html.j2")


def test_visible_text_keeps_its_length_and_its_lines() -> None:
    text = "第一行\n第二行\t\ue000\u2066甲\u2069\ufeff عربي"
    assert len(visible(text)) == len(text)
    assert visible("第一行\n第二行\t三 عربي") == "第一行\n第二行\t三 عربي"
