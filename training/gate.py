"""May the challenger take the champion's place? Both answer the same cases; what is worse is told, and refused.

    dispatch gate --champion DIR --challenger DIR [--decisions rows.jsonl]

Leaves `gate.json` and `gate.html` in a folder of the pair. A gate of the same files is not computed twice, and an
interrupted one keeps what the bundles answered.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from dispatch_model.backend import DEFAULT, BackendName
from dispatch_model.bundle import blend_weights, sha256
from dispatch_model.encoder import Encoder, Predictions
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.gate_record import GATE_FILE, Cases, Check, Finding, GateRecord, Judged, pair_name
from dispatch_model.labels import LabelMaps
from dispatch_model.ranking import Ranker
from dispatch_model.router import Router
from training.baseline import Outputs
from training.config import TrainingConfig
from training.frozen import answers, data_files, decided, fingerprint, frozen_test
from training.gate_report import REPORT_FILE, render
from training.gate_safety import Recalled, backend_finding, masking_finding, parity_finding, violation_finding
from training.paired import (
    FEWEST,
    Question,
    answer_findings,
    calibration_findings,
    chance_of_refusal,
    function_findings,
    macro_findings,
    questions,
)
from training.prepare import Part
from training.questions import model_outputs
from training.run_record import source_digest
from training.targets import taidi_membership

PAIRS = 2000
ANSWERS = "answers"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Order:
    """What is to be judged on what.

    :param decisions: rows of `dispatch data export`; None: the test split alone.
    :param learned: rows the challenger was trained on, which are no test of it.
    :param pairs: random pairs of text and place to hold against the access list.
    :param shown: refuse what a function loses only where it is no chance.
    :param backend: what runs the challenger; the champion runs on the default.
    """

    config: TrainingConfig
    decisions: Path | None = None
    learned: Path | None = None
    city: str = "haikou"
    pairs: int = PAIRS
    shown: bool = False
    backend: BackendName = DEFAULT

    def inputs(self) -> dict[str, str]:
        """Digests of the files, and what else the findings follow from."""
        told = {path.name: sha256(path) for path in data_files(self.config.data.folder)}
        for name, path in (("decisions", self.decisions), ("learned", self.learned)):
            if path is not None:
                told[name] = _digest(path, name)
        return {
            **told,
            "pairs": str(self.pairs),
            "city": self.city,
            "shown": str(self.shown),
            "backend": self.backend,
            "source": source_digest(),
        }

    def parts(self, maps: LabelMaps) -> dict[str, Part]:
        """The sets of cases by name."""
        found = {"test": frozen_test(self.config, maps)}
        if self.decisions is not None:
            found["decisions"] = decided(self.decisions, maps, learned=self.learned)
        return found


def _digest(path: Path, name: str) -> str:
    if not path.is_file():
        told = f"--{name} 所指的 {path} 不存在；请用 dispatch data export 导出。"
        raise DispatchError(ErrorKind.INVALID_CONFIG, told, field=name, value=str(path))
    return sha256(path)


def outputs(encoder: Encoder, part: Part, predictions: Predictions, maps: LabelMaps) -> Outputs:
    """A bundle's answers to a part as the service would list and rank them."""
    manifest = encoder.bundle.manifest
    ranker = Ranker(encoder.bundle.log_prior, manifest.beta, temperature=manifest.temperature, hold=False)
    weights = blend_weights(manifest, part.rows["city"])
    return model_outputs(predictions, weights, ranker, taidi_membership(maps), maps)


def paired_findings(sets: Mapping[str, Sequence[Question]], maps: LabelMaps, *, shown: bool) -> list[Finding]:
    """All findings that come of cases both answered."""
    found = answer_findings(sets)
    for where, told in sets.items():
        found += [*macro_findings(where, told), *calibration_findings(where, told)]
        found += function_findings(where, told, maps, shown=shown)
    if not any(finding.check is Check.FUNCTION for finding in found):
        rule = f"没有满 {FEWEST} 件的职能，不单独比较"
        found.append(Finding(check=Check.FUNCTION, where="test", what="各职能", n=0, rule=rule, passed=True))
    return found


def gate(champion: Path | None, challenger: Path | None, order: Order, out: Path) -> GateRecord:
    """Judge; what was judged before from the same files is only read again.

    :param champion: folder of a bundle, as `challenger`; None: the one that travels with the package.
    :param out: folder of all gates; the record goes to a subfolder named after the pair.
    :raises DispatchError: INVALID_BUNDLE or INVALID_CONFIG naming the file that is missing or does not fit.
    """
    maps = LabelMaps.load()
    router = Router.open(challenger, city=order.city, backend=order.backend)
    first, second = Encoder.open(champion), router.encoder
    folder = out / pair_name(second.bundle.ref.sha256, first.bundle.ref.sha256, order.backend)
    inputs = {**order.inputs(), **router.versions.model_dump(exclude={"bundle"})}
    if (folder / GATE_FILE).is_file():
        known = GateRecord.load(folder / GATE_FILE)
        if known.inputs == inputs:
            logger.info("同一对模型包已在同样的数据上比较过（%s），不再重算", known.created)
            return known
    parts = order.parts(maps)
    sets = _answered((first, second), router, parts, out / ANSWERS)
    findings = [
        *paired_findings(sets, maps, shown=order.shown),
        parity_finding(second.bundle.manifest),
        *_backend_findings(second, parts["test"], out / ANSWERS),
        violation_finding(router, parts["test"].texts, order.pairs),
    ]
    judged = [Judged(version=one.bundle.version, sha256=one.bundle.ref.sha256) for one in (first, second)]
    record = GateRecord(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        champion=judged[0],
        challenger=judged[1],
        inputs=inputs,
        sets={name: Cases(rows=len(part), fingerprint=fingerprint(part)) for name, part in parts.items()},
        findings=tuple(findings),
        chance=chance_of_refusal([question for told in sets.values() for question in told], shown=order.shown),
        passed=False,
    )
    return _kept(record, second.bundle.folder, folder)


def _backend_findings(encoder: Encoder, test: Part, kept: Path) -> list[Finding]:
    if encoder.backend_name == DEFAULT:
        return []
    before = answers(Encoder(encoder.bundle), test, kept)
    return [backend_finding(encoder.backend_name, before, answers(encoder, test, kept), test)]


def _answered(
    pair: tuple[Encoder, Encoder], router: Router, parts: Mapping[str, Part], kept: Path
) -> dict[str, list[Question]]:
    """What both answered, by set of cases; the router learns what its encoder said of the test split.

    :param kept: folder of what bundles answered.
    """
    sets = {}
    for name, part in parts.items():
        told = [answers(encoder, part, kept) for encoder in pair]
        lists = (outputs(*both, router.maps) for both in zip(pair, (part, part), told, strict=True))
        sets[name] = questions(part, *lists)
        if name == "test":
            router.encoder = Recalled(pair[1], part.texts, told[1])
    return sets


def _kept(record: GateRecord, bundle: Path, folder: Path) -> GateRecord:
    """The record with what its own report and the bundle's card hold, written as JSON and page."""
    findings = (*record.findings, masking_finding(bundle, render(record)))
    passed = {finding.check for finding in findings} == set(Check) and all(finding.passed for finding in findings)
    whole = record.model_copy(update={"findings": findings, "passed": passed})
    folder.mkdir(parents=True, exist_ok=True)
    (folder / REPORT_FILE).write_text(render(whole), encoding="utf-8")
    whole.save(folder)
    return whole
