"""What the store keeps of one routed case: masked content and the answer as it was sent."""

import json
from collections.abc import Callable
from dataclasses import dataclass, fields

from dispatch_model.cases import Address, Case, Routing, Timing, Versions
from dispatch_model.errors import DispatchError, ErrorKind

Mask = Callable[[str], str]


@dataclass(frozen=True)
class Content:
    """What a case says, personal data masked: two submissions with equal content are the same case."""

    city: str | None
    transcript: str
    address: str | None
    received_at: str | None

    @classmethod
    def of(cls, case: Case, mask: Mask) -> "Content":
        """The content of `case`; texts go through `mask` before anything else sees them."""
        if isinstance(case.transcript, str):
            transcript: object = mask(case.transcript)
        else:
            transcript = [{"speaker": turn.speaker, "text": mask(turn.text)} for turn in case.transcript]
        return cls(
            city=mask(case.city) if case.city else None,
            transcript=json.dumps(transcript, ensure_ascii=False),
            address=_masked_address(case.address, mask),
            received_at=case.received_at.isoformat() if case.received_at else None,
        )

    def differing(self, other: "Content") -> list[str]:
        """Names of the fields in which the two differ."""
        return [field.name for field in fields(self) if getattr(self, field.name) != getattr(other, field.name)]


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

    @classmethod
    def of(cls, content: Content, routing: Routing) -> "Record":
        """Serialise `routing`; this is the only time it happens."""
        return cls(
            case_id=routing.case_id,
            content=content,
            disposition=routing.disposition.value,
            versions=routing.versions,
            answer=routing.model_dump_json(exclude={"timing_ms", "replayed"}),
        )

    def reply(self, timing: Timing, *, replayed: bool = False) -> str:
        """The body of a 200: the stored text with the two members of this reply added."""
        flag = "true" if replayed else "false"
        return f'{self.answer[:-1]},"timing_ms":{timing.model_dump_json()},"replayed":{flag}}}'

    def check_same(self, content: Content) -> None:
        """Refuse other content under a case_id that is taken.

        :raises DispatchError: CASE_CONFLICT, naming the fields that differ.
        """
        if self.content == content:
            return
        names = self.content.differing(content)
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
