"""The live view: what it serves, to whom, and labels on their way back."""

import http.client
import json
import queue

import numpy as np
import pytest

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.report.live import MOST_BODY_BYTES, LiveView, checked_labels

from .conftest import HOSTILE

LABELS = ["salute", "throw"]


@pytest.fixture
def heard():
    """Return the queue of labels that came from a page."""
    return queue.Queue()


@pytest.fixture
def live(heard):
    def on_labels(labels):
        if "refuse me" in labels:
            raise InputError("unknown word")
        heard.put(labels)

    with LiveView(LABELS, on_labels, title="a <b>") as view:
        yield view


def ask(live, path, method="GET", body=None, **headers):
    """Return (status, text) of one request; ``None`` leaves a header out."""
    connection = http.client.HTTPConnection("127.0.0.1", live.port, timeout=5)
    own = {"Host": f"127.0.0.1:{live.port}"} | {k.replace("_", "-"): v for k, v in headers.items()}
    connection.putrequest(method, path, skip_host=True)
    if body is not None:
        own.setdefault("Content-Length", str(len(body)))
    for name, value in own.items():
        if value is not None:
            connection.putheader(name, value)
    connection.endheaders(body)
    answer = connection.getresponse()
    found = answer.status, answer.read().decode()
    connection.close()
    return found


def post(live, labels, **headers):
    body = labels if isinstance(labels, bytes) else json.dumps(labels).encode()
    own = {"Origin": f"http://127.0.0.1:{live.port}", "Content_Type": "application/json"} | headers
    return ask(live, f"/{live.token}/labels", "POST", body, **own)


def test_the_page_is_served_with_its_token_alone(live):
    status, text = ask(live, f"/{live.token}/")
    assert status == 200 and "a &lt;b&gt;" in text and "connect-src &#39;self&#39;" in text
    assert live.url == f"http://127.0.0.1:{live.port}/{live.token}/" and len(live.token) >= 32
    for path in (
        "/",
        "/x/",
        f"/{live.token}",
        f"/{live.token[:-1]}/",
        "//",
        f"/{live.token}x/events",
    ):
        assert ask(live, path)[0] == 403, path
    assert ask(live, f"/{live.token}/other")[0] == 404
    assert ask(live, f"/{live.token}/", "POST", b"[]")[0] == 404
    assert ask(live, f"/{live.token}/", "PUT", b"")[0] == 501


@pytest.mark.parametrize(
    "headers, said",
    [
        ({"Host": "evil.example"}, "another host"),
        ({"Host": None}, "another host"),
        ({"Host": "127.0.0.1:1"}, "another host"),
        ({"Origin": "https://evil.example"}, "another origin"),
        ({"Origin": "null"}, "another origin"),
        ({"Sec_Fetch_Site": "cross-site"}, "another site"),
        ({"Sec_Fetch_Site": "same-site"}, "another site"),
    ],
)
def test_other_hosts_and_origins_get_nothing(live, heard, headers, said):
    for path in ("", "events", "labels"):
        assert ask(live, f"/{live.token}/{path}", **headers) == (403, said)
    assert post(live, ["x"], **headers) == (403, said)
    assert heard.empty() and live.labels == LABELS


def test_two_views_have_ports_and_tokens_of_their_own(live):
    with LiveView(LABELS, print) as other:
        assert other.port != live.port and other.token != live.token
        assert ask(live, f"/{other.token}/")[0] == 403


def test_labels_go_to_the_program(live, heard):
    assert post(live, ["  bow   deeply ", "", "jump"]) == (200, "taken")
    assert heard.get_nowait() == ["bow deeply", "jump"] == live.labels


@pytest.mark.parametrize(
    "body, headers, status, said",
    [
        (["a"], {"Origin": None}, 403, "from the page alone"),
        (["a"], {"Content_Type": "text/plain"}, 415, "application/json"),
        (["a"], {"Content_Length": str(MOST_BODY_BYTES + 1)}, 413, "at most"),
        (["a"], {"Content_Length": "-1"}, 413, "at most"),
        (b"{", {}, 400, "expected JSON"),
        (b"\xff", {}, 400, "expected JSON"),
        (b"[" * 5000, {}, 400, "expected"),
        ({"a": 1}, {}, 400, "expected a list of labels"),
        ([1], {}, 400, "expected a list of labels"),
        (["refuse me"], {}, 400, "unknown word"),
    ],
)
def test_what_is_no_labels_is_refused_and_changes_nothing(
    live, heard, body, headers, status, said
):
    found = post(live, body, **headers)
    assert found[0] == status and said in found[1]
    assert heard.empty() and live.labels == LABELS


@pytest.mark.parametrize(
    "labels, said",
    [
        ([], "give at least one"),
        ([" ", ""], "give at least one"),
        (["a", "a "], "'a' stands there twice"),
        (["x" * 501], "longer than 500"),
        ([str(i) for i in range(501)], "501 labels; expected at most 500"),
    ],
)
def test_labels_that_cannot_be_ranked_are_named(labels, said):
    with pytest.raises(InputError, match=said):
        checked_labels(labels)


class Events:
    """The events of an open page, read one by one."""

    def __init__(self, live):
        self.connection = http.client.HTTPConnection("127.0.0.1", live.port, timeout=5)
        self.connection.request("GET", f"/{live.token}/events")
        self.answer = self.connection.getresponse()
        assert self.answer.getheader("Content-Type").startswith("text/event-stream")
        assert self.answer.getheader("Access-Control-Allow-Origin") is None

    def next(self):
        name = self.answer.readline().decode()
        if not name:
            return None
        data = self.answer.readline().decode()
        self.answer.readline()
        return name.removeprefix("event: ").strip(), json.loads(data.removeprefix("data: "))


def test_a_page_begins_with_what_was_and_follows(live):
    bodies = np.ones((2, 25, 3))
    bodies[0, 4, 1] = np.nan
    bodies[1] = np.nan
    live.frame(bodies)
    live.ranking([("salute", 0.75), ("throw", 0.25)])
    page = Events(live)
    assert page.next() == ("labels", LABELS)
    name, (first, second) = page.next()
    assert name == "frame" and second is None
    assert first[4] is None and first[3] == [1, 1, 1] and len(first) == 25
    assert page.next() == ("ranking", [["salute", 0.75], ["throw", 0.25]])
    live.set_labels(["bow"])
    assert page.next() == ("labels", ["bow"])
    page.connection.close()


def test_closing_ends_the_events_of_open_pages():
    live = LiveView(LABELS, print)
    page = Events(live)
    assert page.next()[0] == "labels"
    live.close()
    assert page.next() is None
    with pytest.raises(OSError):
        ask(live, "/")


def test_a_slow_page_holds_nothing_up(live):
    page = Events(live)
    for _ in range(5000):
        live.frame(np.zeros((1, 25, 3)))
    live.ranking([("throw", 1.0)])
    found = page.next()
    while found[0] != "ranking":
        found = page.next()
    assert found == ("ranking", [["throw", 1.0]])


@pytest.mark.browser
def test_the_page_shows_frames_and_takes_labels(live, heard, visit, axe):
    at = visit(live.url)
    for t in range(40):
        live.frame(np.full((1, 25, 3), 0.01 * t) + np.arange(25)[None, :, None] * [0, 0.1, 0])
    live.ranking([(HOSTILE["markup"], 0.9), ("throw", 0.1)])
    at.until("document.querySelectorAll('#ranking li').length === 2")
    assert at.value("document.querySelector('#ranking bdi').textContent") == HOSTILE["markup"]
    at.until("document.querySelector('[data-part=time]').textContent.endsWith('frame 40 of 40')")
    at.page.locator("[data-part=stage]").focus()
    at.page.keyboard.press(",")  # looks back, so new frames are kept but not shown
    live.frame(np.zeros((1, 25, 3)))
    at.until("document.querySelector('[data-part=scrub]').max === '40'")
    assert at.value("document.querySelector('[data-part=scrub]').value") == "38"
    at.page.fill("#labels", "refuse me")
    at.page.keyboard.press("Control+Enter")
    at.until("document.getElementById('said').textContent === 'unknown word'")
    at.page.fill("#labels", "bow\njump")
    at.page.click("text=Use these labels")
    assert heard.get(timeout=5) == ["bow", "jump"]
    at.until("document.getElementById('said').textContent === 'In use.'")
    assert at.violations(axe) == []
    assert all(url.startswith(live.url) for url in at.asked)
    # The refusal is a line of the browser's own console, as every status of 400 is.
    assert [text for text in at.said if "400" not in text] == []
