"""No table without its floor: what `foretell task NAME train` and `compare` show of a few hundred
real examples of each application. Every kind that was tried stands in both, counts among them,
whichever won; and each row of published data names the published number beside.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.result import Result, find_folder, foretell, say
from benchmarks.tasks import ROWS, atis, role_rows, rows, songci, text_rows, trecqa
from benchmarks.tasks.small import Small, write_all

FLOOR = "count"
PEOPLE = "originals"
"""What people wrote, in the table of `generate`."""


def measure(*, quick: bool) -> Result:
    data = find_folder("FORETELL_DATA", "data")
    if data is None:
        return Result(None, {"reason": "FORETELL_DATA is not there"})
    with tempfile.TemporaryDirectory() as scratch:
        try:
            applications = write_all(data, Path(scratch))
        except FileNotFoundError as problem:
            return Result(None, {"reason": f"{problem.filename} is not there"})
        shown = {
            each.name: _show(each, Path(scratch))
            for each in (applications[-2:] if quick else applications)
        }
    published = {name: _published(name) for name in ROWS}
    met = all(each["whole"] for each in shown.values()) and all(published.values())
    return Result(met, {"shown": shown, "published": published})


def _show(asked: Small, folder: Path) -> dict[str, Any]:
    task, model = ("task", asked.name), str(folder / asked.name)
    trained = _json(
        *task, "train", asked.train, "--out", model, "--budget", "1 pass", *asked.fields
    )
    tried = [each["rung"] for each in trained.get("tried", trained.get("generates"))]
    compared = _json(*task, "compare", model, asked.test, *asked.fields)
    held = list(compared) if isinstance(compared, dict) else [each["rung"] for each in compared]
    plain = foretell([*task, "compare", model, str(asked.test), *asked.fields], folder=folder).out
    found = {
        "tried": tried,
        "compared": held,
        "chosen": trained["rung"],
        "whole": FLOOR in tried
        and set(tried) == set(held) - {PEOPLE}
        and all(rung in plain for rung in tried),
    }
    say(f"{asked.name}: {found}")
    return found


def _json(*arguments: object) -> Any:
    done = foretell([*map(str, arguments), "--json"], folder=Path.cwd())
    if done.code != 0:
        raise RuntimeError(f"foretell {arguments[:3]} ended with {done.code}: {done.err[-500:]}")
    return json.loads(done.out.splitlines()[-1])


def _published(name: str) -> Any:
    """What stands beside ours in the row of this name."""
    if name in text_rows.ROWS:
        return {part: row.published for part, row in text_rows.ROWS[name].items()}
    for table in (rows.ROWS, role_rows.ROWS):
        if name in table:
            return table[name].published
    return {"atis": atis.PUBLISHED, "trecqa": trecqa.PUBLISHED, "songci": songci.PUBLISHED}[name]
