"""Train and measure one rung, and remember it, so that it is never done twice.

rungs/gpt-bpe-1024/     whole or not there
  model/                what `foretell generate` and `verify` take; not of a model from elsewhere
  rung.json             how it was trained, what it cost on every document, laws, samples
work/gpt-bpe-1024/      checkpoints of a rung that is not finished
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType

from foretell import models
from foretell.contracts.evidence import Evidence, Signature
from foretell.contracts.language_model import LanguageModel, Noticing, Parametric
from foretell.contracts.learner import Budget
from foretell.contracts.tokenizer import Tokenizer
from foretell.decoding.generate import DecodingSettings, generate, measure_milliseconds_per_token
from foretell.evaluation.comparing import Score, measure
from foretell.evaluation.results import CurvePoint
from foretell.evaluation.scoring import score_texts
from foretell.interop.doors import open_model
from foretell.ladder.rungs import Rung
from foretell.models.buckets import Parts
from foretell.models.recent import RecentText
from foretell.models.sliding import unlimited
from foretell.storage import check_seal, new_folder, seal, size_of
from foretell.testing.laws import check_laws
from foretell.training.bucketing import BucketLearner
from foretell.training.fit import Glance, Run, fit
from foretell.training.mixing import MixtureLearner
from foretell.training.recipes import NETWORKS, Scope, build_learner

Watch = Callable[[Glance], None]
EM_PASSES = 60
ELSEWHERE = "it learned elsewhere, and may have read this very text"
RECENT = "recent text"
"""Name of the part of a mixture that learns nothing, and so is no rung."""
SAMPLE_TOKENS = 60


@dataclass(frozen=True)
class Texts:
    """The parts of the split, as texts."""

    train: list[str]
    stopping: list[str]
    tuning: list[str]
    held_out: list[str]
    end_of_text: bool
    """False where documents are passages, whose ends mean nothing."""
    prompts: tuple[str, ...]


@dataclass(frozen=True)
class Outside:
    """A model that learned elsewhere and is measured beside the ladder."""

    name: str
    """For the table."""
    slug: str
    path: Path
    notices: tuple[str, ...]


@dataclass(frozen=True)
class Finished:
    """What rung.json holds, and where the model is."""

    slug: str
    family: str
    name: str
    tokenizer: str
    parameters: int | None
    score: Score
    """On the held-out part."""
    stopping_bits: float
    """Bits per byte on the stopping part, by which the floor is chosen."""
    bytes_on_disk: int
    train_seconds: float
    tokens: int
    passes: int
    ended: str
    milliseconds_per_token: float
    laws_passed: int
    laws_checked: int
    laws_failed: tuple[str, ...]
    samples: tuple[str, ...]
    curve: tuple[CurvePoint, ...]
    notices: tuple[str, ...]
    weights: dict[str, float]
    """Of a mixture, by slug: in the mean over all it was tuned on."""
    folder: str

    def load(self) -> LanguageModel:
        return open_model(self.folder)


def load_finished(out: Path, slug: str) -> Finished | None:
    """A rung that an earlier run finished; None if there is none."""
    folder = out / "rungs" / slug
    if not folder.exists():
        return None
    check_seal(folder)
    content = json.loads((folder / "rung.json").read_text("utf-8"))
    content["score"] = Score(
        tuple(Evidence(**each) for each in content["score"]["evidence"]),
        Signature(**content["score"]["signature"]),
    )
    content["curve"] = tuple(CurvePoint(**each) for each in content["curve"])
    for name in ("laws_failed", "samples", "notices"):
        content[name] = tuple(content[name])
    return Finished(**{"folder": str(folder / "model"), **content})


def train_rung(
    rung: Rung,
    tokenizer: Tokenizer,
    texts: Texts,
    out: Path,
    *,
    budget: Budget,
    scope: Scope,
    seed: int,
    watch: Watch | None = None,
    stop: Callable[[], bool] | None = None,
) -> Finished:
    """Train, measure and write one rung. scope: what a network is made for; not the budget, which
    depends on how long the rungs before it took."""
    learner = build_learner(rung.family, tokenizer, seed=seed, scope=scope)
    work = out / "work" / rung.slug
    run = fit(
        learner,
        texts.train,
        budget=budget,
        held_out=() if rung.counts else texts.stopping,
        checkpoints=None if rung.counts else work,
        watch=watch,
        stop=stop,
    )
    finished = finish(learner.model(), rung.family, rung.slug, texts, out, run, seed)
    shutil.rmtree(work, ignore_errors=True)
    return finished


def train_mixture(
    parts: Sequence[Finished],
    texts: Texts,
    out: Path,
    *,
    slug: str = "mixture",
    least: float,
    seed: int,
    watch: Watch | None = None,
) -> Finished | None:
    """Weights by EM on the tuning part, which nothing else has seen; the text's own past is one
    more part.

    least: a part with less weight is left out, and the others are weighed again, now by how much
    an infinity-gram matches and how unsure the heaviest network is, if they are there. None if
    no two of the given parts would be left.
    """
    loaded = [unlimited(part.load()) for part in parts]
    slugs = [*(part.slug for part in parts), RECENT]
    learner = MixtureLearner([*loaded, RecentText(loaded[0].tokenizer)])
    run = fit(learner, texts.tuning, budget=Budget(passes=EM_PASSES), watch=watch)
    kept = learner.weights >= least
    parts = [part for part, stays in zip(parts, kept, strict=False) if stays]
    if len(parts) < 2:
        return None
    if not kept.all():
        learner = learner.without(~kept)
        run = fit(learner, texts.tuning, budget=Budget(passes=EM_PASSES), watch=watch)
    slugs = [slug for slug, stays in zip(slugs, kept, strict=True) if stays]
    weights = dict(zip(slugs, learner.weights.tolist(), strict=True))
    model: LanguageModel = learner.model()
    networks = [part.slug for part in parts if part.family in NETWORKS]
    guide = next((n for n, part in enumerate(parts) if part.family == "infinity-gram"), None)
    gauge = slugs.index(max(networks, key=weights.__getitem__)) if networks else None
    if guide is not None or gauge is not None:
        cells = BucketLearner(Parts(learner.parts, guide=guide, gauge=gauge))
        run = fit(cells, texts.tuning, budget=Budget(passes=cells.passes), watch=watch)
        model = cells.model()
    # A mixture has cost what its parts have cost.
    run = replace(run, seconds=run.seconds + sum(part.train_seconds for part in parts))
    return finish(model, "mixture", slug, texts, out, run, seed, weights=weights)


def finish(
    model: LanguageModel,
    family: str,
    slug: str,
    texts: Texts,
    out: Path,
    run: Run,
    seed: int,
    *,
    weights: Mapping[str, float] = MappingProxyType({}),
    place: Outside | None = None,
) -> Finished:
    """Measure a model, and write it and what was measured, whole or not at all.

    place: where a model from elsewhere stands, which is not written again.
    """
    stopping = Evidence.sum(score_texts(model, texts.stopping, end_of_text=False)).bits_per_byte
    curve = run.curve or (CurvePoint(run.seconds, run.tokens, stopping),)
    laws = check_laws(model, texts=texts.held_out[:3], width=12, seed=seed)
    settings = DecodingSettings(max_tokens=SAMPLE_TOKENS, temperature=0.8, top_p=0.95, seed=seed)
    samples = generate(model, list(texts.prompts), settings=settings)
    with new_folder(out / "rungs" / slug) as folder:
        if place is None:
            (folder / "model").mkdir()
            models.write(model, folder / "model")
        finished = Finished(
            slug=slug,
            family=family,
            name=name_model(model, family, len(weights)) if place is None else place.name,
            tokenizer=model.tokenizer.name,
            parameters=model.parameters if isinstance(model, Parametric) else None,
            score=measure(model, texts.held_out, end_of_text=texts.end_of_text),
            stopping_bits=stopping,
            bytes_on_disk=size_of(folder / "model" if place is None else place.path),
            train_seconds=run.seconds,
            tokens=run.tokens,
            passes=run.passes,
            ended=run.ended,
            milliseconds_per_token=measure_milliseconds_per_token(model, seed=seed),
            laws_passed=sum(law.passed for law in laws),
            laws_checked=len(laws),
            laws_failed=tuple(f"{law.law}: {law.message}" for law in laws if not law.passed),
            samples=tuple(sample.text for sample in samples),
            curve=curve,
            notices=(
                *(model.notices if isinstance(model, Noticing) else ()),
                *(() if place is None else place.notices),
            ),
            weights=dict(weights),
            folder=str(out / "rungs" / slug / "model" if place is None else place.path),
        )
        content = asdict(finished)
        if place is None:
            # So that the whole comparison can be moved.
            del content["folder"]
        text = json.dumps(content, ensure_ascii=False, indent=1)
        (folder / "rung.json").write_text(text, "utf-8")
        seal(folder, {"slug": slug})
    return finished


NAMES = {
    "gpt": "GPT",
    "gpt2": "GPT-2",
    "llama": "Llama",
    "lstm": "LSTM",
    "gru": "GRU",
    "rnn": "Elman RNN",
}


def name_model(model: LanguageModel, family: str, parts: int) -> str:
    """`GPT 1.3M, BPE 2k`, as the table says it."""
    if family == "mixture":
        return f"mixture ({parts}), {model.tokenizer.name}"
    if family == "kneser-ney":
        return f"5-gram Kneser-Ney, {model.tokenizer.name}"
    if family == "infinity-gram":
        return f"infinity-gram over 5-grams, {model.tokenizer.name}"
    if family not in NAMES:
        return f"{family}, {model.tokenizer.name}"
    size = model.parameters if isinstance(model, Parametric) else 0
    return f"{NAMES[family]} {size / 1e6:.1f}M, {model.tokenizer.name}"
