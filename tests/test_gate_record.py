from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.gate_record import GATE_FILE, Check, Finding, GateRecord, Judged, records


def made(*, passed: bool = True, created: str = "2026-11-23T12:00:00+00:00", **told: Any) -> GateRecord:
    findings = tuple(
        Finding(check=check, where="bundle", what=check.value, n=1, rule="规则", passed=passed or check != "parity")
        for check in Check
    )
    fields = {"champion": Judged(version="a+1", sha256="a" * 64), "challenger": Judged(version="b+2", sha256="b" * 64)}
    return GateRecord(
        **{**{"created": created, **fields, "inputs": {}, "sets": {}, "findings": findings, "passed": passed}, **told}
    )


def test_a_record_comes_back_as_it_was_kept(tmp_path: Path) -> None:
    record = made(passed=False)
    assert GateRecord.load(record.save(tmp_path)) == record
    assert [finding.check for finding in record.refused] == [Check.PARITY]
    assert record.folder == f"{'b' * 12}-{'a' * 12}"


def test_gates_of_a_pair_on_two_backends_stand_beside_each_other() -> None:
    plain, other = made(), made(inputs={"backend": "openvino"})
    assert (plain.backend, other.backend) == ("onnxruntime", "openvino")
    assert other.folder == f"{plain.folder}-openvino"


def test_a_record_cannot_say_it_passed_against_its_own_findings() -> None:
    refused = made(passed=False).findings
    with pytest.raises(ValidationError, match="passed 与各项结果不符"):
        made(findings=refused)
    lacking = tuple(finding for finding in made().findings if finding.check is not Check.VIOLATIONS)
    with pytest.raises(ValidationError, match="passed 与各项结果不符"):
        made(findings=lacking)


def test_records_are_found_newest_first(tmp_path: Path) -> None:
    made(created="2026-11-01").save(tmp_path / "one")
    made(created="2026-11-02").save(tmp_path / "two")
    assert [record.created for record in records(tmp_path)] == ["2026-11-02", "2026-11-01"]
    assert records(tmp_path / "none") == []


@pytest.mark.parametrize(("content", "kind"), [(None, ErrorKind.NOT_FOUND), ("{}", ErrorKind.INVALID_CONFIG)])
def test_what_is_no_record_is_told_with_its_path(tmp_path: Path, content: str | None, kind: ErrorKind) -> None:
    path = tmp_path / GATE_FILE
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(DispatchError, match="dispatch gate") as caught:
        GateRecord.load(path)
    assert caught.value.kind is kind
    assert caught.value.value == str(path)
