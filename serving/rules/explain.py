"""Why this unit and not the next ones: the rows that were consulted, the one that decided, what the model weighed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np
from numpy.typing import NDArray

from dispatch_model.access_row import AccessRow
from dispatch_model.cases import CHINA_TIME, Case, CategoryRef
from dispatch_model.catalogue import BINDING
from dispatch_model.labels import LEVELS
from dispatch_model.ranking import Ranked, Ranker
from dispatch_model.reading import Reading
from dispatch_model.router import Router
from dispatch_model.suggestions import CELLS, Cell, unit_at
from serving.rules.explanation import Explanation, RowView, Standing

NEXT = 3
FORBIDDEN = 3
CATEGORIES = 5
_LIKELY = 0.02  # a forbidden cell below this would not have been suggested anyway
_TELLING = np.log(1.2)  # a factor that differs by less explains nothing

Floats = NDArray[np.floating]


def explain(router: Router, case: Case, now: datetime | None = None) -> Explanation:
    """Route one case and say how its answer came about.

    :raises DispatchError: as `Router.route` does.
    """
    now = now or datetime.now(UTC)
    routing = router.route([case], now=now)[0]
    inquiry = Inquiry.of(router, case, now)
    path = inquiry.reading.place.path
    return Explanation(
        case_id=case.case_id,
        transcript=routing.transcript,
        day=inquiry.day,
        place=router.city.region_path(path[0]) if path else "",
        disposition=routing.disposition,
        disposition_reason=routing.disposition_reason,
        categories=tuple(inquiry.categories()),
        standings=tuple(inquiry.standings()),
        forbidden=tuple(inquiry.forbidden()),
        versions=routing.versions,
    )


@dataclass(frozen=True, eq=False)
class Inquiry:
    """One case between the model and the rules.

    :param alone: the ranking without access list and catalogue.
    """

    router: Router
    reading: Reading
    day: date
    category: Floats
    function: Floats
    level: Floats
    ranked: Ranked
    alone: Ranked

    @classmethod
    def of(cls, router: Router, case: Case, now: datetime) -> "Inquiry":
        """Read, encode and rank `case`, with the rules and without."""
        evidence = router.evidence([case], now)
        reading, category = evidence.readings[0], evidence.predictions.category[0]
        function, level = evidence.functions[0], evidence.levels[0]
        bundle = router.encoder.bundle
        free = Ranker(bundle.log_prior, bundle.manifest.beta, None, bundle.manifest.temperature, hold=False)
        return cls(
            router=router,
            reading=reading,
            day=reading.received_at.astimezone(CHINA_TIME).date(),
            category=category,
            function=function,
            level=level,
            ranked=router.rank(reading, category, function, level),
            alone=free.rank(category, function, level, np.ones(bundle.log_prior.shape, dtype=bool)),
        )

    def categories(self) -> Iterator[tuple[CategoryRef, float]]:
        """What the model takes the case for, likeliest first."""
        for leaf in np.argsort(-self.category, kind="stable")[:CATEGORIES].tolist():
            yield self._category(leaf), round(float(np.exp(self.category[leaf])), 4)

    def standings(self) -> Iterator[Standing]:
        """The first unit and the next three."""
        cells = self.router.rules.cells(self.reading, self.ranked)[: 1 + NEXT]
        for rank, cell in enumerate(cells, start=1):
            yield self._standing(
                rank, cell, self.ranked, self._behind(cells[0], cell) if rank > 1 else self._ahead(cell)
            )

    def forbidden(self) -> Iterator[Standing]:
        """The best cells of the model alone whose matter the rules keep from them."""
        shut = 0
        for function, level, probability in self.alone.top(CELLS):
            cell = self._cell((function, level), probability)
            standing = self._standing(0, cell, self.alone, "")
            if probability >= _LIKELY and not standing.allowed and shut < FORBIDDEN:
                shut += 1
                yield standing.model_copy(update={"probability": round(float(self.ranked.table[function, level]), 4)})

    def _cell(self, at: tuple[int, int], probability: float) -> Cell:
        function, level = tuple(self.router.maps.functions)[at[0]], self.router.maps.levels[at[1]]
        if self.reading.city is None:
            return Cell(function, level, at, probability, None, "")
        named = {mention.code for mention in self.reading.place.units}
        found = unit_at(self.reading.city, self.reading.place.region_code, named, function, level)
        return Cell(function, level, at, probability, *found)

    def _standing(self, rank: int, cell: Cell, ranked: Ranked, why: str) -> Standing:
        posterior = ranked.category_for(*cell.at)
        leaf = int(posterior.argmax())
        code = self.router.maps.leaves[leaf]
        allowed, decided, rows = self._access(code, cell)
        bound, catalogue = self._catalogue(leaf, code, cell)
        return Standing(
            rank=rank,
            unit_code=cell.unit.code if cell.unit else "",
            unit=cell.unit.name if cell.unit else f"{cell.function}（{cell.level}，属地待定）",
            function=cell.function,
            level=cell.level,
            probability=round(min(1.0, cell.probability), 4),
            alone=round(float(self.alone.table[cell.at]), 4),
            category=self._category(leaf),
            share=round(float(posterior[leaf]), 4),
            allowed=allowed and bound,
            decided=decided,
            rows=tuple(rows),
            catalogue=catalogue,
            why=why,
        )

    def _access(self, code: str, cell: Cell) -> tuple[bool, str, Sequence[RowView]]:
        """Whether the list lets `cell` lead `code`, why, and every row that was consulted."""
        if self.reading.city is None:
            allowed = bool(self.ranked.table[cell.at] > 0)
            return allowed, "外地工单：本市规则不适用，区级以下不作建议", ()
        access_list, path = self.router.rules.access_list, self.reading.place.path
        verdict = access_list.decide(code, cell.function, cell.level, path, self.day)
        consulted = access_list.consulted(code, cell.level, path, self.day)
        rows = [self._row(row, decides=row is verdict.row) for row in consulted]
        return verdict.allowed, verdict.text, rows

    def _row(self, row: AccessRow, *, decides: bool) -> RowView:
        region = self.router.city.region_path(row.region) if row.region else ""
        said = {name: getattr(row, name) for name in RowView.model_fields if name not in ("region", "decides")}
        return RowView(**said, region=region, decides=decides)

    def _catalogue(self, leaf: int, code: str, cell: Cell) -> tuple[bool, str]:
        """Whether the catalogue lets `cell` lead `code`, and what it says."""
        catalogue = self.router.rules.catalogue
        row = catalogue.row_for(code, cell.function) if self.reading.city else None
        if row is None:
            return True, ""
        bound = bool(catalogue.binding[leaf, cell.at[0]])
        must = "规定由" if row.mode == BINDING else "一般由"
        shut = "" if bound else f"，{cell.function}不得主办"
        return bound, f"派单目录 {row.id}：{must}{row.lead_function}主办{shut}"

    def _category(self, leaf: int) -> CategoryRef:
        code = self.router.maps.leaves[leaf]
        return CategoryRef(code=code, path=self.router.maps.path(code))

    def _ahead(self, first: Cell) -> str:
        function, level = (float(np.exp(array[at])) for array, at in zip(self._heads(), first.at, strict=True))
        return f"模型给{first.function} {function:.2f}、{first.level} {level:.2f}，合并类别与规则后居首"

    def _behind(self, first: Cell, cell: Cell) -> str:
        """What costs `cell` most against the first: function, level, or category and rules."""
        gaps = [
            (float(log[mine] - log[best]), f"模型给{name} {np.exp(log[mine]):.2f}，给{other} {np.exp(log[best]):.2f}")
            for log, mine, best, name, other in zip(
                self._heads(),
                cell.at,
                first.at,
                (cell.function, cell.level),
                (first.function, first.level),
                strict=True,
            )
        ]
        power = 1.0 / self.router.encoder.bundle.manifest.temperature
        whole = np.log(self.ranked.table[cell.at] / self.ranked.table[first.at]) / power
        rest = float(whole) - sum(gap for gap, _ in gaps)
        held = "，或因村居不越过镇街居首" if cell.level == LEVELS[-1] else ""
        gaps.append((rest, f"这类事项少由{cell.function}·{cell.level}主办，或只有部分类别准其主办{held}"))
        told = [text for gap, text in sorted(gaps) if gap < -_TELLING]
        return "；".join(told) or "与首选几乎持平"

    def _heads(self) -> tuple[Floats, Floats]:
        return self.function, self.level
