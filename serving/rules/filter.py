"""Which rows of a rule set are asked for: the query string of `GET /rules/{kind}`."""

from collections.abc import Iterator
from datetime import date

from pydantic import BaseModel, ConfigDict, Field

from dispatch_model import rules
from dispatch_model.access_row import AccessRow, place_codes
from dispatch_model.city import City
from dispatch_model.errors import DispatchError, ErrorKind, near
from dispatch_model.labels import LEVELS
from dispatch_model.rules import TITLES, RuleKind, RuleRow, RuleSet

# What can be asked of each kind beside `q`; the columns differ.
_APPLIES = {
    RuleKind.ACCESS_LIST: ("category", "level", "region", "day"),
    RuleKind.CATALOGUE: ("category", "level"),
    RuleKind.TRIGGERS: (),
}


class Filter(BaseModel):
    """All conditions hold together; what is left out asks for nothing."""

    model_config = ConfigDict(extra="forbid")

    category: str = Field(default="", description="诉求类别代码的开头，如 0307")
    level: str = Field(default="", description="层级")
    region: str = Field(default="", description="区域代码或名称，如 龙华区/金贸街道：该区域及其以内的行")
    day: date | None = Field(default=None, description="当日有效的行，如 2026-05-01")
    q: str = Field(default="", max_length=100, description="任一列含有的文字，不分大小写")
    limit: int = Field(default=100, ge=1, le=1000, description="至多几行")
    offset: int = Field(default=0, ge=0, description="从第几行起，0 为首行")

    def choose(self, kind: RuleKind, found: RuleSet, city: City) -> list[RuleRow]:
        """The rows that meet every condition, in file order; not yet cut into pages.

        :raises DispatchError: INVALID_PARAMETER for a condition this kind has no column for, or an unknown place.
        """
        self._check(kind)
        within = self._within(city)
        return [row for row in found.rows if self._meets(row, within)]

    def _meets(self, row: RuleRow, within: frozenset[str] | None) -> bool:
        if isinstance(row, AccessRow) and (
            (within is not None and row.region not in within) or (self.day is not None and not row.valid_on(self.day))
        ):
            return False
        if not getattr(row, "category", "").startswith(self.category):
            return False
        if self.level and getattr(row, "level", "") != self.level:
            return False
        wanted = self.q.casefold()
        return not wanted or any(wanted in cell.casefold() for cell in rules.cells(row).values())

    def _check(self, kind: RuleKind) -> None:
        for name in ("category", "level", "region", "day"):
            if getattr(self, name) and name not in _APPLIES[kind]:
                allowed = "、".join((*_APPLIES[kind], "q"))
                raise _wrong(name, str(getattr(self, name)), f"{TITLES[kind]}没有这一列，可用的条件：{allowed}")
        if self.level and self.level not in LEVELS:
            raise _wrong("level", self.level, f"应为 {'、'.join(LEVELS)} 之一")

    def _within(self, city: City) -> frozenset[str] | None:
        """Codes of the place asked for and of all places in it; None when none is asked for."""
        if not self.region:
            return None
        places = place_codes(city)
        if self.region not in places:
            told = near(self.region, places) or "应为区域代码或“龙华区/金贸街道”这样的名称"
            raise _wrong("region", self.region, f"不是{city.name}的区域；{told}")
        code = places[self.region]
        return frozenset(_inside(city, code)) if code else None


def _inside(city: City, code: str) -> Iterator[str]:
    return (one for one in city.regions if any(region.code == code for region in city.ancestors(one)))


def _wrong(name: str, value: str, told: str) -> DispatchError:
    return DispatchError(
        ErrorKind.INVALID_PARAMETER, f"查询参数有误：{name} = {value} {told}。", field=name, value=value
    )
