"""What serving needs of a router, and how one bad case is kept from spoiling the others."""

import logging
import traceback
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Protocol

from dispatch_model.access_list import AccessList
from dispatch_model.backend import DEFAULT, BackendName
from dispatch_model.bundle import BundleRef, Reference
from dispatch_model.cases import Address, Case, Routing, Versions
from dispatch_model.catalogue import Catalogue
from dispatch_model.city import City
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.labels import LabelMaps
from dispatch_model.recheck import Violation
from dispatch_model.rules import RuleKind, RuleSet
from dispatch_model.triggers import Triggers

logger = logging.getLogger(__name__)


class Router(Protocol):
    """The part of `dispatch_model.router.Router` that is used here."""

    @property
    def versions(self) -> Versions:
        """The artefacts that decide."""

    @property
    def bundle(self) -> BundleRef:
        """Which bundle answers."""

    @property
    def maps(self) -> LabelMaps:
        """The label maps that rules are read with."""

    @property
    def city(self) -> City:
        """The city whose rules these are."""

    def place(self, transcript: str, address: Address | None) -> tuple[str, ...]:
        """Codes of the region a transcript and an address speak of and of all it lies in; () when unknown."""

    @property
    def rule_sets(self) -> Mapping[RuleKind, RuleSet]:
        """The rules that decide."""

    def with_rules(
        self,
        *,
        access_list: AccessList | None = None,
        catalogue: Catalogue | None = None,
        triggers: Triggers | None = None,
    ) -> "Router":
        """A router under other rules; this one stays as it is."""

    def with_bundle(self, folder: Path) -> "Router":
        """A router with another bundle; this one stays as it is. Raises DispatchError INVALID_BUNDLE."""

    def compile(self, day: date) -> None:
        """Do beforehand what the first request of `day` would have to."""

    @property
    def reference(self) -> Reference | None:
        """How answers were spread on validation; None: not known."""

    def recheck(self, case: Case, routing: Routing, now: datetime) -> Sequence[Violation]:
        """What of an answer just given the access list forbids."""

    def route(self, cases: Sequence[Case], *, now: datetime | None = None) -> list[Routing]:
        """One routing per case, in order; raises DispatchError for a case that cannot be read."""


def open_router(bundle: Path | None, city: str, backend: BackendName = DEFAULT) -> Router:
    """The router of `city` with `bundle`, or with the bundle that is shipped."""
    from dispatch_model.router import Router as DispatchRouter

    return DispatchRouter.open(bundle, city=city, backend=backend)


def with_rule_set(router: Router, rules: RuleSet) -> Router:
    """`router` with this rule set in place of its own."""
    if isinstance(rules, AccessList):
        return router.with_rules(access_list=rules)
    if isinstance(rules, Catalogue):
        return router.with_rules(catalogue=rules)
    return router.with_rules(triggers=rules)


def under_rules_of(router: Router, other: Router) -> Router:
    """`router` under the rules of `other`; itself when it goes by them already."""
    for kind, rules in other.rule_sets.items():
        if router.rule_sets.get(kind) is not rules:
            router = with_rule_set(router, rules)
    return router


def route_each(router: Router, cases: Sequence[Case], *, now: datetime | None = None) -> list[Routing | DispatchError]:
    """Route together; when that fails, one by one, so that each case has its own routing or error."""
    if not cases:
        return []
    try:
        return list(router.route(cases, now=now))
    except DispatchError as error:
        failure = error
    except Exception as error:  # noqa: BLE001 - whatever breaks on one text must not stop the service or a run
        failure = internal(error)
    if len(cases) == 1:
        return [failure]
    return [outcome for case in cases for outcome in route_each(router, [case], now=now)]


def internal(error: Exception) -> DispatchError:
    """What the caller is told of a fault of the program.

    Logs type and place only: the message of a foreign exception may quote a transcript.
    """
    place = traceback.extract_tb(error.__traceback__)[-1]
    logger.error("routing failed: %s at %s:%s", type(error).__name__, place.filename, place.lineno)
    return DispatchError(ErrorKind.INTERNAL, "派单计算出错，已记入日志；请稍后重试或转人工派单。")
