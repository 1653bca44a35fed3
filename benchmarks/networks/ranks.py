"""One training run among processes that may be killed, for torchrun or alone:
`python -m benchmarks.networks.ranks TEXT OUT FAMILY SHARDING BUDGET`.

As `foretell train`, in float32, with a checkpoint every moment. Beside OUT stand
  losses.jsonl   nats a token of every update, and how many processes made it
  pid.RANK       the process, and how often torchrun has started it anew
  rate.json      tokens a second, of a run that came to its end
  peak.RANK      largest memory of a process, likewise
"""

from __future__ import annotations

import functools
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from foretell.corpus.source import load_corpus
from foretell.footprint import peak_memory
from foretell.ladder import single
from foretell.ladder.options import TrainOptions
from foretell.ladder.records import Record
from foretell.storage import locked
from foretell.training import fit
from foretell.training.ranks import leave

CHECKPOINT_SECONDS = 0.2


def main(text: str, out: str, family: str, sharding: str, budget: str) -> None:
    options = TrainOptions(
        model=family,  # type: ignore[arg-type]
        tokenizer="characters",
        budget=budget,
        threads=1,
        sharding=sharding,  # type: ignore[arg-type]
    )
    folder = Path(out).parent
    ranks = single.join(options)
    restarts = int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))
    (folder / f"pid.{ranks.rank}").write_text(f"{os.getpid()} {restarts}\n")
    corpus = load_corpus(Path(text), seed=options.seed)
    learner: Any = single.prepare(corpus, options, ranks=ranks)
    learner.settings = replace(learner.settings, precision="float32")
    update = learner.update
    with (folder / "losses.jsonl").open("a") as lines:

        def seen(batch: Any, *, spent: float) -> Any:
            progress = update(batch, spent=spent)
            if ranks.first:
                nats = progress.nats / progress.tokens
                found = {"update": learner.updates, "nats": nats, "ranks": ranks.count}
                lines.write(json.dumps(found) + "\n")
                lines.flush()
            return progress

        learner.update = seen
        single.fit = functools.partial(fit.fit, checkpoint_seconds=CHECKPOINT_SECONDS)  # type: ignore[attr-defined]
        record = Record(
            corpus.path, corpus.fingerprint, options, single.scope_of(corpus, options), ""
        )
        work = single.checkpoints_of(Path(out))
        arguments = (Path(out), work, learner, single.Parts.of(corpus), record)
        if ranks.first:
            with locked(work):
                trained = single.teach_into(*arguments, ranks=ranks)
            rate = trained.run.tokens / trained.run.seconds
            (folder / "rate.json").write_text(json.dumps({"tokens_per_second": rate}))
        else:
            single.teach_into(*arguments, ranks=ranks)
    (folder / f"peak.{ranks.rank}").write_text(str(peak_memory()))


if __name__ == "__main__":
    main(*sys.argv[1:])
    leave(0)
