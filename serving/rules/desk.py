"""Rules in force: an upload or a rollback is checked, stored, audited and swapped in, or refused whole.

What other workers store is followed by asking for the newest revision (`serving.rules.follow`). A request goes on with
the router it began with; masks are built before the swap, so that no request pays for them.
"""

import logging
from dataclasses import dataclass
from datetime import datetime

from dispatch_model.cases import CHINA_TIME
from dispatch_model.errors import DispatchError, ErrorKind, near
from dispatch_model.finding import Finding
from dispatch_model.lint import lint
from dispatch_model.rules import TITLES, RuleKind, RuleSet, load, to_csv
from dispatch_model.table import Upload
from serving.engine import Engine
from serving.give_way import giving_way
from serving.routing import Router, with_rule_set
from serving.rules.changes import RowChanges, row_changes
from serving.rules.store import Action, Draft, Revision, RowRevision, RuleStore, conflict

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Change:
    """What came of an upload or a rollback.

    :param replaced: version in force before; `changes` is what tells the two apart.
    :param revision: the new revision; None for a dry run, or when the content is in force already.
    """

    kind: RuleKind
    version: str
    replaced: str
    rows: int
    changes: RowChanges
    findings: tuple[Finding, ...]
    revision: Revision | None


class RuleDesk:
    """Changes the rules of a running service. Methods block: call them from a worker thread."""

    def __init__(self, engine: Engine, store: RuleStore) -> None:
        self._engine = engine
        self._store = store
        self._started = datetime.now(CHINA_TIME)
        self._revisions: dict[RuleKind, Revision] = {}
        self._heads: dict[RuleKind, int] = {}  # numbers seen, also of what could not be put in force
        self._changing = engine.changing

    @property
    def router(self) -> Router:
        """The router in force."""
        return self._engine.router

    def revision(self, kind: RuleKind) -> Revision | None:
        """The revision in force; None: the file of configs/, never changed."""
        return self._revisions.get(kind)

    def start(self, *, stored: bool = True) -> None:
        """Take over what the store holds, and say so: it goes before the files of configs/.

        :param stored: False starts with the files of configs/ all the same; what is stored later is followed.
        :raises DispatchError: INVALID_RULES when a revision in force does not fit this release.
        """
        if not stored:
            self._heads = self._store.heads()
            return
        shipped = self.router.rule_sets
        try:
            self.follow()
        except DispatchError as error:
            way_out = "或设 stored_rules = false（DISPATCH_STORED_RULES）以 configs 中的文件启动，再上传改正后的规则表"
            message = f"数据库中现行的规则表与本版程序不符：{error.message}；请退回原版程序，{way_out}。"
            raise DispatchError(error.kind, message, field=error.field, details=error.details) from None
        for kind, revision in self._revisions.items():
            since, file = revision.since.isoformat(" ", "minutes"), shipped[kind].version
            told = "" if file == revision.version else f"；configs 中文件的版本 {file} 不生效"
            logger.info(
                "%s以数据库中的版本 %s 为准（%s 由 %s 提交）%s",
                TITLES[kind],
                revision.version,
                since,
                revision.author,
                told,
            )

    def follow(self) -> bool:
        """Put in force what another process stored since; whether there was anything.

        :raises DispatchError: INVALID_RULES, once, for a revision that does not fit; the rules stay as they are.
        """
        with self._changing:
            return self._follow()

    def upload(
        self, kind: RuleKind, content: bytes, *, author: str, note: str = "", replaces: str = "", dry_run: bool = False
    ) -> Change:
        """Check a file and, unless `dry_run`, put it in force.

        :param replaces: the version the file was made from; '' does not care.
        :raises DispatchError: INVALID_RULES with everything that is wrong, RULES_CONFLICT; nothing is changed then.
        """
        with giving_way():
            return self._upload(kind, content, author, note, replaces, dry_run)

    def _upload(self, kind: RuleKind, content: bytes, author: str, note: str, replaces: str, dry_run: bool) -> Change:
        self.follow()
        router = self.router
        rules = self._load(kind, content)
        _under(router, rules)
        findings = _lint(kind, rules, router)
        current = router.rule_sets[kind]
        if dry_run or rules.version == current.version:
            _check_replaces(kind, current, replaces)
            return _change(kind, rules, current, findings)
        # Every worker loads the canonical form, so that rows have the same numbers everywhere.
        canonical = to_csv(kind, rules)
        rules = self._load(kind, canonical)
        draft = Draft(kind, rules.version, Action.UPLOAD, len(rules.rows), canonical, author, note)
        with self._changing:
            self._follow()
            current = self.router.rule_sets[kind]
            _check_replaces(kind, current, replaces)
            return _change(kind, rules, current, findings, self._enforce(draft, rules))

    def rollback(self, kind: RuleKind, version: str = "", *, author: str, note: str = "") -> Change:
        """Put an earlier revision in force again.

        :param version: which; '' for the one before that of today.
        :raises DispatchError: NOT_FOUND for a version never in force, RULES_CONFLICT when there is none before.
        """
        with giving_way(), self._changing:
            self._follow()
            target = self.find(kind, version) if version else self._store.previous(kind)
            if target is None:
                told = f"{TITLES[kind]}没有更早的版本可退回；可上传一份，或用 GET /admin/rules/history 查看历次变更。"
                raise DispatchError(ErrorKind.RULES_CONFLICT, told, field="version")
            content = self._store.content(target)
            current, rules = self.router.rule_sets[kind], self._load(kind, content)
            if rules.version == current.version:
                return _change(kind, rules, current)
            draft = Draft(kind, rules.version, Action.ROLLBACK, len(rules.rows), content, author, note, target.origin)
            return _change(kind, rules, current, (), self._enforce(draft, rules))

    def find(self, kind: RuleKind, version: str) -> Revision:
        """The newest revision with that version.

        :raises DispatchError: NOT_FOUND, with near versions.
        """
        revisions = self._store.history(kind)
        found = next((one for one in revisions if one.version == version), None)
        if found is None:
            told = near(version, {one.version for one in revisions}) or "历次版本见 GET /admin/rules/history"
            message = f"{TITLES[kind]}没有存过版本 {version}；{told}。"
            raise DispatchError(ErrorKind.NOT_FOUND, message, field="version", value=version)
        return found

    def rules(self, kind: RuleKind, version: str = "") -> RuleSet:
        """The rule set in force, or as it was in `version`."""
        current = self.router.rule_sets[kind]
        if version in ("", current.version):
            return current
        return self._load(kind, self._store.content(self.find(kind, version)))

    def history(self, kind: RuleKind) -> tuple[Revision, ...]:
        """All revisions of `kind`, newest first; empty when it was never changed."""
        return self._store.history(kind)

    def row_history(self, kind: RuleKind, row_id: str) -> tuple[RowRevision, ...]:
        """What the row `row_id` said over time, newest first."""
        return self._store.row_history(kind, row_id)

    def _load(self, kind: RuleKind, content: bytes) -> RuleSet:
        return load(kind, Upload(TITLES[kind], content), self.router.maps, self.router.city)

    def _follow(self) -> bool:
        newer = {kind: head for kind, head in self._store.heads().items() if head != self._heads.get(kind)}
        for kind, head in newer.items():
            revision = self._store.revision(head)
            content = self._store.content(revision)
            self._heads[kind] = head
            with giving_way():
                self._engine.router = _under(self.router, self._load(kind, content))
            self._revisions[kind] = revision
        return bool(newer)

    def _enforce(self, draft: Draft, rules: RuleSet) -> Revision:
        """Store, then swap: whatever fails before the swap leaves everything as it was."""
        kind, current = draft.kind, self.router.rule_sets[draft.kind]
        router = _under(self.router, rules)
        drafts = [draft] if kind in self._revisions else [self._shipped(kind, current), draft]
        revision = self._store.add(drafts, self._heads.get(kind, 0), {"replaced": current.version})
        self._heads[kind], self._revisions[kind] = revision.id, revision
        self._engine.router = router
        logger.info("%s版本 %s 生效，替换 %s", TITLES[kind], draft.version, current.version)
        return revision

    def _shipped(self, kind: RuleKind, rules: RuleSet) -> Draft:
        """The file of configs/ is kept with the first upload, so that there is something to go back to."""
        content = to_csv(kind, rules)
        return Draft(kind, rules.version, Action.SHIPPED, len(rules.rows), content, since=self._started)


def _lint(kind: RuleKind, rules: RuleSet, router: Router) -> tuple[Finding, ...]:
    other = {name: found for name, found in router.rule_sets.items() if name is not kind}
    return lint(kind, rules, router.maps, router.city, other=other, day=datetime.now(CHINA_TIME).date())


def _check_replaces(kind: RuleKind, current: RuleSet, replaces: str) -> None:
    if replaces not in ("", current.version):
        raise conflict(kind)


def _change(
    kind: RuleKind,
    rules: RuleSet,
    current: RuleSet,
    findings: tuple[Finding, ...] = (),
    revision: Revision | None = None,
) -> Change:
    changes = row_changes(current, rules)
    return Change(kind, rules.version, current.version, len(rules.rows), changes, findings, revision)


def _under(router: Router, rules: RuleSet) -> Router:
    """`router` with this rule set in place of its own, ready for today."""
    router = with_rule_set(router, rules)
    router.compile(datetime.now(CHINA_TIME).date())
    return router
