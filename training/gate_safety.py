"""What a bundle must not do, whoever it is compared with: break the access list, change by int8, hold personal data."""

import json
import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from dispatch_model import privacy
from dispatch_model.access_row import LISTS
from dispatch_model.bundle import MANIFEST, Manifest
from dispatch_model.cases import CHINA_TIME, Address, Case
from dispatch_model.encoder import HEADS, Encoder, Predictions
from dispatch_model.gate_record import Check, Finding
from dispatch_model.router import Router
from training.graph import CHOICE_HEADS
from training.parity import MAX_F1_LOSS, MAX_FLIPS, ParityRow, compare
from training.prepare import Part

STEPS = ("torch→fp32", "torch→int8")
YEARS = (2026, 2027)
CHUNK = 64
_DIGEST = re.compile(r"[0-9a-f]{12,}")  # digests may hold any run of digits


class Recalled(Encoder):
    """An encoder that knows its answers to some texts already.

    :param texts: what it answered before, one row of `predictions` each.
    """

    def __init__(self, encoder: Encoder, texts: Sequence[str], predictions: Predictions) -> None:
        self.bundle, self.backend_name = encoder.bundle, encoder.backend_name
        self._encoder = encoder
        self._rows = {text: row for row, text in enumerate(texts)}
        self._predictions = predictions

    def predict(self, texts: Sequence[str]) -> Predictions:
        """Log-probabilities of every head for each text, in order."""
        unknown = list(dict.fromkeys(text for text in texts if text not in self._rows))
        fresh = self._encoder.predict(unknown)
        at = {text: row for row, text in enumerate(unknown)}
        columns: dict[str, Any] = {
            head: np.stack([self._row(head, text, fresh, at) for text in texts]) for head in HEADS
        }
        return Predictions(**columns)

    def _row(self, head: str, text: str, fresh: Predictions, at: Mapping[str, int]) -> np.ndarray:
        known = self._rows.get(text)
        row: np.ndarray = getattr(fresh, head)[at[text]] if known is None else getattr(self._predictions, head)[known]
        return row


def random_cases(router: Router, texts: Sequence[str], pairs: int, seed: int = 0) -> Iterator[Case]:
    """Texts with a place of the city and a day neither has to do with."""
    rng, codes = random.Random(seed), sorted(router.city.regions)
    for number in range(pairs):
        names = router.city.region_path(rng.choice(codes)).split("/")[1:]
        day = datetime(rng.choice(YEARS), rng.randint(1, 12), 15, 9, tzinfo=CHINA_TIME)
        address = Address(**dict(zip(("district", "street", "community"), names, strict=False)))
        yield Case(case_id=str(number), transcript=rng.choice(texts), address=address, received_at=day)


def violation_finding(router: Router, texts: Sequence[str], pairs: int) -> Finding:
    """Answers to so many random pairs of text and place, each held against the access list once more."""
    cases = list(random_cases(router, texts, pairs))
    broken, below = 0, 0
    for start in range(0, len(cases), CHUNK):
        chunk = cases[start : start + CHUNK]
        for case, routing in zip(chunk, router.route(chunk), strict=True):
            below += any(one.unit.level in LISTS for one in routing.suggestions)
            broken += bool(router.recheck(case, routing, case.received_at or datetime.now(CHINA_TIME)))
    rule = f"不得有；违反 {broken} 件，{below} 件的建议中有镇街或村居"
    what = "违反准入清单（随机的诉求、地点与日期）"
    return Finding(check=Check.VIOLATIONS, where="bundle", what=what, n=pairs, rule=rule, passed=not broken)


def parity_finding(manifest: Manifest) -> Finding:
    """What the export recorded of int8 against torch, held against today's bounds."""
    rows = [ParityRow(**row) for row in manifest.metrics.get("parity", [])]
    lacking = [f"{s} {h}" for s in STEPS for h in CHOICE_HEADS if not any((r.step, r.head) == (s, h) for r in rows)]
    what, passed = "导出时的量化一致性", not lacking and all(row.passed for row in rows)
    rule = _parity_rule(rows, lacking)
    return Finding(check=Check.PARITY, where="bundle", what=what, n=len(rows), rule=rule, passed=passed)


def backend_finding(backend: str, before: Predictions, after: Predictions, part: Part) -> Finding:
    """Another backend's answers to the test split against the default's, held against the bounds of the export."""
    given, changed = ({head: getattr(told, head) for head in CHOICE_HEADS} for told in (before, after))
    rows = compare(backend, given, changed, {head: part.targets[head] for head in CHOICE_HEADS})
    what, passed = f"后端 {backend} 与缺省后端的一致性", all(row.passed for row in rows)
    return Finding(check=Check.PARITY, where="test", what=what, n=len(part), rule=_parity_rule(rows, ()), passed=passed)


def _parity_rule(rows: Sequence[ParityRow], lacking: Sequence[str]) -> str:
    worse = [f"{row.step} {row.head}" for row in rows if not row.passed]
    flips, loss = (max((getattr(row, name) for row in rows), default=0.0) for name in ("flips", "f1_loss"))
    rule = f"翻转 ≤ {MAX_FLIPS:.1%}、宏 F1 损失 ≤ {MAX_F1_LOSS:.1%}；最多 {flips:.2%}、{loss:.2%}"
    beyond = (("缺", lacking), ("超出", worse))
    return rule + "".join(f"；{told}：{'、'.join(names)}" for told, names in beyond if names)


def masking_finding(folder: Path, report: str) -> Finding:
    """Card, bundle.json and the gate's own report: no string in which masking finds something to replace."""
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    card = (folder / "card.md").read_text(encoding="utf-8").splitlines()
    told = {"card.md": card, MANIFEST: list(_strings(manifest)), "报告": re.split(r"[<>\n]", report)}
    found = [f"{name} 有{tag}" for name, strings in told.items() for tag in sorted(_tags(strings))]
    rule = "不得有可脱敏的内容" + (f"；{'、'.join(found)}" if found else "")
    count = sum(map(len, told.values()))
    what = "模型卡、bundle.json 与报告中的个人信息"
    return Finding(check=Check.MASKING, where="bundle", what=what, n=count, rule=rule, passed=not found)


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield str(key)
            yield from _strings(part)
    elif isinstance(value, Sequence):
        for part in value:
            yield from _strings(part)


def _tags(strings: Iterable[str]) -> set[str]:
    cleaned = (_DIGEST.sub("", text) for text in strings)
    return {tag for text in cleaned for _, _, tag in privacy.mask(text).spans}
