import pytest
from openpyxl import Workbook
from openpyxl.worksheet.datavalidation import DataValidation

from dispatch_model.city import City
from dispatch_model.headers import tidy
from dispatch_model.labels import KINDS, LabelMaps
from dispatch_model.rules import RuleKind, columns
from dispatch_model.workbook_choices import SHEET, Choices, place_name
from dispatch_model.worksheet import letters


@pytest.fixture(scope="module")
def city(maps: LabelMaps) -> City:
    return City.load("haikou", maps)


def restricted(kind: RuleKind, maps: LabelMaps, city: City) -> tuple[Workbook, dict[str, DataValidation]]:
    book = Workbook()
    sheet = book.worksheets[0]
    Choices.write(book, maps, city).restrict(sheet, kind, columns(kind))
    by_letter = {str(rule.sqref).partition("2:")[0]: rule for rule in sheet.data_validations.dataValidation}
    names = {letters(number): name for number, name in enumerate(columns(kind))}
    return book, {names[letter]: rule for letter, rule in by_letter.items()}


def listed(book: Workbook, formula: str | None) -> list[str]:
    """The words a drop-down's range holds."""
    place = (formula or "").partition("!")[2].replace("$", "")
    return [str(cell.value) for (cell,) in book[SHEET][place]]


def test_every_coded_column_of_the_access_list_has_its_choices(maps: LabelMaps, city: City) -> None:
    book, rules = restricted(RuleKind.ACCESS_LIST, maps, city)
    assert listed(book, rules["lead_function"].formula1) == list(maps.functions)
    assert listed(book, rules["category"].formula1) == list(maps.categories)
    assert "龙华区/金贸街道" in listed(book, rules["region"].formula1)
    assert rules["level"].formula1 == '"镇街,村居"'
    assert rules["list"].formula1 == "INDIRECT($D2)"
    assert columns(RuleKind.ACCESS_LIST)[3] == "level"
    assert {str(rule.sqref).partition(":")[2].lstrip("ABCDEFGHIJKLM") for rule in rules.values()} == {"100001"}
    assert set(rules) == {"category", "level", "list", "lead_function", "co_functions", "region"} | {
        "valid_from",
        "valid_to",
    }


def test_the_lists_of_a_level_are_found_by_its_name(maps: LabelMaps, city: City) -> None:
    book, _ = restricted(RuleKind.ACCESS_LIST, maps, city)
    assert listed(book, book.defined_names["镇街"].attr_text) == ["基本", "配合", "收回"]
    assert listed(book, book.defined_names["村居"].attr_text) == ["履职", "协助", "负面"]


def test_a_cell_of_several_values_only_offers_them(maps: LabelMaps, city: City) -> None:
    _, rules = restricted(RuleKind.ACCESS_LIST, maps, city)
    assert not rules["co_functions"].showErrorMessage
    assert "|" in (rules["co_functions"].prompt or "")
    assert rules["lead_function"].showErrorMessage


def test_days_modes_and_dispositions_are_limited(maps: LabelMaps, city: City) -> None:
    _, catalogue = restricted(RuleKind.CATALOGUE, maps, city)
    assert catalogue["mode"].formula1 == '"binding,prior"'
    assert catalogue["level"].formula1 == '"市,区,镇街,村居"'
    assert all((catalogue[kind].type, catalogue[kind].formula2) == ("whole", "180") for kind in KINDS)
    _, triggers = restricted(RuleKind.TRIGGERS, maps, city)
    assert "emergency,decline,ask" in (triggers["disposition"].formula1 or "")


def test_the_sheet_of_codes_is_hidden_and_holds_text(maps: LabelMaps, city: City) -> None:
    book, rules = restricted(RuleKind.ACCESS_LIST, maps, city)
    assert book[SHEET].sheet_state == "hidden"
    assert all(cell.number_format == "@" for row in book[SHEET].iter_rows(max_col=4) for cell in row if cell.value)
    assert len(rules) == 8


def test_a_place_is_named_without_the_city_and_reads_back_as_it_is_written(city: City) -> None:
    assert place_name("460106", city) == "龙华区"
    assert place_name(city.root.code, city) == ""
    assert place_name("999999", city) == "999999"
    names = [place_name(code, city) for code in city.regions]
    assert [tidy(name) for name in names] == names
    assert len(set(names)) == len(names)
