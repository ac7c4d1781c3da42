"""A headless Chromium for the pages, and what it must not meet; skipped where none is."""

import os
import shutil
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WIDE, PHONE = {"width": 1200, "height": 900}, {"width": 390, "height": 844}
LOOKS = {
    "light": {"viewport": WIDE, "color_scheme": "light"},
    "dark": {"viewport": WIDE, "color_scheme": "dark"},
    "phone": {"viewport": PHONE, "color_scheme": "light", "has_touch": True},
}
HOSTILE = {
    "markup": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "quotes": "\"'`${1}{{7*7}}{% raw %}",
    "end of block": "</script></style><!--]]>",
    "controls": "a\x00b\x1b[31mc\x7f",
    "right to left": "שלום \u202egnp.exe\u2066",
    "long": "w" * 3000,
    "surrogate": "bad\udcff.skeleton",
}


@pytest.fixture(scope="module")
def chromium():
    """Return a browser; needs playwright and a Chromium (CHROMIUM, or on the path)."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    names = ("chromium", "chromium-browser", "google-chrome")
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if path is None:
        pytest.skip("needs a Chromium on the path, or its path in CHROMIUM")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def axe():
    """Return the source of axe-core: the file in AXE_CORE, or below node_modules."""
    path = Path(os.environ.get("AXE_CORE", ROOT / "node_modules" / "axe-core" / "axe.min.js"))
    if not path.is_file():
        pytest.skip(f"needs axe-core ({path}; npm install axe-core, or its path in AXE_CORE)")
    return path.read_text(encoding="utf-8")


class Visit:
    """A page that is open, with all it said and asked for."""

    def __init__(self, context, path):
        self.said, self.asked = [], []
        self.page = context.new_page()
        self.page.set_default_timeout(5000)
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: self.said.append(dialog.message))
        self.page.on("request", lambda request: self.asked.append(request.url))
        url = str(path)
        self.page.goto(url if "://" in url else Path(path).resolve().as_uri())

    def value(self, script):
        return self.page.evaluate(script)

    def until(self, script, seconds=5):
        """Wait until a script is true; playwright's own way is an eval, which the page forbids."""
        end = time.monotonic() + seconds
        while not self.value(script):
            assert time.monotonic() < end, f"not within {seconds} s: {script}"
            self.page.wait_for_timeout(20)

    def violations(self, axe):
        self.page.evaluate(axe)
        found = self.page.evaluate("axe.run({ resultTypes: ['violations'] })")["violations"]
        return [(rule["id"], [node["html"][:200] for node in rule["nodes"]]) for rule in found]

    def reached(self, presses=400):
        """Return the ids or texts of all that Tab reaches, until it comes around."""
        self.page.evaluate("document.body.focus()")
        found = []
        for _ in range(presses):
            self.page.keyboard.press("Tab")
            now = self.page.evaluate(
                "(() => { const e = document.activeElement; if (e === document.body) return '';"
                "window.seen = window.seen || new Map();"
                "if (!seen.has(e)) seen.set(e, seen.size); return String(seen.get(e)); })()"
            )
            if not now or now in found:
                break
            found.append(now)
        return len(found)


@pytest.fixture
def visit(chromium):
    """Return a function that opens a page in one of LOOKS."""
    contexts = []

    def opened(path, look="light", **more):
        contexts.append(chromium.new_context(**LOOKS[look], **more))
        return Visit(contexts[-1], path)

    yield opened
    for context in contexts:
        context.close()
