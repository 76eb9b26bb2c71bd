"""A text field that offers what fits while one types; arrows, Enter or a click choose (static/rules.js)."""

from collections.abc import Awaitable, Callable

from nicegui import events, ui

from serving.console.rules_find import Named, Names
from serving.console.templates import render

HINT = "名称、代码或拼音首字母"
_TYPED, _CHOSEN = "(e) => rules.typed(e, emit)", "(e) => rules.chosen(e, emit)"  # of static/rules.js


class Offer:
    """The field.

    :param key: its id on the page, and its `data-test`; the list of offers has `-list` behind it.
    :param chosen: is told the code, or "" when the field was emptied.
    """

    def __init__(
        self,
        label: str,
        names: Names,
        chosen: Callable[[str], Awaitable[None]],
        *,
        key: str,
        value: Named | None = None,
        shortcut: str = "",
    ) -> None:
        self._key, self._names, self._chosen = key, names, chosen
        shown = f"{value.code} {value.name}" if value else ""
        field = render("rules_field.html.j2", key=key, label=label, value=shown, hint=HINT, shortcut=shortcut)
        with ui.element("div").classes("picker"):
            ui.html(field, sanitize=False).on("input", self._typed, js_handler=_TYPED)
            self._list = ui.html(self._offers(()), sanitize=False).on("click", self._choose, js_handler=_CHOSEN)

    async def _typed(self, event: events.GenericEventArguments) -> None:
        text = str(event.args)
        self._list.content = self._offers(self._names.find(text) if text.strip() else None)
        ui.run_javascript(f"rules.offered('{self._key}-list')")
        if not text.strip():
            await self._chosen("")

    async def _choose(self, event: events.GenericEventArguments) -> None:
        self._list.content = self._offers(())
        if self._names.get(str(event.args)):
            await self._chosen(str(event.args))

    def _offers(self, found: tuple[Named, ...] | None) -> str:
        """The list; None: nothing was asked for."""
        offered = "" if found is None else render("rules_options.html.j2", found=found, key=f"{self._key}-list")
        return f'<ul id="{self._key}-list" role="listbox" aria-label="可选" hidden>{offered}</ul>'
