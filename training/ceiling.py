"""How good any model of the text alone could be: the same words that were sent to different units.

The splits hold hardly any repeated text, so this reads the whole data folder, orders that chase an
older one included; nothing is fitted to it.
"""

from collections.abc import Mapping
from pathlib import Path

from training.corpus import handling_unit, read_cases, read_units
from training.metrics import Ceiling, repeated_text_ceiling
from training.splits import text_group

MIN_TEXTS = 20  # fewer repeated texts say nothing about a source
QUESTIONS = ("function", "level", "unit")


def label_noise(folder: Path) -> dict[str, Ceiling]:
    """`<source>/<question>` → ceiling, for `all` and each source with enough repeated texts.

    :param folder: holds `cases.jsonl.gz` and `units.csv`.
    :raises DispatchError: INVALID_CONFIG when the cases are not there.
    """
    handled = _handled(folder)
    sources = ["all", *sorted({source for source, _, _ in handled})]
    ceilings = {}
    for source in sources:
        rows = [(group, unit) for name, group, unit in handled if source in ("all", name)]
        for question in QUESTIONS:
            answers = [unit[question] for _, unit in rows]
            position = {answer: index for index, answer in enumerate(dict.fromkeys(answers))}
            labels = [position[answer] for answer in answers]
            found = repeated_text_ceiling([group for group, _ in rows], labels)
            if found is not None and found.texts >= MIN_TEXTS:
                ceilings[f"{source}/{question}"] = found
    return ceilings


def _handled(folder: Path) -> list[tuple[str, str, Mapping[str, str]]]:
    """Source, text group and handling unit of every case whose unit means something."""
    units = read_units(folder)
    wordless = text_group("")
    rows: list[tuple[str, str, Mapping[str, str]]] = []
    for case in read_cases(folder / "cases.jsonl.gz"):
        unit = handling_unit(case, units)
        group = text_group(case["text"])
        if unit is not None and group != wordless:
            rows.append((case["source"], f"{case['source']}:{group}", unit))
    return rows
