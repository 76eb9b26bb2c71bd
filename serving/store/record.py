"""What the store keeps of one routed case: masked content, digests of the unmasked, and the answer as it was sent."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from dispatch_model.cases import Address, Case, Routing, Timing, Versions
from dispatch_model.errors import DispatchError, ErrorKind
from serving.store.seal import Seal

Mask = Callable[[str], str]
_FIELDS = ("city", "transcript", "address", "received_at")
_FIELD_DIGITS = 16


@dataclass(frozen=True)
class Content:
    """What a case says, personal data masked.

    :param digest: key id and keyed digest of what it said before masking; None: from before there were digests.
    :param digests: the same by field, as a JSON object.
    :param caller: keyed pseudonym; None: not said, or nobody in particular.
    """

    city: str | None
    transcript: str
    address: str | None
    received_at: str | None
    digest: str | None = None
    digests: str | None = None
    caller: str | None = None

    @classmethod
    def of(cls, case: Case, mask: Mask, seal: Seal) -> "Content":
        """The content of `case`; texts go through `mask` or `seal` before anything else sees them."""
        if isinstance(case.transcript, str):
            transcript: object = mask(case.transcript)
        else:
            transcript = [{"speaker": turn.speaker, "text": mask(turn.text)} for turn in case.transcript]
        caller = seal.pseudonym(case.caller) if case.caller else None
        digest, digests = _digests(case, caller, seal)
        return cls(
            city=mask(case.city) if case.city else None,
            transcript=json.dumps(transcript, ensure_ascii=False),
            address=_masked_address(case.address, mask),
            received_at=case.received_at.isoformat() if case.received_at else None,
            digest=digest,
            digests=digests,
            caller=caller,
        )

    def differing(self, other: "Content") -> list[str]:
        """Names of the fields in which the two differ.

        By digest, which stays the same when masking changes or a case is erased. Where the two have none of one key,
        by what is stored.
        """
        if self.digest == other.digest and self.digest:
            return []
        if self.digest and other.digest and _key(self.digest) == _key(other.digest):
            mine, others = json.loads(self.digests or "{}"), json.loads(other.digests or "{}")
            return sorted(name for name in mine.keys() | others.keys() if mine.get(name) != others.get(name))
        return [name for name in _FIELDS if getattr(self, name) != getattr(other, name)]


class Top(NamedTuple):
    """The first suggestion, in columns of its own for whoever counts or searches."""

    category: str | None = None
    function: str | None = None
    level: str | None = None
    unit: str | None = None

    @classmethod
    def of(cls, routing: Routing) -> "Top":
        """That of `routing`; empty when nothing was suggested."""
        if not routing.suggestions:
            return cls()
        first = routing.suggestions[0]
        return cls(first.category.code, first.unit.function, first.unit.level, first.unit.code)


NOTHING = Top()


@dataclass(frozen=True)
class Record:
    """One case with its answer, ready to be stored or as found in the store.

    :param answer: the Routing as JSON without `timing_ms` and `replayed`, which belong to one reply.
    """

    case_id: str
    content: Content
    disposition: str
    versions: Versions
    answer: str
    top: Top = NOTHING

    @classmethod
    def of(cls, content: Content, routing: Routing) -> "Record":
        """Serialise `routing`; this is the only time it happens."""
        return cls(
            case_id=routing.case_id,
            content=content,
            disposition=routing.disposition.value,
            versions=routing.versions,
            answer=routing.model_dump_json(exclude={"timing_ms", "replayed"}),
            top=Top.of(routing),
        )

    def reply(self, timing: Timing, *, replayed: bool = False) -> str:
        """The body of a 200: the stored text with the two members of this reply added."""
        flag = "true" if replayed else "false"
        return f'{self.answer[:-1]},"timing_ms":{timing.model_dump_json()},"replayed":{flag}}}'

    def check_same(self, content: Content) -> None:
        """Refuse other content under a case_id that is taken.

        :raises DispatchError: CASE_CONFLICT, naming the fields that differ.
        """
        names = self.content.differing(content)
        if not names:
            return
        raise DispatchError(
            ErrorKind.CASE_CONFLICT,
            f"工单号 {self.case_id} 已受理过，内容不同（{'、'.join(names)}）；请核对工单号，新诉求请用新号。",
            field=names[0],
            value=self.case_id,
        )


def _masked_address(address: Address | None, mask: Mask) -> str | None:
    if address is None:
        return None
    parts = address.model_dump(exclude_none=True)
    return json.dumps({name: mask(part) for name, part in parts.items()}, ensure_ascii=False)


def _digests(case: Case, caller: str | None, seal: Seal) -> tuple[str, str]:
    """Digest of the whole and, as JSON, of each field that was given, both of the text as it came in.

    :param caller: the pseudonym: a number written in another way is the same.
    """
    spoken = case.transcript
    texts = {
        "city": case.city,
        "transcript": spoken if isinstance(spoken, str) else json.dumps([[turn.speaker, turn.text] for turn in spoken]),
        "address": json.dumps(case.address.model_dump(exclude_none=True)) if case.address else None,
        "received_at": case.received_at.isoformat() if case.received_at else None,
        "caller": caller,
    }
    digests = {name: seal.digest(f"{name}:{text}") for name, text in texts.items() if text is not None}
    whole = seal.digest(json.dumps(digests))
    return f"{seal.id}:{whole}", json.dumps({name: digest[:_FIELD_DIGITS] for name, digest in digests.items()})


def _key(digest: str) -> str:
    return digest.partition(":")[0]
