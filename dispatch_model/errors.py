"""The one catalogue of what can go wrong, and the one exception that carries it.

A message always says what was wrong, the value, what was allowed and what to do.
Rooms outside map `ErrorKind` to their own codes (serving: HTTP status, CLI: exit status).
"""

from collections.abc import Iterable
from difflib import get_close_matches
from enum import StrEnum
from typing import Any


class ErrorKind(StrEnum):
    """What kind of thing went wrong; stable strings, they appear on the wire."""

    INVALID_BODY = "invalid_body"  # a request or a line that is not JSON, or not UTF-8
    INVALID_CASE = "invalid_case"  # a field of a case is missing, of the wrong type or out of range
    TRANSCRIPT_EMPTY = "transcript_empty"
    TRANSCRIPT_TOO_LONG = "transcript_too_long"
    BATCH_TOO_LARGE = "batch_too_large"
    CASE_CONFLICT = "case_conflict"  # the same case_id came before with other content
    INVALID_DECISION = "invalid_decision"  # a decision, return or review that says what cannot be
    CASE_STATE = "case_state"  # a decision, return or review that does not fit where the case stands
    CASE_TAKEN = "case_taken"  # another operator works on the case just now
    NOT_ADMITTED = "not_admitted"  # the access list forbids the unit to lead
    INVALID_PARAMETER = "invalid_parameter"  # of a query string
    UPLOAD_TOO_LARGE = "upload_too_large"
    RULES_CONFLICT = "rules_conflict"  # a change of rules that are no longer, or were never, in force
    BUNDLE_CONFLICT = "bundle_conflict"  # the same of a bundle
    UNAUTHORIZED = "unauthorized"  # no key, or one that is wrong, expired or revoked
    FORBIDDEN = "forbidden"  # the key has not the scope; or no key, and not from this machine
    BODY_TOO_LARGE = "body_too_large"
    URL_TOO_LONG = "url_too_long"
    HEADERS_TOO_LARGE = "headers_too_large"
    RATE_LIMITED = "rate_limited"  # one key sends more than it may
    INVALID_LABEL_MAP = "invalid_label_map"
    INVALID_RULES = "invalid_rules"  # access list, catalogue or triggers
    INVALID_CONFIG = "invalid_config"
    INVALID_BUNDLE = "invalid_bundle"
    NOT_FOUND = "not_found"  # no such path, or nothing under that name
    METHOD_NOT_ALLOWED = "method_not_allowed"
    STORE_UNAVAILABLE = "store_unavailable"
    OVERLOADED = "overloaded"  # more wait than the service lets wait
    DEADLINE_EXCEEDED = "deadline_exceeded"  # no answer in the time a request may take
    NOT_READY = "not_ready"
    MISSING_EXTRA = "missing_extra"  # an optional install (train) is needed
    INTERNAL = "internal"


class DispatchError(Exception):
    """One problem, or one summary over `details` when many rows are wrong.

    :param kind: which entry of the catalogue this is.
    :param message: a full sentence: what, value, allowed, what to do.
    :param field: dotted name of the field or `file:row:column` it concerns.
    :param value: the offending value, shortened for display.
    :param details: further problems of the same run, one sentence each.
    :param retry_after: whole seconds after which asking again makes sense; None when nobody can say.
    """

    def __init__(
        self,
        kind: ErrorKind,
        message: str,
        *,
        field: str | None = None,
        value: Any = None,
        details: Iterable[str] = (),
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.field = field
        self.value = None if value is None else shorten(value)
        self.details = tuple(details)
        self.retry_after = retry_after

    def as_dict(self) -> dict[str, Any]:
        """The error as it goes on the wire; empty parts are left out."""
        parts = {
            "kind": self.kind.value,
            "message": self.message,
            "field": self.field,
            "value": self.value,
            "details": list(self.details),
        }
        return {key: part for key, part in parts.items() if part not in (None, [])}

    def __str__(self) -> str:
        return "\n  - ".join([self.message, *self.details])


def shorten(value: Any, limit: int = 80) -> str:
    """`value` as text of at most `limit` characters, for messages and logs."""
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def near(value: str, allowed: Iterable[str], limit: int = 3) -> str:
    """A hint naming the allowed words closest to `value`, or '' when none is close."""
    matches = get_close_matches(value, list(allowed), n=limit, cutoff=0.5)
    return f"是否想写：{'、'.join(matches)}" if matches else ""
