import json
import re
from pathlib import Path

from foretell.report.task_pages import MOST, OTHERS, confusion, render, shade, write_beside
from foretell.tasks import labelling, tagging
from foretell.tasks.options import LabelOptions, TeachOptions
from tests.tasks import moods, requests


def test_the_page_of_labels_tells_what_was_found(tmp_path: Path) -> None:
    data = moods.write(tmp_path / "a.jsonl", moods.draw(120, 1))
    found = labelling.train_into(tmp_path / "m", data, LabelOptions(budget="1 passes"))
    page = write_beside(tmp_path / "m")
    assert page is not None
    said = page.read_text("utf-8")
    for each in found.tried:
        assert f'<th scope="row">{each.rung}</th>' in said
        assert f"{each.measures.accuracy.value:.3f}" in said
    assert "What was taken for what" in said
    # The model is whole with it and without it.
    assert labelling.tasks.load(tmp_path / "m").labels == ("bad", "good")


def test_the_page_of_spans_tells_of_every_name(tmp_path: Path) -> None:
    data = requests.write(tmp_path / "a.jsonl", requests.draw(120, 1))
    tagging.train_into(tmp_path / "m", data, TeachOptions(budget="1 passes"))
    said = render("m", json.loads((tmp_path / "m" / "task.json").read_text("utf-8")))
    assert '<th scope="row">start</th>' in said
    assert "Spans by name" in said


def test_what_labels_say_is_escaped(tmp_path: Path) -> None:
    interval = {"value": 0.5, "low": 0.4, "high": 0.6}
    measures = {
        "texts": 4,
        "accuracy": interval,
        "macro_f1": 0.5,
        "nats": 1.0,
        "calibration_error": interval,
        "chance_error": 0.1,
        "floor": 0.5,
        "confusion": {"<script>": {"好": 2}, "好": {"好": 2}},
    }
    tried = {"rung": "count", "seconds": 1, "ended": "", "behind": None, "measures": measures}
    record = {"rung": "count", "labels": ["<script>", "好"], "examples": 9, "tried": [tried]}
    said = render("<b>", record)
    assert "<script>" not in said
    assert "<b>" not in said
    assert "&lt;script&gt;" in said


def test_many_labels_are_counted_together() -> None:
    counts = {f"l{n:02}": {f"l{n:02}": 100 - n, "l00": 1} for n in range(MOST + 5)}
    found = confusion(counts)
    assert found["names"][-1] == OTHERS
    total = sum(cell["count"] or 0 for row in found["matrix"] for cell in row["cells"])
    assert total == sum(sum(row.values()) for row in counts.values())
    assert [shade(share) for share in (0.0, 0.5, 1.0)] == [1, 4, 7]
    shades = {cell["shade"] for row in found["matrix"] for cell in row["cells"]}
    assert all(re.fullmatch(r"h[1-7]|none", each) for each in shades)
