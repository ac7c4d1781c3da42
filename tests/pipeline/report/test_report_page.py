"""The report in a real browser: quiet, accessible, sorted, filtered, copied, by keyboard alone."""

import pytest

from smie_pipe.report.page import write_page
from smie_pipe.report.report import report_page

from .conftest import HOSTILE, LOOKS
from .runs import make_run

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Return the pages of a run, and of two, the second one of hostile names."""
    folder = tmp_path_factory.mktemp("pages")
    names = tuple(name for key, name in HOSTILE.items() if key not in ("surrogate", "controls"))
    plain = make_run(folder / "a", clips=30)
    runs = [plain, make_run(folder / HOSTILE["quotes"][:8], classes=names, clips=30, seed=1)]
    write_page(folder / "one.html", report_page(runs[:1], clips=9))
    write_page(folder / "two.html", report_page(runs, clips=4))
    return folder


@pytest.mark.parametrize("look", LOOKS)
def test_it_says_nothing_asks_nothing_and_is_accessible(visit, pages, axe, look):
    at = visit(pages / "two.html", look)
    assert at.said == [] and len(at.asked) == 1
    assert at.violations(axe) == []
    assert at.value("document.documentElement.scrollWidth <= innerWidth")
    assert at.value("document.querySelectorAll('img, script[src]').length") == 0


def test_keyboard_alone_reaches_every_control(visit, pages):
    at = visit(pages / "one.html")
    controls = "a[href], button, select, input, summary, [tabindex='0']"
    script = (
        f"[...document.querySelectorAll(`{controls}`)].filter(e => e.checkVisibility()).length"
    )
    there = at.value(script)
    assert there <= at.reached() <= there + 1  # the gallery too, where it scrolls


def test_a_heading_sorts_and_says_so(visit, pages):
    at = visit(pages / "one.html")
    rows = "[...document.querySelectorAll('#r-accuracy-table tbody tr')]"
    cells = f"{rows}.map(r => +r.cells[1].textContent)"
    heading = at.page.locator("#r-accuracy-table th").nth(1)
    heading.locator("button").focus()
    at.page.keyboard.press("Enter")
    assert at.value(cells) == sorted(at.value(cells))
    assert heading.get_attribute("aria-sort") == "ascending"
    at.page.keyboard.press("Enter")
    assert at.value(cells) == sorted(at.value(cells), reverse=True)
    assert heading.get_attribute("aria-sort") == "descending"


def test_a_filter_leaves_the_rows_that_have_the_word(visit, pages):
    at = visit(pages / "one.html")
    words = at.page.locator("[data-filter=r-classes-table]")
    rows = at.page.locator("#r-classes-table tbody tr:visible")
    words.fill("W")
    assert [text.split("\t")[0] for text in rows.all_inner_texts()] == ["throw", "hand waving"]
    words.fill("no such word")
    assert rows.count() == 0


def test_a_table_is_copied(visit, pages):
    at = visit(pages / "one.html", permissions=["clipboard-read", "clipboard-write"])
    at.page.click("[data-copy=r-accuracy][data-form=Markdown]")
    at.until("document.querySelector('.said')")
    assert at.value("navigator.clipboard.readText()").startswith("**Accuracy")
    assert at.said == []


def test_arrows_read_the_confusions(visit, pages):
    at = visit(pages / "one.html")
    at.page.locator(".matrix td").first.focus()
    readout = "document.querySelector('.readout').textContent"
    assert "rightly named" in at.value(readout)
    at.page.keyboard.press("ArrowRight")
    assert "“falling” taken for “pickup”" in at.value(readout)
    at.page.keyboard.press("End")
    at.page.keyboard.press("ArrowRight")  # the edge: stays
    assert "taken for “jump up”" in at.value(readout)
    assert (
        at.value(
            "document.querySelectorAll('.matrix')[0].querySelectorAll('[tabindex=\"0\"]').length"
        )
        == 1
    )


def test_confusions_are_put_side_by_side(visit, pages):
    at = visit(pages / "two.html")
    panels = at.page.locator(".panel:visible")
    assert panels.count() == 2
    at.page.locator(".chips input").nth(1).check()
    assert panels.count() == 3


def test_a_clip_plays_beside_its_scores(visit, pages):
    at = visit(pages / "one.html")
    at.page.locator(".gallery button").nth(4).click()
    chosen = at.page.locator(".gallery button").nth(4).locator(".name").inner_text()
    assert at.page.locator("#player [data-part=name]").inner_text() == chosen
    assert at.page.locator(".bars > div").count() == 2
    at.page.select_option("#only", "wrong")
    marks = at.page.locator(".gallery li:visible")
    assert 0 < marks.count() < 9
    assert all("✗" in marks.nth(i).inner_text() for i in range(marks.count()))


def test_print_opens_what_is_folded_and_hides_controls(visit, pages):
    at = visit(pages / "one.html")
    at.page.emulate_media(media="print")
    at.value("dispatchEvent(new Event('beforeprint'))")
    assert at.value("[...document.querySelectorAll('details')].every(d => d.open)")
    pictures = "[...document.querySelectorAll('.gallery svg')]"
    assert at.value(f"{pictures}.length === 9 && {pictures}.every(p => p.childElementCount)")
    assert at.page.locator("nav:visible, .controls:visible, .tools:visible").count() == 0


def test_500_clips_of_two_people_are_small_and_open_at_once(visit, tmp_path):
    run = make_run(tmp_path / "big", clips=500, persons=2)
    page = tmp_path / "big.html"
    write_page(page, report_page([run], clips=300))
    assert page.stat().st_size < 10e6
    opened = "performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"
    # The best of three: other work on the machine must not decide.
    assert min(visit(page).value(opened) for _ in range(3)) < 2000
