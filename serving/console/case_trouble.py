"""Why a step was not done, in the words of the page: the service's own name fields and paths of the interface."""

from dispatch_model.errors import DispatchError, ErrorKind

_BEGINNINGS = frozenset(
    {ErrorKind.CASE_STATE, ErrorKind.NOT_ADMITTED, ErrorKind.NOT_FOUND}
)  # what follows tells programs what to send


def in_words(error: DispatchError, *, may_force: bool = False) -> DispatchError:
    """The same error with what an operator can do about it.

    :param may_force: whether the operator is one who may send a case past the access list.
    """
    if error.kind not in _BEGINNINGS:
        return error
    told = error.message.partition("；")[0].rstrip("。")
    return DispatchError(error.kind, f"{told}。{_advice(error, may_force)}", field=error.field, details=error.details)


def _advice(error: DispatchError, may_force: bool) -> str:
    if error.kind is ErrorKind.CASE_STATE:
        return "没有执行；已按最新情况显示。"
    if error.kind is ErrorKind.NOT_FOUND:
        return "请核对工单号，或从工作台打开。"
    if may_force:
        return "请改派其他单位；确需如此，请勾选“强制派出”并写明理由。"
    return "请改派其他单位；确需如此，请主管接管后强制派出。"
