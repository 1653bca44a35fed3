"""GGUF: blocks bit for bit as the `gguf` package reads them; our files in llama.cpp; how fast
SmolLM2's file opens in a new process.

LLAMA_CPP_PYTHON names an interpreter that has `llama-cpp-python`.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, get_args

from benchmarks.doors.cold_opening import compare_openings
from benchmarks.doors.drawn_blocks import compare, compare_file
from benchmarks.doors.llama_cpp_peer import VARIABLE, find_interpreter
from benchmarks.doors.small_models import train_small
from benchmarks.doors.texts import read_texts
from benchmarks.doors.written_files import CLOSE, compare_written
from benchmarks.result import Result, find_folder, say
from foretell.interop import pretrained
from foretell.interop.gguf_models import Written, open_gguf

SECONDS = 1.5
BLOCKS, QUICK_BLOCKS = 20_000, 1_000
GREEDY, QUICK_GREEDY = 100, 20
TIMES, QUICK_TIMES = 5, 1
SMOLLM = "smollm2-135m"


def measure(*, quick: bool) -> Result:
    texts, data = read_texts(), find_folder("FORETELL_DATA", "data")
    if texts is None or data is None:
        return Result(None, {"reason": "needs the data; name its folder in FORETELL_DATA"})
    path = pretrained.pull(SMOLLM)
    blocks = compare(QUICK_BLOCKS if quick else BLOCKS)
    blocks[path.name] = compare_file(path)
    say(f"blocks: {blocks}")
    opening = compare_openings(path, QUICK_TIMES if quick else TIMES)
    say(f"opening: {opening}")
    figures: dict[str, Any] = {"blocks": blocks, "opening": opening}
    exact = not any(each["apart"] for each in blocks.values())
    fast = opening["opening_seconds"]["ours"] < SECONDS
    interpreter = find_interpreter()
    if interpreter is None:
        missing = f"{VARIABLE} does not name an interpreter that has llama-cpp-python"
        return Result(None if exact and fast else False, {**figures, "reason": missing})
    figures["written"] = _compare_written(path, texts, data, interpreter, quick=quick)
    near = all(_is_near(each["F16"]) for each in figures["written"].values())
    return Result(exact and fast and near, figures)


def _compare_written(
    path: Path, texts: list[str], data: Path, interpreter: str, *, quick: bool
) -> dict[str, dict[Written, Any]]:
    models = {**train_small(data, quick=quick), SMOLLM: open_gguf(path)}
    found: dict[str, dict[Written, Any]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for name, model in models.items():
            found[name] = {}
            for kind in get_args(Written):
                found[name][kind] = compare_written(
                    model,
                    kind,
                    texts[::5] if quick else texts,
                    length=QUICK_GREEDY if quick else GREEDY,
                    interpreter=interpreter,
                    scratch=Path(scratch),
                )
                say(f"{name} {kind}: {found[name][kind]}")
    return found


def _is_near(found: dict[str, Any]) -> bool:
    """Of a file in F16."""
    return (
        found["largest"] <= CLOSE
        and found["largest_to_the_model_before"] <= CLOSE
        and found["texts_cut_otherwise"] == 0
        and all(each["equal"] for each in found["greedy"])
    )
