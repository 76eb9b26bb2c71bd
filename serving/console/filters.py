"""What of the queue an operator wants to see; part of the URL of the queue and of the cases opened from it."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from urllib.parse import urlencode

from serving.cases_wire import State
from serving.console.waiting import DUE_STATES, STATES, Waiting

LONGEST = 64  # characters of each


@dataclass(frozen=True)
class Filters:
    """Each lets everything through that it does not name.

    :param state: None: those a decision is due for, that is routed and redispatch.
    :param disposition: as on the wire.
    :param text: words, all of which must occur in number, summary, category, unit or place.
    """

    state: State | None = None
    disposition: str = ""
    function: str = ""
    district: str = ""
    text: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Filters":
        """From the parameters of a URL; a state that nothing waits in is none."""
        told = {field.name: query.get(field.name, "").strip()[:LONGEST] for field in fields(cls)}
        state = told.pop("state")
        return cls(state=State(state) if state in STATES else None, **told)

    def but(self, name: str, value: str) -> "Filters":
        """The same with another value for one."""
        told = {field.name: getattr(self, field.name) or "" for field in fields(self)}
        return Filters.of({**told, name: value})

    @property
    def query(self) -> str:
        """As part of a URL, such as `disposition=ask&text=…`; "" when nothing is filtered."""
        return urlencode({field.name: value for field in fields(self) if (value := getattr(self, field.name))})

    @property
    def states(self) -> tuple[State, ...]:
        """Those that are let through."""
        return (self.state,) if self.state else DUE_STATES

    def passes(self, one: Waiting) -> bool:
        """Whether `one` is to be seen."""
        return (
            one.state in self.states
            and self.disposition in ("", one.disposition)
            and self.function in ("", one.function)
            and self.district in ("", one.district)
            and self._says(one)
        )

    def _says(self, one: Waiting) -> bool:
        if not self.text:
            return True
        told = f"{one.case_id} {one.summary} {one.category} {one.category_name} {one.unit} {one.holder} {one.district}"
        told = told.casefold()
        return all(word in told for word in self.text.casefold().split())
