"""What an evaluation found: rows of figures, plot data and ceilings, kept as one JSON file."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from dispatch_model.errors import DispatchError, ErrorKind
from training.metrics import Bin, Ceiling, Score

EVALUATION_FILE = "evaluation.json"


@dataclass(frozen=True)
class Row:
    """One figure of ours beside the baseline's.

    :param part: `test`, `validation` or `calls` (held-out two-sided calls).
    :param truth: `handler` (who really handled it), `labels` (who should, read case by case) or `taidi`.
    :param cases: which rows: `all`, a source, or `no_territory` (without 属地 units), `haikou_no_territory` …
    :param question: `function`, `level`, `route` (both), `category6/4/2`, `kind`, `taidi`, `flag:urgent` …
    :param answer: `head` (trained for this truth), `wire` (the blended list the service answers) or
        `ranked` (routes as the service ranks them, without an access list).
    :param metric: `top1`, `top3`, `macro_f1`, `ece`, `precision` or `recall`.
    :param difference: ours minus baseline on the same rows, with a paired interval.
    """

    part: str
    truth: str
    cases: str
    question: str
    answer: str
    metric: str
    ours: Score
    baseline: Score
    difference: Score


@dataclass(frozen=True)
class FunctionFigure:
    """F1 of one function, ours and baseline."""

    function: str
    n: int
    ours: float
    baseline: float


@dataclass(frozen=True)
class Figures:
    """Plot data of the function list on the wire under one truth, test split.

    :param confusion: `[truth][answer]` counts in the order of `functions`.
    """

    functions: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    per_function: tuple[FunctionFigure, ...]
    reliability: dict[str, tuple[Bin, ...]]  # "ours", "baseline"
    coverage: dict[str, tuple[Bin, ...]]


@dataclass(frozen=True)
class FlagFigure:
    """How well one flag is told; bounds are Wilson intervals.

    :param source: `triggers` or `model` alone, or `both` as the service joins them.
    :param precision: its `n` is the cases the flag was said of.
    :param recall: its `n` is the cases that carry the flag.
    """

    part: str
    flag: str
    source: str
    n: int
    precision: Score
    recall: Score
    f1: float


@dataclass(frozen=True)
class Evaluation:
    """All of one run.

    :param bundle: version of the judged bundle.
    :param sizes: rows per part.
    :param ceilings: `<source>/<question>` → what repeated texts with differing handlers allow.
    :param figures: by truth (`handler`, `labels`).
    :param flags: flags of the dispositions; none in evaluations made before they were judged.
    """

    bundle: str
    created: str
    sizes: dict[str, int]
    rows: tuple[Row, ...]
    ceilings: dict[str, Ceiling]
    figures: dict[str, Figures]
    flags: tuple[FlagFigure, ...] = ()

    def find(
        self,
        question: str,
        metric: str,
        *,
        truth: str,
        answer: str = "head",
        cases: str = "all",
        part: str = "test",
    ) -> Row | None:
        """The row of one figure, or None where no case could answer it."""
        wanted = (part, truth, cases, question, answer, metric)
        return next(
            (r for r in self.rows if (r.part, r.truth, r.cases, r.question, r.answer, r.metric) == wanted), None
        )

    def save(self, folder: Path) -> Path:
        """Write `evaluation.json` into `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / EVALUATION_FILE
        path.write_bytes(_ADAPTER.dump_json(self, indent=1) + b"\n")
        return path

    @classmethod
    def load(cls, path: Path) -> "Evaluation":
        """Read an `evaluation.json`.

        :raises DispatchError: INVALID_CONFIG when it is not there or not an evaluation.
        """
        if not path.is_file():
            raise DispatchError(ErrorKind.INVALID_CONFIG, f"找不到评测结果 {path}：请先运行 dispatch evaluate")
        try:
            return _ADAPTER.validate_json(path.read_bytes())
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            message = f"{path} 不是评测结果，{where}：{first['msg']}；请重新运行 dispatch evaluate"
            raise DispatchError(ErrorKind.INVALID_CONFIG, message, field=where) from error


_ADAPTER = TypeAdapter(Evaluation)
