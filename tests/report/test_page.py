import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from example import PASSAGE, cut_bytes, cut_halves, cut_words

from foretell.report import page
from foretell.report.page import align, render_page, write_page


class Reader(HTMLParser):
    """Collects elements and what they load."""

    def __init__(self):
        super().__init__()
        self.scripts, self.loads, self.ids, self.text = [], [], [], []
        self.inside = None

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.inside = tag
        if tag == "script":
            self.scripts.append(attrs)
        if tag in ("link", "img", "iframe", "object", "embed", "video", "base", "form"):
            self.loads.append((tag, attrs))
        self.loads += [(k, v) for k, v in attrs.items() if k == "src" or k.startswith("on")]
        self.loads += [
            ("href", attrs["href"]) for _ in "h" if not attrs.get("href", "#").startswith("#")
        ]
        if "id" in attrs:
            self.ids.append(attrs["id"])

    def handle_endtag(self, tag):
        self.inside = None

    def handle_data(self, data):
        if self.inside not in ("script", "style"):
            self.text.append(data)


@pytest.fixture(scope="module", params=["en", "zh"])
def rendered(request, comparison):
    return request.param, render_page(comparison, request.param)


def read(html):
    reader = Reader()
    reader.feed(html)
    return reader


def test_page_is_one_small_file_that_loads_nothing(rendered):
    _, html = rendered
    assert len(html.encode()) < 2_000_000
    reader = read(html)
    assert reader.loads == []
    assert len(reader.scripts) == 2
    assert len(reader.ids) == len(set(reader.ids))
    assert not re.search(r"https?://|@import|url\((?!#)", html)


def test_models_cannot_run_anything(rendered):
    _, html = rendered
    assert "<script>alert(1)" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "<b>bold" not in html


def test_everything_is_in_the_page(rendered, comparison):
    language, html = rendered
    text = "".join(read(html).text)
    for rung in comparison.rungs:
        assert rung.name in text
        assert rung.signature in text
        assert f"{rung.bits_per_byte.value:.3f}" in text
    for reason in comparison.skipped.values():
        assert reason in text
    assert comparison.recommendation[language] in text
    assert f'<html lang="{page.words(language)["lang"]}">' in html
    for key in ("table_title", "curves_title", "tradeoff_title", "passage_title", "method_title"):
        assert page.words(language)[key] in text


def test_passage_is_spelled_by_every_rung(rendered, comparison):
    _, html = rendered
    data = json.loads(re.search(r'id="data">(.*?)</script>', html, re.S)[1])
    assert [rung["name"] for rung in data["rungs"]] == [rung.name for rung in comparison.rungs]
    for rung in data["rungs"]:
        assert rung["shared"]
        assert rung["text"] == PASSAGE
        assert len(rung["t"]) == len(comparison.passage[rung["name"]])


@pytest.mark.parametrize("cut", [cut_words, cut_bytes, cut_halves])
def test_align_finds_the_characters_behind_pieces(cut):
    tokens = cut(PASSAGE)
    places = align(tokens, PASSAGE)
    assert places is not None
    at = 0
    for token, place in zip(tokens, places, strict=True):
        assert place.start in (at, at - 1) or place.pieces > 1
        if "�" not in token:
            assert PASSAGE[place.start : place.end] == token
            assert place.pieces == 1
        at = place.end
    assert at == len(PASSAGE)
    if cut is cut_bytes:
        assert all(p.pieces == len(PASSAGE[p.start : p.end].encode()) for p in places)


def test_align_says_when_tokens_spell_something_else():
    assert align(["a", "b"], "abc") is None
    assert align(["x", "b"], "abc") is None
    assert align([], "") == []


def test_unknown_words_do_not_hide_a_reading(comparison):
    name = comparison.rungs[0].name
    tokens = tuple(replace(t, text="<unk>") for t in comparison.passage[name][:4])
    html = render_page(replace(comparison, passage={name: tokens}), "en")
    assert "\\u003cunk\\u003e" in html


def test_a_bare_comparison_renders(comparison):
    bare = replace(
        comparison,
        rungs=tuple(replace(r, curve=(), samples=(), settings={}) for r in comparison.rungs),
        passage={},
        contrasts=(),
        prompts=(),
        skipped={},
        recommendation={},
        split={},
        settings={},
        machine={},
        versions={},
    )
    for language in ("en", "zh"):
        html = render_page(bare, language)
        assert page.words(language)["curves_empty"] in html
        assert page.words(language)["nothing_skipped"] in html


def test_a_large_passage_is_left_out_aloud(comparison, monkeypatch):
    monkeypatch.setattr(page, "LIMIT", 300_000)
    html = render_page(comparison, "en")
    assert len(html.encode()) <= 300_000
    assert re.search(r"Left out here, to keep the page small: [^<]*unigram\.", html)


def test_write_is_atomic(comparison, tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    write_page(comparison, path, "en")
    before = path.read_text("utf-8")
    assert before == render_page(comparison, "en")

    def fail(*_):
        raise OSError("full")

    monkeypatch.setattr(page.os, "replace", fail)
    with pytest.raises(OSError, match="full"):
        write_page(comparison, path, "zh")
    assert path.read_text("utf-8") == before
    assert list(tmp_path.iterdir()) == [path]


def test_lone_surrogates_do_not_stop_the_page(comparison, tmp_path):
    write_page(replace(comparison, title="broken \ud800 name"), tmp_path / "r.html", "en")


def test_importing_the_report_is_light():
    import subprocess
    import sys

    code = (
        "import sys, foretell.report.page, foretell.report.tables;"
        "heavy = {'matplotlib', 'jinja2', 'rich', 'torch'} & set(sys.modules);"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
