"""Static parts of pages as HTML: nothing that people wrote reaches it unescaped, or steers how it is read."""

import re
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

# Controls (but line break and tab), soft hyphens, marks that turn the direction of reading, invisible marks.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u115f\u1160\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff"
    "\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
_SEEN = "\ufffd"


def visible(text: str) -> str:
    """`text` with every character that hides, or turns what stands around it, as "�"; its length stays."""
    return _UNSEEN.sub(_SEEN, text)


def render(name: str, **values: Any) -> str:
    """The template `name` (such as `case.html.j2`) of this folder, filled in.

    Every value is made `visible` and escaped, but `Markup`. Wrap what people wrote in `<bdi>`: text in a script that
    runs from right to left then turns nothing outside it.
    """
    return _templates.get_template(name).render(**values)


def _shown(value: Any) -> Any:
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


_templates = Environment(
    loader=PackageLoader("serving.console", "."),
    autoescape=True,
    undefined=StrictUndefined,
    finalize=_shown,
    trim_blocks=True,
    lstrip_blocks=True,
)
