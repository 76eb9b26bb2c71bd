"""Personal data leave a text before it is stored, or quoted in an error."""

import re
from typing import Any

from dispatch_model import privacy, transcript
from dispatch_model.errors import shorten

_QUOTED = 1_000  # characters looked at; an error shows 80
_ENOUGH = 100
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|[nrtfv])")


def mask(text: str) -> str:
    """`text` normalised, then masked: full-width digits or zero-width characters hide nothing from the rules."""
    return privacy.mask(transcript.normalise(text)).text


def quote(value: Any) -> str:
    """A refused value as an error may show it: masked, at most 80 characters."""
    text = _ESCAPE.sub(_unescape, value if isinstance(value, str) else repr(value))
    shown = mask(text[:_QUOTED])
    # Where so much was replaced, the cut itself may show, and with it half a number.
    return shorten(shown) if len(text) <= _QUOTED or len(shown) > _ENOUGH else "…"


def _unescape(match: re.Match[str]) -> str:
    """A line of JSON or a repr may hold a name as escapes, in which no rule would see it."""
    code = match[1] or match[2]
    return chr(int(code, 16)) if code else " "
