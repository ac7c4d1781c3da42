"""The player in a real browser: what it draws, what keys do, what it never does by itself."""

import numpy as np
import pytest

from smie_pipe.report.motion import Motion, Segment
from smie_pipe.report.page import write_page
from smie_pipe.report.view import _page

from .conftest import HOSTILE, LOOKS

pytestmark = pytest.mark.browser
FRAME = "+document.querySelector('[data-part=scrub]').value"
YAW = "+document.querySelector('[data-part=yaw]').value"
PLAY = "document.querySelector('[data-part=play]').textContent"


def people(frames=60, fps=30.0):
    """Return two bodies whose joints stand in a column and sway; the second is absent at first."""
    bodies = np.zeros((2, frames, 25, 3))
    bodies[..., 1] = np.linspace(-1, 1, 25)
    bodies[..., 0] = np.sin(np.linspace(0, 6, frames))[None, :, None] * 0.3
    bodies[1, ..., 0] += 1
    bodies[1, 0] = np.nan
    return bodies


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Return a page of seven clips with hostile names; the first has segments of such names."""
    names = list(HOSTILE.values())
    segments = [Segment(name, 0.2 * i, 0.2 * i + 0.3, 0.5) for i, name in enumerate(names)]
    motions = [
        Motion(n, n[::-1], people(), segments=segments if not i else ())
        for i, n in enumerate(names)
    ]
    path = tmp_path_factory.mktemp("page") / "view.html"
    write_page(path, _page(names[0], names, motions))
    return path


@pytest.mark.parametrize("look", LOOKS)
def test_it_says_nothing_asks_nothing_and_is_accessible(visit, page, axe, look):
    at = visit(page, look)
    at.page.wait_for_timeout(100)
    assert at.said == [] and len(at.asked) == 1
    assert at.violations(axe) == []
    assert at.value("document.documentElement.scrollWidth <= innerWidth")
    assert at.value("document.querySelectorAll('img, b, script[src]').length") == 0


@pytest.mark.parametrize("look", ["light", "dark"])
def test_bodies_stand_out_and_differ_by_more_than_colour(visit, page, look):
    at = visit(page, look)
    at.page.keyboard.press("Tab")
    at.page.keyboard.press(".")
    style = "getComputedStyle(document.querySelector('#player .body{} .{}'))['{}']"
    paper = at.value("getComputedStyle(document.querySelector('.stage')).backgroundColor")
    for body in (0, 1):
        for part in ("left", "right"):
            stroke = at.value(style.format(body, part, "stroke"))
            assert contrast(stroke, paper) >= 3, (look, body, part, stroke, paper)
    assert at.value(style.format(0, "right", "stroke-dasharray")) == "none"
    assert at.value(style.format(1, "right", "stroke-dasharray")) != "none"
    assert at.value(style.format(0, "right", "d")) not in ("none", "")
    assert at.value(style.format(1, "right", "d")) not in ("none", "")


def contrast(one, other):
    """Return WCAG's ratio of two colours written as ``rgb(r, g, b)``."""
    light = sorted((luminance(one), luminance(other)))
    return (light[1] + 0.05) / (light[0] + 0.05)


def luminance(colour):
    values = np.array([float(v) for v in colour[4:-1].split(",")[:3]]) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_keys_play_step_and_turn(visit, page):
    at = visit(page)
    press = at.page.keyboard.press
    press("Tab")
    assert at.value("document.activeElement.dataset.part") == "stage"
    before = at.value(YAW)
    for key in (".", ".", ","):
        press(key)
    press("ArrowRight")
    assert (at.value(FRAME), at.value(YAW)) == (1, before + 10)
    press("End")
    assert at.value(FRAME) == 59
    press("Home")
    press("Space")
    assert at.value(PLAY) == "Pause"
    at.until(f"{FRAME} > 3")
    press("Space")
    stopped = at.value(FRAME)
    at.page.wait_for_timeout(150)
    assert at.value(PLAY) == "Play" and at.value(FRAME) == stopped


def test_tab_reaches_every_control_and_comes_around(visit, page):
    at = visit(page)
    controls = "button, select, input, [tabindex='0'], .gallery"
    there = at.value(
        f"[...document.querySelectorAll(`{controls}`)].filter(e => e.offsetParent).length"
    )
    # The gallery itself takes the focus only where its content is longer than it is high.
    assert there - 1 <= at.reached() <= there


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_nothing_plays_by_itself(visit, page, motion):
    at = visit(page, reduced_motion=motion)
    at.page.wait_for_timeout(200)
    assert (at.value(FRAME), at.value(PLAY)) == (0, "Play")
    at.page.click(".gallery li:nth-child(3) button")
    at.page.wait_for_timeout(100)
    assert (at.value(FRAME), at.value(PLAY)) == (0, "Play")


def test_a_segment_plays_from_its_start_to_its_end(visit, page):
    at = visit(page)
    at.page.uncheck("[data-part=loop]")
    at.page.click(".segments li:nth-child(4) button")
    at.until(f"{PLAY} === 'Play'")
    assert at.value(FRAME) == 26  # 0.6 s to 0.9 s at 30 frames a second: 18 to 26
    at.page.click(".strip span:nth-child(2)")
    assert 6 <= at.value(FRAME) <= 14


def test_names_are_shown_as_they_are_written(visit, page):
    at = visit(page)
    shown = at.value("[...document.querySelectorAll('.segments .label')].map(e => e.textContent)")
    assert shown[0] == HOSTILE["markup"] and shown[3] == "a\\x00b\\x1b[31mc\\x7f"
    assert shown[4].startswith("שלום \\u202e")


def test_the_gallery_filters(visit, page):
    at = visit(page)
    at.page.fill("#filter", "SHOULD NOT BE THERE")
    assert at.value("document.getElementById('shown').textContent") == "0 of 7 clips"
    at.page.fill("#filter", "ONERROR")
    assert at.page.locator(".gallery li:visible").count() == 1


def test_frames_can_be_appended_live(visit, page):
    at = visit(page)
    at.value(
        "(() => { const { plan } = JSON.parse(document.getElementById('data').textContent);"
        "window.live = new Player(document.getElementById('player'), plan); live.clear(30);"
        "const body = (t) => Array.from({ length: 25 }, (_, j) => [t, j, 0]);"
        "for (let t = 0; t < 5; t++) live.append([body(t), null]);"
        "live.append([null, Array(25).fill(null)]); })()"
    )
    assert at.value("[live.frames.length, live.at, live.to]") == [6, 5, 5]
    assert at.said == []
