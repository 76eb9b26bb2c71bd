import pytest

from dispatch_model.errors import DispatchError, ErrorKind
from serving import tables
from serving.tables import count_tables


def test_every_shipped_table_is_counted() -> None:
    counts = count_tables()
    assert list(counts)[:3] == ["诉求类别", "职能", "提示词"]
    own = {name.removeprefix("海口市 "): count for name, count in counts.items() if name.startswith("海口市 ")}
    assert own.keys() == {"区域", "单位", "地标", "准入清单", "派单目录", "节假日例外", "触发词"}
    assert all(counts.values())


@pytest.mark.parametrize("loader", ["Cues.load", "read_landmarks"])
def test_a_wrong_table_ends_the_check(monkeypatch: pytest.MonkeyPatch, loader: str) -> None:
    def wrong(*_: object) -> None:
        raise DispatchError(ErrorKind.INVALID_LABEL_MAP, "第 3 行有误")

    monkeypatch.setattr(f"{tables.__name__}.{loader}", wrong)
    with pytest.raises(DispatchError, match="第 3 行"):
        count_tables()
