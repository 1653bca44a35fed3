"""How a model learned, as a picture."""

import json
from pathlib import Path

from foretell.report.training import draw


def write(path: Path, looks: int) -> Path:
    entries = [
        {"tokens": 100 * n, "train_nats_per_token": 5.0 - 0.1 * n}
        | ({"held_out_bits_per_byte": 4.0 - 0.2 * n} if n <= looks else {})
        for n in range(1, 9)
    ]
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries), "utf-8")
    return path


def test_a_picture_of_a_run_and_none_of_a_point(tmp_path: Path) -> None:
    out = tmp_path / "training.png"
    assert not draw(write(tmp_path / "short", looks=1), out)
    assert not out.exists()
    assert draw(write(tmp_path / "long", looks=5), out)
    first = out.read_bytes()
    assert first.startswith(b"\x89PNG")
    assert draw(tmp_path / "long", out)
    assert out.read_bytes() == first
