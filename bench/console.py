"""How fast the console is to who works in it: 500 cases wait, a browser measures in its own page.

    OMP_NUM_THREADS=1 python bench/console.py            # own service on loopback, the shipped model, SQLite
    OMP_NUM_THREADS=1 python bench/console.py --waiting 2000 --keys 100

"First paint" is when the browser has painted the queue, counted from the moment the page was asked for; "next case"
begins with a key pressed on a case and ends with the frame that shows the next one, its decision stored.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.console_browser import FLAGS, Console, executable, see
from tests.console_world import world

if TYPE_CHECKING:
    from playwright.sync_api import Page

MOST_PAINT, MOST_KEY = 1000.0, 150.0  # milliseconds
_READING = 200  # milliseconds that a case is looked at before its key; nobody is quicker
# Until two frames later: the one that shows it has been painted by then.
_KEYED = """key => new Promise((told, failed) => {
    setTimeout(() => failed(new Error("no next case within ten seconds")), 10000);
    const before = document.querySelector("[data-case]")?.dataset.case, began = performance.now();
    const seen = new MutationObserver(() => {
        const now = document.querySelector("[data-case]")?.dataset.case;
        if (!now || now === before) return;
        seen.disconnect();
        requestAnimationFrame(() => setTimeout(() => told(performance.now() - began)));
    });
    seen.observe(document.body, {subtree: true, childList: true, attributes: true, attributeFilter: ["data-case"]});
    document.body.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true, cancelable: true}));
})"""
_PAINTED = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
_ROWS = """() => new Promise((told, failed) => {
    setTimeout(() => failed(new Error("no queue within ten seconds")), 10000);
    const look = () => document.querySelector("#queue tbody tr") ? requestAnimationFrame(() => told(performance.now()))
        : setTimeout(look, 5);
    look();
})"""


def first_paint(console: Console, page: "Page") -> tuple[float, float]:
    """Milliseconds until anything, and until the lines of the queue are on the screen."""
    page.goto(f"{console.url}/console/", wait_until="commit")
    shown = float(page.evaluate(_ROWS))
    see(page, "queue")
    page.wait_for_function(_PAINTED.replace(".startTime", ""))
    return float(page.evaluate(_PAINTED)), shown


def next_case(page: "Page", key: str) -> float:
    """Milliseconds from a key to the next case; one that nothing is suggested for is skipped first."""
    page.wait_for_timeout(_READING)
    while key == "1" and not page.get_by_test_id("accept-1").count():
        page.evaluate(_KEYED, "s")
        page.wait_for_timeout(_READING)
    return float(page.evaluate(_KEYED, key))


def on_first_case(console: Console, page: "Page") -> None:
    """Open the first case of the queue."""
    console.open(page, "/")
    link = page.locator("#queue tr:not(.taken) a[data-case]").first.get_attribute("href")
    console.open(page, str(link).removeprefix("/console"))
    see(page, "case")


def main() -> None:
    """Measure and tell."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--waiting", type=int, default=500)
    parser.add_argument("--keys", type=int, default=40)
    parser.add_argument("--paints", type=int, default=10)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="console-") as folder,
        world(Path(folder), waiting=options.waiting, decided=60) as service,
        sync_playwright() as driver,
    ):
        driver.selectors.set_test_id_attribute("data-test")
        browser = driver.chromium.launch(executable_path=executable(), args=list(FLAGS))
        console = Console(service, browser)
        page = console.sign_in("li")
        paints = [first_paint(console, page) for _ in range(options.paints)]
        _tell("first paint", [paint for paint, _ in paints], MOST_PAINT)
        _tell("queue shown", [shown for _, shown in paints], MOST_PAINT)
        cold = console.sign_in("zhou", "/login")  # another browser: no file is kept from before
        _tell("queue shown, empty cache", [first_paint(console, cold)[1]], MOST_PAINT)
        on_first_case(console, page)
        for key, name in (("1", "accept, next case"), ("s", "skip, next case")):
            _tell(name, [next_case(page, key) for _ in range(options.keys)], MOST_KEY)
        console.leave()
        browser.close()


def _tell(name: str, taken: Sequence[float], most: float) -> None:
    ordered: list[Any] = sorted(taken)
    p95 = ordered[min(len(ordered) - 1, round(0.95 * len(ordered)))]
    told = f"{name:<26} n {len(taken):>3}  median {statistics.median(taken):6.0f} ms  p95 {p95:6.0f} ms"
    sys.stdout.write(f"{told}  must {most:.0f} ms: {'met' if p95 <= most else 'MISSED'}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
