import json
from dataclasses import replace
from io import StringIO
from pathlib import PurePosixPath

import numpy as np
import pytest
from rich.cells import cell_len
from rich.console import Console

from foretell.report.tables import comparison_json, comparison_table


def printed(comparison, language, width):
    console = Console(width=width, file=StringIO(), color_system=None)
    console.print(comparison_table(comparison, language))
    return console.file.getvalue()


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("width", [60, 80, 100, 140, 200])
def test_every_number_stands_uncut(comparison, language, width):
    text = printed(comparison, language, width)
    lines = text.splitlines()
    assert all(cell_len(line) <= width for line in lines)
    for rung in comparison.rungs:
        line = next(line for line in lines if line.startswith(rung.name))
        assert f"{rung.bits_per_byte.value:.3f} ±" in line
        if rung.difference is None:
            assert {"en": "floor", "zh": "基线"}[language] in line
        else:
            assert f"{abs(rung.difference.value):.3f} [" in line
    assert "−0.187 [−0.202, −0.172]" in text
    assert "-0.187" not in text


def test_narrow_terminals_lose_the_sample_first_and_p_next(comparison):
    assert "was quiet" in printed(comparison, "en", 140)
    wide = printed(comparison, "en", 100)
    assert "was quiet" not in wide
    assert "<0.001" in wide
    narrow = printed(comparison, "en", 80)
    assert "<0.001" not in narrow
    for kept in ("9.8 MB", "4:12", "0.031"):
        assert kept in narrow


def test_failed_laws_and_skipped_are_said(comparison):
    text = printed(comparison, "en", 140)
    assert "padding: a pad changed" in text
    assert "10/11" in text
    assert "the budget is 5" in text


def test_markup_and_escapes_of_models_are_only_text(comparison):
    rung = replace(comparison.rungs[0], samples=("[bold red]\x1b[2J",))
    text = printed(replace(comparison, rungs=(rung, *comparison.rungs[1:])), "en", 160)
    assert "[bold red]" in text
    assert "\x1b" not in text


def test_long_names_fold_and_stay_whole(comparison):
    rung = replace(comparison.rungs[0], name="mixture of three rungs with a long name")
    text = printed(replace(comparison, rungs=(rung, *comparison.rungs[1:])), "en", 80)
    for word in ("mixture", "rungs", "long", "name"):
        assert word in text


def test_json_is_plain_and_keeps_floats(comparison):
    settings = {"path": PurePosixPath("a/b"), "n": np.int64(3), "x": np.float32(0.5), "t": (1, 2)}
    value = comparison_json(replace(comparison, settings=settings))
    again = json.loads(json.dumps(value, allow_nan=False))
    assert again == value
    assert value["settings"] == {"path": "a/b", "n": 3, "x": 0.5, "t": [1, 2]}
    assert value["rungs"][0]["difference"]["low"] == comparison.rungs[0].difference.low
    assert value["rungs"][5]["difference"] is None
