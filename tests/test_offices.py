from dispatch_model.city import City
from dispatch_model.directory import Region, Unit
from dispatch_model.offices import Offices

REGIONS = (
    Region("C", "椰城市", "市", None),
    Region("D1", "东区", "区", "C"),
    Region("S1", "河街道", "镇街", "D1"),
    Region("V1", "桥社区", "村居", "S1"),
    Region("F1", "红农场", "镇街", "D1"),
    Region("Z1", "新区", "区", "C"),
)
UNITS = (
    Unit("c1", "市住建局", "住建", "市", "C"),
    Unit("d1", "东区政府", "属地政府", "区", "D1"),
    Unit("d2", "东区城管局", "城管", "区", "D1"),
    Unit("s1", "河街道办", "属地政府", "镇街", "S1"),
    Unit("f1", "红农场场部", "属地政府", "镇街", "F1"),
    Unit("z1", "新区管委会", "属地政府", "区", "Z1"),
)
FUNCTIONS = ("住建", "城管", "税务", "属地政府")


def offices() -> Offices:
    city = City("椰城市", "yecheng", {one.code: one for one in REGIONS}, {one.code: one for one in UNITS}, FUNCTIONS)
    return Offices(city)


def test_the_places_of_a_level() -> None:
    found = offices()
    assert [region.name for region in found.districts] == ["东区", "新区"]
    assert found.spots("区", "") == ("D1", "Z1")
    assert found.spots("镇街", "") == ("S1", "F1", "Z1")
    assert found.spots("村居", "D1") == ("V1", "F1")
    assert found.spots("区", "V1") == ("V1",)
    assert found.path("V1") == ("V1", "S1", "D1", "C")


def test_a_farm_without_communities_has_nobody_for_them() -> None:
    found = offices()
    assert found.missing("城管", "镇街", "") == ()
    assert found.missing("城管", "村居", "") == ("红农场",)
    assert found.missing("城管", "村居", "S1") == ()
    assert not found.has("属地政府", "村居", "F1")


def test_a_function_the_directory_does_not_know_is_missing_everywhere() -> None:
    found = offices()
    assert found.missing("税务", "区", "") == ("东区", "新区")
    assert found.missing("住建", "区", "") == ()
    assert found.any_above(("税务", "城管"), "D1")
    assert not found.any_above(("税务",), "Z1")
