"""Pictures of the console for docs/console/: the real pages, invented cases.

python -m bench.console_screenshots            # needs Chromium and a Chinese font (Debian: chromium fonts-noto-cjk)
"""

import argparse
import io
import tempfile
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.console_browser import FLAGS, PHONE, WIDE, Console, executable, file_of, see, see_case
from tests.console_world import call, world

if TYPE_CHECKING:
    from playwright.sync_api import Page

FOLDER = Path("docs/console")
LIST = Path("configs/haikou/access_list.csv")
MOST_BYTES = 250_000
COLOURS = 256
_CALLERS = count()
BARBECUE = "龙华区金贸街道的烧烤店夜里十二点还在门口摆桌子，油烟大、吵得人睡不着，请城管来管一管。"
ROW = "ZJ-SH-014"


def case(page: "Page", console: Console) -> None:
    """A call, with what the caller said before."""
    caller = f"pictures-{next(_CALLERS)}"
    console.case(BARBECUE, caller=caller)
    case_id = console.case(call(BARBECUE), caller=caller)
    console.open(page, f"/case/{case_id}")
    see_case(page, case_id)


def override(page: "Page", console: Console) -> None:
    """A unit that the access list forbids, about to be forced."""
    case(page, console)
    page.keyboard.press("/")
    see(page, "unit-text").fill("jmjd")
    see(page, "forbidding-row")
    page.keyboard.press("Enter")
    see(page, "form-override")
    page.keyboard.press("Enter")
    see(page, "alert", ROW)


def queue(page: "Page", console: Console) -> None:
    """The queue."""
    console.open(page, "/")
    see(page, "queue")


def rules(page: "Page", console: Console) -> None:
    """A row of the access list, found by its text."""
    console.open(page, f"/rules?kind=access_list&q=烧烤&row={ROW}")
    see(page, "rules-card")


def trial(page: "Page", console: Console) -> None:
    """Who may lead a matter."""
    console.open(page, "/rules?view=try&category=030705")
    see(page, "trial")


def upload(page: "Page", console: Console) -> None:
    """What a new list would change."""
    rows = LIST.read_text(encoding="utf-8").splitlines()
    changed = [row.replace(",镇街,基本,", ",镇街,收回,") if row.split(",")[2].startswith("03") else row for row in rows]
    console.open(page, "/rules?view=upload")
    page.locator("input[type=file]").set_input_files([file_of("准入清单-试行.csv", "\n".join(changed))])
    see(page, "month-report")
    page.evaluate("document.querySelector('[data-test=check-changes]').scrollIntoView()")
    page.mouse.wheel(0, -60)  # from under the head


def quality(page: "Page", console: Console) -> None:
    """The figures."""
    console.open(page, "/quality")
    see(page, "acceptance")


def system(page: "Page", console: Console) -> None:
    """Versions, health, operators."""
    console.open(page, "/system")
    see(page, "operators")


SHOTS: tuple[tuple[str, str, Callable[["Page", Console], None]], ...] = (
    ("queue", "li", queue),
    ("case", "li", case),
    ("override", "li", override),
    ("rules", "li", rules),
    ("rules-try", "li", trial),
    ("rules-upload", "admin", upload),
    ("quality", "wang", quality),
    ("system", "admin", system),
)
ALSO = ("queue", "case")  # in the dark, and on a phone


def main() -> None:
    """Take them all."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--waiting", type=int, default=60)
    parser.add_argument("--decided", type=int, default=300)
    options = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="console-") as folder,
        world(Path(folder), waiting=options.waiting, decided=options.decided) as service,
        sync_playwright() as driver,
    ):
        driver.selectors.set_test_id_attribute("data-test")
        browser = driver.chromium.launch(executable_path=executable(), args=list(FLAGS))
        console = Console(service, browser)
        for name, login, show in SHOTS:
            _take(console, name, login, show)
            if name in ALSO:
                _take(console, f"{name}-dark", login, show, color_scheme="dark")
                _take(console, f"{name}-phone", login, show, viewport=PHONE)
        browser.close()


def _take(console: Console, name: str, login: str, show: Callable[["Page", Console], None], **options: Any) -> None:
    page = console.sign_in(login, "/", **{"viewport": WIDE, "color_scheme": "light", **options})
    show(page, console)
    page.wait_for_timeout(300)
    (FOLDER / f"{name}.png").write_bytes(small(page.screenshot()))
    console.leave()


def small(picture: bytes) -> bytes:
    """The same with a palette, so that it weighs little.

    :raises SystemExit: when it is too heavy even so.
    """
    from PIL import Image

    packed = io.BytesIO()
    with Image.open(io.BytesIO(picture)) as image:
        image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(packed, "PNG", optimize=True)
    if packed.tell() > MOST_BYTES:
        raise SystemExit(f"a picture of {packed.tell()} bytes; at most {MOST_BYTES}")
    return packed.getvalue()


if __name__ == "__main__":
    main()
