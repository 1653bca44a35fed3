import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from foretell.report import page
from foretell.report.page import place_tokens, render_page, write_page
from tests.report.example import PASSAGE, cut_across, cut_bytes, cut_halves, cut_words


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


def data_of(html):
    return json.loads(re.search(r'id="data">(.*?)</script>', html, re.S)[1])


def test_passage_is_spelled_by_every_rung(rendered, comparison):
    _, html = rendered
    data = data_of(html)
    assert data["text"] == PASSAGE
    assert [rung["name"] for rung in data["rungs"]] == [rung.name for rung in comparison.rungs]
    for rung, result in zip(data["rungs"], comparison.rungs, strict=True):
        assert len(rung["t"]) == len(comparison.passage[rung["name"]])
        assert sum(row[3] for row in rung["t"]) == len(PASSAGE.encode())
        spelled = {(start, end): PASSAGE[start:end] for start, end, *_ in rung["t"]}
        assert "".join(spelled.values()) == PASSAGE
        assert f"{result.bits_per_byte.value:.3f}" in rung["note"]


def places_by_decoding(tokens):
    """The slow twin of place_tokens: take tokens together until they decode."""
    places, held, start = [], [], 0
    for token in tokens:
        held.append(token)
        try:
            end = start + len(b"".join(held).decode())
        except UnicodeDecodeError:
            continue
        places += [page.Place(start, end, len(held))] * len(held)
        held, start = [], end
    return places


@pytest.mark.parametrize("cut", [cut_words, cut_bytes, cut_halves, cut_across])
def test_tokens_stand_where_their_bytes_do(cut):
    tokens = cut(PASSAGE)
    assert places_by_decoding(tokens) == place_tokens([len(token) for token in tokens], PASSAGE)


def test_pieces_of_characters_stand_for_all_that_they_spell_together():
    whole, piece = page.Place(0, 4, 1), page.Place(4, 5, 3)
    assert place_tokens([4, 1, 1, 1, 3], "the 语 is") == [whole, *[piece] * 3, page.Place(5, 8, 1)]
    assert place_tokens([2, 4, 1], "语模a") == [page.Place(0, 2, 2)] * 2 + [page.Place(2, 3, 1)]
    assert place_tokens([], "") == []


@pytest.mark.parametrize("sizes", [[], [1, 1], [2, 2]])
def test_tokens_of_another_text_are_refused(sizes):
    with pytest.raises(ValueError, match="of a passage of 3"):
        place_tokens(sizes, "abc")


def test_unknown_words_show_the_passage(comparison):
    name = comparison.rungs[0].name
    tokens = tuple(replace(token, text="�") for token in comparison.passage[name])
    known = data_of(render_page(comparison, "en"))["rungs"][0]
    alone = data_of(render_page(replace(comparison, passage={name: tokens}), "en"))
    assert alone["text"] == PASSAGE
    assert alone["rungs"] == [known]


def test_only_the_rungs_that_read_the_passage_are_offered(comparison):
    name = comparison.rungs[3].name
    data = data_of(render_page(replace(comparison, passage={name: comparison.passage[name]}), "en"))
    assert [rung["name"] for rung in data["rungs"]] == [name]


def test_a_bare_comparison_renders(comparison):
    bare = replace(
        comparison,
        rungs=tuple(replace(r, curve=(), samples=(), settings={}) for r in comparison.rungs),
        passage_text="",
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


def test_a_passage_that_no_rung_shows_is_not_in_the_page(comparison, monkeypatch):
    monkeypatch.setattr(page, "LIMIT", 1)
    assert data_of(render_page(comparison, "en"))["text"] == ""


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
