"""A page shows what a user named, and nothing that a user named runs."""

import base64
import hashlib
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smie_pipe.report.page import json_block, policy, render_page, visible, write_page

from .conftest import HOSTILE


@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_json_in_a_page_reads_back_and_has_nothing_html_would_read(value):
    block = str(json_block({"v": value}))
    assert not set("<>&") & set(block) and block.isascii()
    if isinstance(value, str):
        assert json.loads(block)["v"] == visible(value)


def test_json_refuses_numbers_a_page_cannot_read():
    with pytest.raises(ValueError, match="JSON compliant"):
        json_block([float("nan")])


@given(st.text())
def test_visible_text_can_be_written_and_turns_nothing_around(text):
    shown = visible(text)
    shown.encode()
    assert not re.search("[\x00\x1b\u202e\u2066]", shown)
    assert visible(shown) == shown


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_title_stays_text(name, tmp_path):
    values = {"facts": [name], "many": False, "data": {"name": name}}
    parts = {"styles": ("page.css",), "scripts": ("player.js",)}
    text = render_page("view.html.j2", title=name, **parts, **values)
    assert text.count("<script") == 2 and text.count("</style>") == 1 and "<img" not in text
    assert "49" not in re.findall("<title>(.*?)</title>", text, re.DOTALL)[0]
    write_page(tmp_path / "page.html", text)
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == text


def test_the_policy_allows_the_two_blocks_of_the_page_and_no_more():
    values = {"title": "t", "facts": [], "many": False, "data": {}}
    text = render_page("view.html.j2", styles=("page.css",), scripts=("player.js",), **values)
    (style,) = re.findall("<style>(.*?)</style>", text, re.DOTALL)
    (script,) = re.findall("<script>(.*?)</script>", text, re.DOTALL)
    for block in (style, script):
        digest = base64.b64encode(hashlib.sha256(block.encode()).digest()).decode()
        assert f"sha256-{digest}" in policy(style, script)
    assert "unsafe" not in text and " style=" not in text and " onclick" not in text
    assert policy(style, script).replace("'", "&#39;") in text
