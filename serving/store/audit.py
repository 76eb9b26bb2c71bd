"""Walks the audit chain and holds the rows it vouches for against it: `dispatch audit verify`.

Found are events edited, missing or out of place, rows of decisions, returns, reviews, routings, rules and models that
were edited, taken out or slipped in, and cases that were edited or taken out. Not found: that the last events are gone
together with their rows, or that whoever may write everything wrote the whole chain anew. Against both, note the head
somewhere else and ask for it.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Table, bindparam, select

from dispatch_model.errors import DispatchError, ErrorKind
from serving.settings import Settings
from serving.store.connection import Connection
from serving.store.database import Readers, open_database
from serving.store.erasure import BLANK_CASE, is_blank
from serving.store.events import ROOT, STAMP, case_stamp, chained, stamp
from serving.store.migrate import bring_up
from serving.store.schema import APPEND_ONLY, audit_events, cases, routings

PAGE = 1000
MOST_FLAWS = 100  # told in full; the others are counted

_EVENTS = select(audit_events).where(audit_events.c.id > bindparam("after")).order_by(audit_events.c.id).limit(PAGE)
_ERASED = (
    select(audit_events.c.id)
    .where(audit_events.c.action == "erase", audit_events.c.subject == bindparam("case_id"))
    .limit(1)
)
_CASE = select(cases).where(cases.c.case_id == bindparam("case_id"))
_TABLES = (routings, *(table for table in APPEND_ONLY if table is not audit_events))
_ROW = {table.name: select(table).where(table.c.id == bindparam("id")) for table in _TABLES}
_NUMBERS = {
    table.name: select(table.c.id).where(table.c.id > bindparam("after")).order_by(table.c.id).limit(PAGE)
    for table in _TABLES
}
_BY_NAME = {table.name: table for table in _TABLES}


@dataclass(frozen=True)
class Head:
    """The last event, which stands for all before it."""

    number: int
    hash: str

    def __str__(self) -> str:
        return f"{self.number}:{self.hash}"

    @classmethod
    def parse(cls, text: str) -> "Head":
        """A head as it was printed.

        :raises DispatchError: INVALID_PARAMETER.
        """
        number, _, digits = text.strip().partition(":")
        if not number.isdecimal() or len(digits) != len(ROOT):
            told = f"链头 {text} 应为“序号:哈希”，即此前 dispatch audit verify 所印的那一行。"
            raise DispatchError(ErrorKind.INVALID_PARAMETER, told, field="head", value=text)
        return cls(int(number), digits)


@dataclass
class Report:
    """What was found.

    :param rows: how many rows of each table events vouch for.
    :param earlier: routings from before there was a chain, which nothing vouches for.
    :param flaws: a sentence each, the first of them; `flawed` is how many there are.
    """

    events: int = 0
    head: Head = Head(0, ROOT)
    rows: Counter[str] = field(default_factory=Counter)
    earlier: int = 0
    flaws: list[str] = field(default_factory=list)
    flawed: int = 0

    def note(self, flaw: str) -> None:
        """One more thing that is wrong."""
        self.flawed += 1
        if len(self.flaws) < MOST_FLAWS:
            self.flaws.append(flaw)

    def lines(self) -> Iterator[str]:
        """The report as a person reads it."""
        yield from self.flaws
        if self.flawed > len(self.flaws):
            yield f"……另有 {self.flawed - len(self.flaws)} 处"
        earlier = f"；另有 {self.earlier} 件派单早于审计链，不在核对之列" if self.earlier else ""
        yield f"{self.events} 个事件，所证 {sum(self.rows.values())} 行，{self.flawed} 处问题{earlier}"
        yield f"链头 {self.head}"


@contextmanager
def opened(settings: Settings) -> Iterator[Connection]:
    """A connection that reads the database the settings name, and changes nothing about it.

    :raises DispatchError: INVALID_CONFIG when there is none, or it is of another release; STORE_UNAVAILABLE.
    """
    where = settings.database
    if isinstance(where, Path) and not where.exists():
        told = f"没有数据库 {where}；请核对 DISPATCH_DATA_DIR 或 DISPATCH_DATABASE_URL。"
        raise DispatchError(ErrorKind.INVALID_CONFIG, told, field="data_dir", value=str(where))
    database = open_database(where, timeout=settings.store_timeout)
    bring_up(database, "never")
    readers = Readers(database)
    try:
        with readers.lease() as connection:
            yield connection
    finally:
        readers.close()


def verify(connection: Connection, *, head: Head | None = None) -> Report:
    """Check everything; the service may go on writing meanwhile. Memory: a bit per row.

    :param head: one noted earlier, which must still be in the chain.
    """
    return _Walk(connection, head).run()


class _Walk:
    """One walk from the first event to the last."""

    def __init__(self, connection: Connection, head: Head | None) -> None:
        self._connection = connection
        self._wanted = head
        self._report = Report()
        self._vouched = {table.name: bytearray() for table in _TABLES}

    def run(self) -> Report:
        report = self._report
        self._follow()
        loose = {table.name: list(self._loose(table)) for table in _TABLES}
        # Rows written since have their events by now: both come in one transaction.
        self._follow()
        for name, numbers in loose.items():
            for number in (number for number in numbers if not self._is_vouched(name, number)):
                report.note(f"{name} 第 {number} 行没有对应的审计事件")
        if self._wanted and self._wanted.number > report.head.number:
            report.note(f"链尾缺失：应至少有第 {self._wanted.number} 号事件，现只到第 {report.head.number} 号")
        return report

    def _follow(self) -> None:
        while page := self._connection.rows(_EVENTS, {"after": self._report.head.number}):
            for event in page:
                self._check_link(event)
                self._report.events += 1
                self._report.head = Head(event["id"], event["hash"])
            self._check_rows(page)

    def _check_link(self, event: Mapping[str, Any]) -> None:
        """This event by its own hash, and that it follows the one before."""
        number, last = event["id"], self._report.head
        missing = range(last.number + 1, number)
        if missing:
            told = f"第 {missing[0]} 号" if len(missing) == 1 else f"第 {missing[0]} 至 {missing[-1]} 号"
            self._report.note(f"审计事件{told}缺失")
        elif event["prev_hash"] != last.hash:
            self._report.note(f"审计事件第 {number} 号不接于其前一号：二者之一被改动或调换")
        if chained(event["prev_hash"], event) != event["hash"]:
            self._report.note(f"审计事件第 {number} 号被改动：内容与其哈希不符")
        if self._wanted and self._wanted.number == number and self._wanted.hash != event["hash"]:
            self._report.note(f"审计事件第 {number} 号与所记链头不符：此前的链被改写")

    def _check_rows(self, page: Sequence[Mapping[str, Any]]) -> None:
        stamped: dict[str, list[tuple[Mapping[str, Any], Mapping[str, Any]]]] = {}
        for event in page:
            if vouched := _stamped(event):
                stamped.setdefault(vouched["table"], []).append((event, vouched))
        for name, pairs in stamped.items():
            found = self._connection.each(_ROW[name], [{"id": vouched["id"]} for _, vouched in pairs])
            for (event, vouched), rows in zip(pairs, found, strict=True):
                self._check_row(event, vouched, rows)

    def _check_row(self, event: Mapping[str, Any], vouched: Mapping[str, Any], rows: Sequence[Sequence[Any]]) -> None:
        table = _BY_NAME[vouched["table"]]
        place = f"{table.name} 第 {vouched['id']} 行"
        by = f"（审计事件第 {event['id']} 号为证）"
        if not rows:
            self._report.note(f"{place}缺失{by}")
            return
        self._vouch(table.name, vouched["id"])
        row = dict(zip((column.name for column in table.columns), rows[0], strict=True))
        now = stamp(table, row)
        if now["sha256"] != vouched["sha256"]:
            self._report.note(f"{place}被改动{by}")
        changed = [name for name, digest in now["texts"].items() if digest != vouched["texts"].get(name)]
        if changed and self._is_erased(event["subject"]):
            changed = [name for name in changed if not is_blank(name, row[name])]
        if changed:
            self._report.note(f"{place}的 {'、'.join(changed)} 被改动{by}")
        if isinstance(vouched.get("case"), dict):
            self._check_case(event, vouched["case"])

    def _check_case(self, event: Mapping[str, Any], vouched: Mapping[str, Any]) -> None:
        case_id, by = event["subject"], f"（审计事件第 {event['id']} 号为证）"
        found = self._connection.rows(_CASE, {"case_id": case_id})
        if not found:
            self._report.note(f"cases 的工单 {case_id} 缺失{by}")
            return
        now = case_stamp(found[0])
        blank = all(found[0][name] == left for name, left in BLANK_CASE.items())
        texts = now["texts"] == vouched.get("texts") or (blank and self._is_erased(case_id))
        if now["sha256"] != vouched.get("sha256") or not texts:
            self._report.note(f"cases 的工单 {case_id} 被改动{by}")

    def _is_erased(self, case_id: str) -> bool:
        return bool(self._connection.execute(_ERASED, {"case_id": case_id}).fetchall())

    def _vouch(self, name: str, number: int) -> None:
        bits = self._vouched[name]
        if (byte := number >> 3) >= len(bits):
            bits.extend(bytes(byte + 1 - len(bits)))
        self._report.rows[name] += not self._is_vouched(name, number)
        bits[byte] |= 1 << (number & 7)

    def _is_vouched(self, name: str, number: int) -> bool:
        bits, byte = self._vouched[name], number >> 3
        return byte < len(bits) and bool(bits[byte] >> (number & 7) & 1)

    def _loose(self, table: Table) -> Iterator[int]:
        """Rows without an event; routings from before the chain are only counted."""
        name, after, seen = table.name, -1, table is not routings
        while page := self._connection.execute(_NUMBERS[table.name], {"after": after}).fetchall():
            for (number,) in page:
                vouched = self._is_vouched(name, number)
                seen = seen or vouched
                if not seen:
                    self._report.earlier += 1
                elif not vouched:
                    yield number
            after = page[-1][0]


def _stamped(event: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What the event vouches for; None for nothing, or for what is no stamp, as an edited event may hold."""
    try:
        found = json.loads(event["details"]).get(STAMP)
        known = found is not None and found["table"] in _BY_NAME and isinstance(found["id"], int)
        return found if known and isinstance(found["texts"], dict) and "sha256" in found else None
    except (ValueError, AttributeError, KeyError, TypeError):
        return None
