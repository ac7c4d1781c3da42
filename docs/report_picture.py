"""Draw docs/report.png: the top of a run's report and a clip of two people, in a browser.

``python docs/report_picture.py RUN [OUTPUT]`` needs playwright, a Chromium on the path, and a run
folder such as the one of ``smie-pipe demo``.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from smie_pipe.report.page import write_page
from smie_pipe.report.report import report_page

HIDDEN = (
    "nav, .top p, #trust, #results .sheet + .sheet, #results .tools, #fails, #curves, "
    "#data-section, #ran, footer"
)
# The first clip of two people, in the middle of what they do, seen a little from the side.
SCENE = """() => {
  document.querySelectorAll(HIDDEN).forEach((part) => part.remove());
  dispatchEvent(new Event("beforeprint"));  // draws every clip's picture
  const pictures = [...document.querySelectorAll(".gallery svg")];
  const pair = pictures.find((picture) => picture.querySelectorAll(".body").length > 1);
  (pair || pictures[0]).closest("button").click();
  document.querySelector(".gallery").style.maxHeight = "38rem";
  (pair || pictures[0]).closest("li").scrollIntoView();
  const scrub = document.querySelector("[data-part=scrub]");
  scrub.value = 22;
  scrub.dispatchEvent(new Event("input"));
  scrollTo(0, 0);
}"""


def main(run: Path, output: Path) -> None:
    """Write the picture of a run's report."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        page_file = Path(folder) / "report.html"
        write_page(page_file, report_page([run]))
        path = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = driver.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1160, "height": 900})
        page.goto(page_file.as_uri())
        page.evaluate(SCENE.replace("HIDDEN", repr(HIDDEN)))
        page.screenshot(path=output, full_page=True)
        browser.close()


if __name__ == "__main__":
    here = Path(__file__).parent / "report.png"
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else here)
