"""Models from elsewhere beside the ladder: `foretell compare my-notes/ --with smollm2-135m`.

Each is measured as it is, on the same bytes as the rest. For each kind of tokens among them a
5-gram is estimated from the training text, and all of one kind of tokens are mixed: so that what
a model knows of the language and what the 5-gram knows of this text add up.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from foretell.contracts.errors import ForetellError
from foretell.contracts.learner import Budget
from foretell.corpus.source import LoadedCorpus
from foretell.interop import pretrained
from foretell.interop.doors import open_model
from foretell.ladder.running import ELSEWHERE, Finished, Outside, Watch, finish
from foretell.ladder.site import Site, mix_parts
from foretell.training.fit import Run, fit
from foretell.training.recipes import build_learner

RECORDS = ("adapting.json", "training.json")
"""What models that learned here remember of it."""
AS_IT_CAME = "as it came"
FLOOR = "kneser-ney"


def find_outside(said: str | None, corpus: LoadedCorpus, *, seed: int) -> list[Outside]:
    """The models that `--with` names, commas between. Opens each once, so that one that cannot be
    used is refused before anything is trained.

    Raises ForetellError, also for a model that learned from what is held out here.
    """
    names = [] if said is None else [name for name in said.split(",") if name.strip()]
    if len(set(names)) < len(names):
        raise ForetellError(f"a model is named twice in --with {said}; name each once")
    found: list[Outside] = []
    for name in (each.strip() for each in names):
        path = Path(name) if Path(name).exists() else pretrained.find(name) or Path(name)
        model = open_model(path)
        notices = () if _learned_here(path, corpus, seed) else (ELSEWHERE,)
        slug = re.sub(r"[^\w.-]+", "-", name).strip("-.")
        if slug in [each.slug for each in found]:
            slug = f"{slug}-{len(found)}"
        title = f"{path.stem if path.name.endswith('.gguf') else path.name}"
        found.append(Outside(f"{title}, {model.tokenizer.name}", slug, path, notices))
    return found


def _learned_here(path: Path, corpus: LoadedCorpus, seed: int) -> bool:
    """True if a model learned from the training part of this very text, and of no other that is
    known. Raises ForetellError if it learned from another part of it."""
    record = next((path / name for name in RECORDS if (path / name).is_file()), None)
    if record is None:
        return False
    facts = json.loads(record.read_text("utf-8"))
    if facts.get("fingerprint") != corpus.fingerprint:
        return False
    theirs = (facts.get("options") or {}).get("seed")
    if theirs != seed:
        raise ForetellError(
            f"{path} learned from this text split by seed {theirs}, so it has read some of what is "
            f"held out by seed {seed}; give --seed {theirs}"
        )
    return record.name == "training.json"


def measure_beside(outside: Sequence[Outside], site: Site) -> list[Finished]:
    """All of them; for each kind of their tokens a 5-gram too, and the mixture of all of a kind."""
    measured = [site.once(each.slug, lambda _, each=each: _measure(each, site)) for each in outside]
    everything = list(measured)
    for group in _groups(measured):
        slug = group[0].slug
        floor = site.once(
            f"{FLOOR}-{slug}",
            lambda watch, first=group[0]: _train_floor(first, site, watch),
        )
        mixture = mix_parts([*group, floor], f"mixture-{slug}", site)
        everything += [floor, *([mixture] if mixture else [])]
    return everything


def _measure(each: Outside, site: Site) -> Finished:
    """As it is; nothing learns."""
    model = open_model(each.path)
    run = Run(seconds=0.0, tokens=0, passes=0, updates=0, ended=AS_IT_CAME, curve=())
    return finish(model, model.family, each.slug, site.texts, site.out, run, site.seed, place=each)


def _train_floor(beside: Finished, site: Site, watch: Watch | None) -> Finished:
    """A 5-gram over the tokens of a model from elsewhere."""
    learner = build_learner(FLOOR, beside.load().tokenizer, seed=site.seed)
    run = fit(learner, site.texts.train, budget=Budget(passes=1), watch=watch)
    slug = f"{FLOOR}-{beside.slug}"
    return finish(learner.model(), FLOOR, slug, site.texts, site.out, run, site.seed)


def _groups(finished: Sequence[Finished]) -> list[list[Finished]]:
    """Those that read the same tokens, together."""
    found: dict[str, list[Finished]] = {}
    for each in finished:
        found.setdefault(each.score.signature.tokenizer, []).append(each)
    return list(found.values())
