"""Which rule sets a file holds, told by the columns in it and not by its name."""

from collections.abc import Collection

from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.rules import TITLES, RuleKind, columns
from dispatch_model.table import Source, header_rows

_LEAST = 3  # columns of a kind a header must share before it is taken for a faulty one of that kind


def kinds_in(source: Source) -> tuple[RuleKind, ...]:
    """The kinds whose table a CSV or workbook holds; the nearest one when no header is complete.

    :raises DispatchError: INVALID_RULES, the file cannot be opened or looks like none of the three.
    """
    found = header_rows(source, ErrorKind.INVALID_RULES)
    complete = [kind for kind in RuleKind if any(set(columns(kind)) <= set(header) for header in found)]
    if complete:
        return tuple(complete)
    scores = {kind: max((_shared(kind, header) for header in found), default=0) for kind in RuleKind}
    best = max(scores, key=lambda kind: scores[kind])
    if scores[best] < _LEAST or list(scores.values()).count(scores[best]) > 1:
        titles = "、".join(f"{title}（{kind}）" for kind, title in TITLES.items())
        remedy = "请把表头放在第一行（上面不要有标题），或用 --kind 指明"
        told = f"{source.name} 的表头看不出是哪一种规则表，应为：{titles}；{remedy}"
        raise DispatchError(ErrorKind.INVALID_RULES, told, field=source.name)
    return (best,)


def _shared(kind: RuleKind, header: Collection[str]) -> int:
    return sum(column in header for column in columns(kind))
