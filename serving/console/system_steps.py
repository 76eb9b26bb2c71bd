"""What an administrator does on the system page; the part of the service that a step is of writes and audits it."""

from functools import partial

from dispatch_model.errors import DispatchError, ErrorKind
from serving.bundles.desk import Swap
from serving.bundles.shadow_store import Order
from serving.console.room import Room
from serving.guard import operators, passwords
from serving.guard.operators import Operator
from serving.guard.roles import Role


class Steps:
    """Steps under the name of one operator. Methods block: call them from a worker thread.

    Each raises FORBIDDEN for who is no administrator, and what the part of the service raises that does it.
    """

    def __init__(self, room: Room, operator: Operator) -> None:
        self._room = room
        self._operator = operator

    def load(self, name: str, note: str, *, replaces: str, dry_run: bool = False) -> Swap:
        """Put a bundle of the folder in force, or only try whether that would do.

        :param replaces: the version that the page showed as the one in force.
        """
        self._check()
        told = {"author": self._author, "note": note.strip(), "replaces": replaces}
        return self._room.bundles.load(_chosen(name), dry_run=dry_run, **told)

    def roll_back(self, version: str, note: str) -> Swap:
        """Put an earlier bundle in force again."""
        self._check()
        return self._room.bundles.rollback(version, author=self._author, note=note.strip())

    def begin_shadow(self, name: str, percent: float | None, note: str) -> Order:
        """Let a bundle answer in the shadow.

        :param percent: of the cases.
        """
        self._check()
        if percent is None or not 0 < percent <= 100:
            told = "所取工单的比例应大于 0、至多 100（%）；请重填。"
            raise DispatchError(ErrorKind.INVALID_PARAMETER, told, field="share", value=percent)
        name, share = _chosen(name), percent / 100
        return self._room.shadow.begin(name, share=share, author=self._author, note=note.strip())

    def end_shadow(self) -> None:
        """Let nothing answer in the shadow any more."""
        self._check()
        self._room.shadow.end(author=self._author)

    def add(self, login: str, name: str, role: Role, password: str) -> Operator:
        """Enter an operator."""
        self._check()
        login, kept = login.strip(), passwords.hashed(password, login.strip())
        adding = partial(operators.add, name=name.strip(), role=role, actor=self._author)
        return self._room.store.write(lambda connection: adding(connection, login, kept))

    def disable(self, login: str) -> Operator:
        """Let an operator sign in no longer; nobody does that to themselves, so that one administrator is left."""
        self._check()
        if login == self._operator.login:
            told = "不能停用自己；请由另一位管理员停用，或在服务器上用 dispatch operators disable。"
            raise DispatchError(ErrorKind.FORBIDDEN, told, field="login", value=login)
        return self._room.store.write(partial(operators.disable, login=login, actor=self._author))

    def enable(self, login: str) -> Operator:
        """Let a disabled operator sign in again."""
        self._check()
        return self._room.store.write(partial(operators.enable, login=login, actor=self._author))

    def set_password(self, login: str, password: str) -> Operator:
        """Give an operator another password, and sign them out everywhere."""
        self._check()
        kept = passwords.hashed(password, login)
        return self._room.store.write(partial(operators.set_password, login=login, password=kept, actor=self._author))

    @property
    def _author(self) -> str:
        return self._operator.actor.name

    def _check(self) -> None:
        if not self._operator.role.may(Role.ADMIN):
            told = f"此项需要{Role.ADMIN.word}权限；您是{self._operator.role.word}，请找管理员。"
            raise DispatchError(ErrorKind.FORBIDDEN, told, field="role", value=self._operator.role.value)


def _chosen(name: str) -> str:
    if not name:
        raise DispatchError(ErrorKind.INVALID_PARAMETER, "尚未选择模型包；请先选择。", field="path")
    return name
