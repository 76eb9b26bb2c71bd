import csv
from datetime import UTC, date, datetime
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch_model.calendar import Calendar
from dispatch_model.catalogue import COLUMNS, Catalogue, CatalogueRow
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.labels import KINDS, Category, Function, LabelMaps

SHIPPED = Path(__file__).parent.parent / "configs" / "haikou" / "catalogue.csv"
LEAVES = ("010101", "010102", "010201", "9901")
CODES = ("01", "0101", "010101", "010102", "0102", "010201", "99", "9901")
FUNCTIONS = ("城管", "交警", "税务")


def row(id: str, category: str, lead: str, mode: str = "prior", **days: int) -> CatalogueRow:
    return CatalogueRow(id, category, lead, "市", (), days, "依据", mode)


@st.composite
def catalogue_rows(draw: st.DrawFn) -> list[CatalogueRow]:
    modes = {code: draw(st.sampled_from(("binding", "prior"))) for code in CODES}
    pairs = draw(st.lists(st.tuples(st.sampled_from(CODES), st.sampled_from(FUNCTIONS)), unique=True))
    return [row(f"M-{number:02d}", code, lead, modes[code]) for number, (code, lead) in enumerate(pairs)]


@settings(max_examples=80, deadline=None)
@given(rows=catalogue_rows(), data=st.data())
def test_binding_is_the_longest_prefix_and_always_leaves_someone(rows: list[CatalogueRow], data: st.DataObject) -> None:
    catalogue = Catalogue(rows, LEAVES, FUNCTIONS)
    shuffled = Catalogue(data.draw(st.permutations(rows)), LEAVES, FUNCTIONS)
    assert (catalogue.binding == shuffled.binding).all()
    assert catalogue.version == shuffled.version
    assert catalogue.binding.any(axis=1).all()
    for position, leaf in enumerate(LEAVES):
        own = [row for row in rows if leaf.startswith(row.category)]
        longest = max((len(row.category) for row in own), default=0)
        leads = {row.lead_function for row in own if len(row.category) == longest and row.mode == "binding"}
        allowed = {name for name, free in zip(FUNCTIONS, catalogue.binding[position], strict=True) if free}
        assert allowed == (leads or set(FUNCTIONS))


def test_a_more_specific_prior_row_frees_its_categories() -> None:
    rows = [row("a", "01", "交警", "binding"), row("b", "010101", "城管")]
    binding = Catalogue(rows, LEAVES, FUNCTIONS).binding
    assert binding.tolist() == [[True] * 3, [False, True, False], [False, True, False], [True] * 3]


def test_the_longest_prefix_speaks_and_of_its_rows_the_one_the_function_leads() -> None:
    rows = [row("b", "0101", "城管"), row("a", "0101", "税务"), row("c", "01", "交警"), row("d", "01", "城管")]
    catalogue = Catalogue(rows, LEAVES, FUNCTIONS)
    found = [
        catalogue.row_for("010101"),
        catalogue.row_for("010101", "城管"),
        catalogue.row_for("010101", "交警"),
        catalogue.row_for("010201"),
        catalogue.row_for("9901"),
        catalogue.row_for("010201", "税务"),
    ]
    assert [each.id if each else None for each in found] == ["a", "b", "a", "c", None, "c"]


@pytest.mark.parametrize(
    ("received", "days", "due"),
    [
        ("2026-03-02T09:00", 0, "2026-03-02"),  # a Monday: the same day
        ("2026-03-02T23:30", 3, "2026-03-05"),
        ("2026-03-06T10:00", 1, "2026-03-09"),  # over a weekend
        ("2026-03-07T10:00", 0, "2026-03-09"),  # received on a Saturday
        ("2026-09-30T10:00", 1, "2026-10-08"),  # over the National Day holidays
        ("2026-10-09T10:00", 1, "2026-10-10"),  # a Saturday worked in exchange
        ("2031-03-07T10:00", 1, "2031-03-10"),  # holidays not yet announced
    ],
)
def test_deadlines_count_working_days_of_the_public_calendar(received: str, days: int, due: str) -> None:
    catalogue = Catalogue([row("a", "01", "城管", 投诉=days)], LEAVES, FUNCTIONS)
    answer = catalogue.due_at("010101", "投诉", datetime.fromisoformat(received))
    assert answer == datetime.fromisoformat(f"{due}T18:00+08:00")


def test_a_time_with_zone_is_counted_from_the_day_in_china() -> None:
    catalogue = Catalogue([row("a", "01", "城管", 投诉=1)], LEAVES, FUNCTIONS)
    evening = datetime(2026, 3, 2, 17, tzinfo=UTC)  # already the 3rd in China
    assert catalogue.due_at("010101", "投诉", evening) == datetime.fromisoformat("2026-03-04T18:00+08:00")


def test_there_is_no_deadline_where_the_catalogue_sets_none() -> None:
    catalogue = Catalogue([row("a", "01", "城管", 投诉=1)], LEAVES, FUNCTIONS)
    now = datetime(2026, 3, 2)
    assert catalogue.due_at("010101", "表扬", now) is None
    assert catalogue.due_at("9901", "投诉", now) is None


def test_the_deadline_of_the_leading_function_comes_before_the_general_one() -> None:
    rows = [row("a", "0101", "城管", 投诉=1), row("b", "0101", "交警", 投诉=2)]
    catalogue = Catalogue(rows, LEAVES, FUNCTIONS)
    due = [catalogue.due_at("010101", "投诉", datetime(2026, 3, 2), name) for name in ("交警", "税务")]
    assert [each.day for each in due if each] == [4, 3]


def test_a_citys_own_calendar_moves_the_deadline() -> None:
    catalogue = Catalogue([row("a", "01", "城管", 投诉=1)], LEAVES, FUNCTIONS)
    calendar = Calendar(MappingProxyType({date(2026, 3, 3): False}))
    due = catalogue.due_at("010101", "投诉", datetime(2026, 3, 2), calendar=calendar)
    assert due == datetime.fromisoformat("2026-03-04T18:00+08:00")


def load(tmp_path: Path, *rows: dict[str, str]) -> Catalogue:
    categories = {code: Category(code, f"类{code}", code[:-2] or None) for code in CODES}
    functions = {name: Function(name, "范围") for name in FUNCTIONS}
    maps = LabelMaps(MappingProxyType(categories), MappingProxyType(functions), LEAVES, "0" * 16)
    path = tmp_path / "catalogue.csv"
    plain = {"category": "01", "lead_function": "城管", "level": "市", "basis": "依据", "mode": "prior"}
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="")
        writer.writeheader()
        writer.writerows({"id": f"M-{number}", **plain, **given} for number, given in enumerate(rows, start=1))
    return Catalogue.load(path, maps)


def test_a_file_is_read(tmp_path: Path) -> None:
    read = load(tmp_path, {"co_functions": "交警|税务", "投诉": "5", "咨询": "0"}).rows[0]
    assert (read.id, read.co_functions, dict(read.days), read.row) == (
        "M-1",
        ("交警", "税务"),
        {"咨询": 0, "投诉": 5},
        2,
    )


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"category": "0103"}, "category 列：“0103”不是诉求类别代码"),
        ({"lead_function": ""}, "lead_function 列：为空，应为：城管、交警、税务"),
        ({"level": "省"}, "level 列：“省”不在允许的取值之内，应为：市、区、镇街、村居"),
        ({"mode": "must"}, "mode 列：“must”不在允许的取值之内，应为：binding、prior"),
        ({"投诉": "五"}, "投诉 列：“五”不是 0 到 180 的整数"),
        ({"投诉": "-1"}, "投诉 列：“-1”不是 0 到 180 的整数"),
        ({"投诉": "181"}, "投诉 列：“181”不是 0 到 180 的整数"),
        ({"basis": ""}, "basis 列：为空，此列必填"),
        ({"id": "M-1"}, "id 列：“M-1”与第 2 行重复"),
        (
            {"category": "01", "mode": "binding", "lead_function": "交警"},
            "“binding”（M-2）与第 2 行（M-1）的“prior”矛盾",
        ),
        ({"category": "01"}, "“城管”（M-2）与第 2 行（M-1）重复"),
    ],
)
def test_a_bad_cell_is_refused_with_row_column_value_and_what_was_allowed(
    tmp_path: Path, given: dict[str, str], told: str
) -> None:
    with pytest.raises(DispatchError) as caught:
        load(tmp_path, {}, {"category": "99", **given})
    assert caught.value.kind is ErrorKind.INVALID_RULES
    assert caught.value.message.startswith("catalogue.csv 第 3 行 ")
    assert told in caught.value.message


def test_the_shipped_catalogue_is_mostly_advice_and_names_a_lead_for_every_top_category() -> None:
    catalogue = Catalogue.load(SHIPPED, LabelMaps.load())
    binding = [each for each in catalogue.rows if each.mode == "binding"]
    assert len(catalogue.rows) >= 120
    assert 0 < len(binding) < len(catalogue.rows) / 4
    assert len({each.category[:2] for each in catalogue.rows}) == 14
    assert all(set(each.days) == set(KINDS) for each in catalogue.rows)


@pytest.mark.parametrize(
    ("category", "lead"), [("051104", "交警"), ("110203", "税务"), ("030101", "公积金"), ("080102", "医保")]
)
def test_the_shipped_catalogue_binds_what_the_law_gives_to_one_authority(category: str, lead: str) -> None:
    maps = LabelMaps.load()
    binding = Catalogue.load(SHIPPED, maps).binding[maps.leaves.index(category)]
    assert [name for name, free in zip(maps.functions, binding, strict=True) if free] == [lead]
