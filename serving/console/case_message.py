"""What the script of the case page sends: read with care, as a browser can be made to send anything."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from serving.console.case_keys import Act

What = Literal["key", "act", "search", "look", "choose", "form"]
LONGEST = 4000  # characters of one value
_WHATS: tuple[What, ...] = ("key", "act", "search", "look", "choose", "form")


@dataclass(frozen=True)
class Message:
    """One key, press of a button, or piece of a dialog.

    :param case_id: of the case that was on the screen; "" when none was left.
    :param value: the key; what a button acts on; text to search; code of a unit; which form.
    :param act: of a button.
    :param category: as the field of an override has it.
    :param values: of a form.
    """

    what: What
    case_id: str
    value: str = ""
    act: Act | None = None
    category: str = ""
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def message(told: Any) -> Message | None:
    """The message, or None for what the page never sends."""
    if not isinstance(told, dict):
        return None
    what = next((one for one in _WHATS if one == told.get("what")), None)
    texts = {name: told.get(name, "") for name in ("case", "value", "category", "act")}
    if what is None or not all(isinstance(text, str) and len(text) <= LONGEST for text in texts.values()):
        return None
    act = next((one for one in Act if one == texts["act"]), None)
    values = _values(told.get("values", {}))
    if values is None or (what == "act" and act is None):
        return None
    return Message(what, texts["case"], texts["value"], act, texts["category"], values)


def _values(told: Any) -> dict[str, tuple[str, ...]] | None:
    if not isinstance(told, dict) or not all(isinstance(some, list) for some in told.values()):
        return None
    if not all(isinstance(one, str) and len(one) <= LONGEST for some in told.values() for one in some):
        return None
    return {str(name): tuple(some) for name, some in told.items()}
