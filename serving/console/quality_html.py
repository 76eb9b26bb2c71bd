"""The figures of the quality page as HTML."""

from dataclasses import dataclass

from dispatch_model.cases import CHINA_TIME
from serving.console import flow_picture, reliability_picture
from serving.console.quality import quality
from serving.console.returned import returned
from serving.console.room import Room
from serving.console.shadow_view import compare
from serving.console.templates import render
from serving.guard import operators

HEADS = {"function": "职能", "level": "层级", "unit": "单位", "category": "诉求类别", "disposition": "处置方式"}


@dataclass(frozen=True)
class Shown:
    """The period in words, and its figures."""

    told: str
    html: str


def shown_of(room: Room, days: int) -> Shown:
    """The figures of the last `days`.

    :raises DispatchError: STORE_UNAVAILABLE.
    """
    facts = room.ledger.facts()
    figures = quality(facts, days, room.engine.router.bundle.version)
    order = room.shadow.order
    html = render(
        "quality.html.j2",
        figures=figures,
        returns=returned(room.store, figures.since),
        shadow=compare(facts, order.bundle.version if order else "", figures.since.timestamp()),
        picture=flow_picture.draw(figures.flows),
        points=reliability_picture.draw(figures.calibration),
        heads=HEADS,
        names=_names(room),
    )
    since, until = (moment.astimezone(CHINA_TIME) for moment in (figures.since, figures.until))
    return Shown(f"{since:%Y-%m-%d %H:%M} 至 {until:%Y-%m-%d %H:%M}（北京时间）", html)


def _names(room: Room) -> dict[str, str]:
    """What operators are called, by login and by the name their steps are written under."""
    with room.store.reading() as connection:
        found = operators.all_(connection)
    return {key: f"{one.name}（{one.login}）" for one in found for key in (one.login, one.actor.name)}
