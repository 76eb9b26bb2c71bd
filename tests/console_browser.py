"""A browser before the console: Debian's Chromium without a network, and a service with the shipped model behind it."""

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:  # loaded only where a browser is there
    from playwright.sync_api import (
        Browser,
        BrowserContext,
        ConsoleMessage,
        FilePayload,
        Locator,
        Page,
        Response,
        StorageState,
    )

    from bench.service import Service

NAMES = ("chromium", "chromium-browser", "google-chrome")
# Runs as root in a container, and asks nobody for anything but the service.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--no-first-run",
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
WIDE = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}
PATIENCE = 15_000  # milliseconds for whatever is waited for
_numbers = count()


class Console:
    """A console in use: its service, and the browser that operators open it with.

    :param troubles: what went wrong in any page: errors of scripts, of the browser's console, answers of 5xx.
    """

    def __init__(self, service: "Service", browser: "Browser") -> None:
        self.url = f"http://127.0.0.1:{service.port}"
        self.service = service
        self.troubles: list[str] = []
        self._browser = browser
        self._states: dict[str, StorageState] = {}
        self._contexts: list[BrowserContext] = []

    def sign_in(self, login: str, path: str = "/", **options: Any) -> "Page":
        """A page of a browser of its own, where that operator is signed in.

        :param options: of the browser, such as `viewport`.
        """
        if login not in self._states:
            page = self.visit("/login")
            fill_in(page, login)
            self._states[login] = page.context.storage_state()
        return self.visit(path, storage_state=self._states[login], **options)

    def visit(self, path: str, **options: Any) -> "Page":
        """A page of a browser of its own, with nobody signed in."""
        context = self._browser.new_context(**{"viewport": WIDE, "locale": "zh-CN", **options})
        context.set_default_timeout(PATIENCE)
        self._contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: self.troubles.append(f"{page.url}: {error}"))
        page.on("console", lambda said: self._said(page, said))
        page.on("response", lambda response: self._answered(response))
        self.open(page, path)
        return page

    def open(self, page: "Page", path: str) -> None:
        """Lead a page to a path below /console, and wait until its keys are heard."""
        page.goto(f"{self.url}/console{path}")
        ready(page)

    def case(self, text: str | list[dict[str, str]], **told: Any) -> str:
        """A case as an intake system sends it; returns its number."""
        case_id = f"E{next(_numbers):05}"
        sent = {"case_id": case_id, "transcript": text, "received_at": datetime.now(UTC).isoformat(), **told}
        return str(self.api(lambda client: client.route(sent)).case_id)

    def api(self, step: Callable[[Any], Any]) -> Any:
        """What `step` of a client of the HTTP interface comes to."""
        from serving.client import Client

        with Client(self.url) as client:
            return step(client)

    def state(self, case_id: str) -> Any:
        """The case as it is stored."""
        return self.api(lambda client: client.case(case_id))

    def leave(self) -> None:
        """Close all pages: what they hold is given back."""
        for context in self._contexts:
            context.close()
        self._contexts.clear()

    def _said(self, page: "Page", said: "ConsoleMessage") -> None:
        if said.type in ("error", "warning"):
            self.troubles.append(f"{page.url}: {said.text}")

    def _answered(self, response: "Response") -> None:
        if response.status >= 500:
            self.troubles.append(f"{response.url}: {response.status}")


def fill_in(page: "Page", login: str, password: str | None = None) -> None:
    """Sign in by the form."""
    from tests.console_world import PASSWORD

    page.fill("#login", login)
    page.fill("#password", password or PASSWORD)
    page.click("button[type=submit]")


def ready(page: "Page") -> None:
    """Wait until what is done on the page reaches the service; at once where there is nothing to do."""
    page.wait_for_function("!document.querySelector('#app, .nicegui-content') || window.socket?.connected")


def see(page: "Page", name: str, text: str = "") -> "Locator":
    """Wait until the part of that name is there with that text."""
    found = page.get_by_test_id(name).filter(has_text=text).first
    found.wait_for()
    return found


def see_case(page: "Page", case_id: str) -> None:
    """Wait until that case is on the screen."""
    page.locator(f'[data-case="{case_id}"][data-test=case]').wait_for()


def file_of(name: str, content: str) -> "FilePayload":
    """A file as one chooses it."""
    return {"name": name, "mimeType": "text/csv", "buffer": content.encode()}


def executable() -> str | None:
    """The browser, if there is one."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    """One Chromium for a module: while it runs, no other event loop can in this thread."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: no browser tests")
    found = executable()
    if found is None:
        pytest.skip(f"no browser on PATH ({', '.join(NAMES)}): install Debian's package chromium")
    with playwright.sync_playwright() as driver:
        driver.selectors.set_test_id_attribute("data-test")
        started = driver.chromium.launch(executable_path=found, args=list(FLAGS))
        yield started
        started.close()


@pytest.fixture(scope="module")
def crowd() -> tuple[int, int]:
    """How many cases wait, and how many were decided before; a module says otherwise by a fixture of this name."""
    return 12, 6


@pytest.fixture(scope="module")
def opened(browser: "Browser", crowd: tuple[int, int], tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Console]":
    """The service of a module, with the shipped model and invented cases."""
    from tests.console_world import world

    folder: Path = tmp_path_factory.mktemp("console")
    with world(folder, waiting=crowd[0], decided=crowd[1]) as service:
        yield Console(service, browser)


@pytest.fixture
def console(opened: Console) -> Iterator[Console]:
    """The console for one test, at whose end no page may have had a trouble that the test does not know of."""
    opened.troubles.clear()
    yield opened
    opened.leave()
    if opened.troubles:
        pytest.fail("\n".join(opened.troubles))
