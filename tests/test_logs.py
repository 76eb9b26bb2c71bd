import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from dispatch_model.cases import Case
from serving.monitoring.logs import REQUESTS, JsonLines, RequestLog, TextLines, configure, place_of, request_fields
from serving.routing import Router
from serving.web.exchange import Answer, Exchange, current

PHONE = "13812345678"


def exchange(route: str = "/route", status: int = 200, **changes: Any) -> Exchange:
    one = Exchange.of({"method": "POST", "headers": []}, "r-1")
    one.route, one.status, one.seconds = route, status, 0.0125
    for name, value in changes.items():
        setattr(one, name, value)
    return one


def record(message: str, *arguments: object, error: BaseException | None = None) -> logging.LogRecord:
    exc_info = (type(error), error, error.__traceback__) if error else None
    return logging.LogRecord("serving.engine", logging.WARNING, __file__, 1, message, arguments, exc_info)


@pytest.fixture
def lines() -> Iterator[list[dict[str, Any]]]:
    """What the request log writes, as read back from JSON."""
    written: list[dict[str, Any]] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            written.append(json.loads(self.format(record)))

    handler, logger = Kept(), logging.getLogger(REQUESTS)
    handler.setFormatter(JsonLines())
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield written
    logger.removeHandler(handler)
    logger.setLevel(level)


def answered(router: Router, case_id: str) -> Answer:
    case = Case(case_id=case_id, transcript=f"路灯不亮，我的手机是{PHONE}")
    return Answer(router, case, router.route([case])[0])


def test_a_record_is_one_line_of_json() -> None:
    line = JsonLines().format(record("slow:\n%s ms", 3))
    assert "\n" not in line
    told = json.loads(line)
    assert (told["level"], told["logger"], told["message"]) == ("warning", "serving.engine", "slow: 3 ms")
    assert told["time"].endswith("+08:00")


@pytest.mark.parametrize("form", [JsonLines(), TextLines()])
def test_a_message_is_masked(form: logging.Formatter) -> None:
    line = form.format(record("caller said %s", PHONE))
    assert PHONE not in line
    assert "caller said [电话]" in line


@pytest.mark.parametrize("form", [JsonLines(), TextLines()])
def test_an_exception_is_told_by_type_and_place(form: logging.Formatter) -> None:
    try:
        raise ValueError("来电人李蕉说路灯不亮")
    except ValueError as error:
        line = form.format(record("broke", error=error))
    assert "ValueError" in line
    assert "test_logs.py" in line
    assert "李蕉" not in line


def test_a_record_made_while_serving_names_the_request() -> None:
    token = current.set(exchange())
    told = json.loads(JsonLines().format(record("slow")))
    current.reset(token)
    assert told["request_id"] == "r-1"
    assert "request_id" not in json.loads(JsonLines().format(record("slow")))


def test_a_request_is_one_line(lines: list[dict[str, Any]], router: Router) -> None:
    one = exchange(
        answers=[answered(router, "HK-1")], stages={"infer": 8.0}, traceparent=f"00-{'a' * 32}-{'b' * 16}-01"
    )
    RequestLog()(one)
    (told,) = lines
    assert told.pop("time")
    assert told == {
        "level": "info",
        "logger": REQUESTS,
        "message": "POST /route 200",
        "request_id": "r-1",
        "trace_id": "a" * 32,
        "method": "POST",
        "route": "/route",
        "status": 200,
        "ms": 12.5,
        "stages_ms": {"infer": 8.0},
        "cases": ["HK-1"],
        "dispositions": ["suggest"],
        "answered": 1,
    }


def test_a_request_line_holds_no_personal_text(lines: list[dict[str, Any]], router: Router) -> None:
    RequestLog()(exchange(answers=[answered(router, f"来电{PHONE}")], error="internal"))
    assert PHONE not in str(lines)
    assert "路灯" not in str(lines)
    assert lines[0]["cases"] == ["来电[电话]"]


def test_many_cases_make_no_endless_line(router: Router) -> None:
    fields = request_fields(exchange(answers=[answered(router, f"HK-{number}") for number in range(256)]))
    assert fields["answered"] == 256
    assert len(fields["cases"]) == len(fields["dispositions"]) == 20


@pytest.mark.parametrize(
    ("route", "status", "level"),
    [("/route", 422, "info"), ("/route", 503, "error"), ("/healthz", 200, "debug"), ("/readyz", 503, "error")],
)
def test_the_level_follows_the_status(lines: list[dict[str, Any]], route: str, status: int, level: str) -> None:
    RequestLog()(exchange(route, status))
    assert [line["level"] for line in lines] == [level]


def test_without_the_request_log_only_failures_are_told(lines: list[dict[str, Any]]) -> None:
    log = RequestLog(enabled=False)
    for status in (200, 429, 500):
        log(exchange(status=status))
    assert [line["status"] for line in lines] == [500]


def test_text_lines_tell_the_fields(lines: list[dict[str, Any]], caplog: pytest.LogCaptureFixture) -> None:
    RequestLog()(exchange())
    line = TextLines().format(caplog.records[-1])
    assert "INFO serving.requests: POST /route 200 request_id=r-1" in line
    assert len(lines) == 1


def test_a_place_without_a_traceback_is_the_type_alone() -> None:
    assert place_of(KeyError("x")) == "KeyError"


@pytest.mark.parametrize(("form", "formatter"), [("json", JsonLines), ("text", TextLines)])
def test_the_form_of_the_log_is_chosen(
    form: Any, formatter: type[logging.Formatter], monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[dict[str, Any]] = []
    monkeypatch.setattr(logging, "basicConfig", lambda **options: given.append(options))
    configure("info", form)
    (handler,) = given[0]["handlers"]
    assert isinstance(handler.formatter, formatter)
    assert handler.stream is sys.stderr
    assert given[0]["level"] == "INFO"
