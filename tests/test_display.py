from io import StringIO

from rich.console import Console

from dispatch_model.cases import Case, Reason
from serving.display import show
from serving.routing import Router


def shown(router: Router) -> str:
    routing = router.route([Case(case_id="D", transcript="路灯不亮")])[0]
    place = Reason(source="place", text="地点：龙华区（文中第1–3字）")
    best = routing.suggestions[0].model_copy(update={"reasons": (*routing.suggestions[0].reasons, place)})
    out = StringIO()
    show(routing.model_copy(update={"suggestions": (best,)}), Console(file=out, width=120))
    return out.getvalue()


def test_a_routing_reads_as_disposition_units_and_reasons(router: Router) -> None:
    text = shown(router)
    assert text.startswith("建议 · 投诉 · ")
    assert "龙华区城市管理局" in text
    assert "· 模型：出现占道" in text


def test_a_source_is_named_once(router: Router) -> None:
    assert "地点：地点" not in shown(router)
