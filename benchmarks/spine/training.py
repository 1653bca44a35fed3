"""One training run in a process that may be killed: `python -m benchmarks.spine.training ...`.

As `foretell train`, but with checkpoints every 0.3 s. Says `learning` when the first update of
this process is done, and `finished` at the end.
"""

from __future__ import annotations

import sys
from pathlib import Path

from foretell.corpus.source import load_corpus
from foretell.ladder.options import TrainOptions
from foretell.ladder.single import train_into
from foretell.training import fit

CHECKPOINT_SECONDS = 0.3


def main(text: str, out: str, family: str, budget: str) -> None:
    fit.CHECKPOINT_SECONDS = CHECKPOINT_SECONDS
    options = TrainOptions(model=family, size=512, budget=budget, seed=0, threads=1)  # type: ignore[arg-type]
    corpus = load_corpus(Path(text), seed=options.seed)
    said = False

    def watch(glance: fit.Glance) -> None:
        nonlocal said
        if not said:
            sys.stdout.write(f"learning {glance.tokens}\n")
            sys.stdout.flush()
            said = True

    trained = train_into(Path(out), corpus, options, watch=watch)
    sys.stdout.write(f"finished {trained.run.seconds} {trained.run.tokens}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
