import pytest

from dispatch_model.errors import DispatchError, ErrorKind
from serving.console.case_trouble import in_words


@pytest.mark.parametrize(("may_force", "advice"), [(True, "请勾选“强制派出”"), (False, "请主管接管后强制派出")])
def test_what_the_list_forbids_names_the_row_and_the_way(may_force: bool, advice: str) -> None:
    told = "准入清单 J-2（收回）：镇街不得主办；请改派其他单位，确需如此请由主管（admin）以 force 派出并写明理由。"
    shown = in_words(DispatchError(ErrorKind.NOT_ADMITTED, told, details=["J-2：露天烧烤"]), may_force=may_force)
    assert shown.message.startswith("准入清单 J-2（收回）：镇街不得主办。请改派其他单位")
    assert advice in shown.message
    assert "force" not in shown.message
    assert (shown.kind, shown.details) == (ErrorKind.NOT_ADMITTED, ("J-2：露天烧烤",))


def test_a_case_that_has_changed_is_told_without_what_programs_send() -> None:
    told = "工单 1 退单正待审核；请先 POST /cases/{工单号}/return/review，再作决定。"
    shown = in_words(DispatchError(ErrorKind.CASE_STATE, told), may_force=False)
    assert shown.message == "工单 1 退单正待审核。没有执行；已按最新情况显示。"


def test_a_number_that_is_not_there_is_told_without_the_interface() -> None:
    error = DispatchError(ErrorKind.NOT_FOUND, "没有工单 9；请核对工单号，未派过的工单请先 POST /route。")
    assert in_words(error).message == "没有工单 9。请核对工单号，或从工作台打开。"


def test_other_errors_stay_as_they_are() -> None:
    error = DispatchError(ErrorKind.CASE_TAKEN, "工单 1 正由 li 办理；请办其他工单。")
    assert in_words(error, may_force=False) is error
