"""Eleven equations that every language model obeys, whatever it is made of.

    for result in check_laws(model): print(result.law, result.passed, result.message)

Each law draws tokens from (seed, law), reads them in two ways that must agree, and says in one
sentence where they first do not. Passing them is what makes two models comparable, mixable and
servable; see the table in `LAWS` for what each one says.

Tolerance: log-probabilities are compared as float32 with `TOLERANCE` nats, since one sum in two
orders differs by that much; probabilities under e^-30 count as equal.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foretell import models
from foretell.contracts.errors import ForetellError
from foretell.contracts.language_model import LanguageModel, LogProbs, Tokens, Truncatable

TOLERANCE = 5e-4
FLOOR = -30.0

TEXTS = (
    "The quick brown fox, 12.5% of it, jumps over\n\n\ttwo lazy dogs. ",
    "床前明月光，疑是地上霜。举头望明月，低头思故乡。",
    "Grüße — naïve café 🙂👩‍👩‍👧 <|endoftext|> <unk> \u0000\u0001 a\r\nb",
    "",
    " ",
    "aaaaaaaaaaaaaaaaaaaaaaaa",
)
"""Law 11 is tried on these unless the caller has texts of its own."""


@dataclass(frozen=True)
class LawResult:
    law: str
    passed: bool
    message: str
    """Empty if all is well and was checked; else what was found, or why nothing was to check."""


class Broken(Exception):
    """A law does not hold; the message says where."""


@dataclass(frozen=True)
class Bench:
    """One model under test, and what to read."""

    model: LanguageModel
    tokens: Tokens
    """(3, T) two rows that the model wrote itself and a random one, shorter than its context."""
    texts: Sequence[str]
    load: Callable[[Path], LanguageModel]
    generator: np.random.Generator

    def read(self, tokens: Tokens, lengths: NDArray[np.int32] | None = None) -> LogProbs:
        """Distributions after the boundary and after each of tokens (B, T): (B, T + 1, V)."""
        first = self.model.begin(len(tokens))
        step = self.model.advance(first.state, tokens, keep=tokens.shape[1])
        return np.concatenate([first.logprobs, step.logprobs], axis=1)


def check_laws(
    model: LanguageModel,
    *,
    texts: Sequence[str] = TEXTS,
    load: Callable[[Path], LanguageModel] | None = None,
    seed: int = 0,
    width: int = 24,
) -> list[LawResult]:
    """All laws, in their order. load: how a saved folder comes back, if not by `models.load`.

    Good: assert all(result.passed for result in check_laws(my_model))
    Bad:  check_laws(my_model)      and not looking at what comes back
    """
    if model.context is not None:
        width = max(2, min(width, model.context - 2))
    results = []
    for number, (law, check) in enumerate(LAWS.items(), start=1):
        generator = np.random.default_rng([seed, number])
        try:
            tokens = draw_tokens(model, width, generator)
            note = check(Bench(model, tokens, texts, load or models.load, generator))
            results.append(LawResult(law, True, note or ""))
        except Broken as problem:
            results.append(LawResult(law, False, str(problem)))
        except Exception as problem:
            # A model under test may fail in any way at all; that, too, is a finding.
            found = f"raised {type(problem).__name__}: {str(problem)[:160]}"
            results.append(LawResult(law, False, found))
    return results


def draw_tokens(model: LanguageModel, width: int, generator: np.random.Generator) -> Tokens:
    """(3, width) tokens, no boundary among them.

    Two rows are drawn from the model: on random tokens alone, a model that learned from text
    falls back on what it says without context, and a wrong context would not show.
    """
    size, boundary = model.tokenizer.vocabulary_size, model.tokenizer.boundary
    tokens = generator.integers(0, size, (3, width), np.int32)
    tokens[tokens == boundary] = (boundary + 1) % max(2, size)
    step = model.begin(2)
    for place in range(width):
        chances = np.exp(np.nan_to_num(step.logprobs[:, -1].astype(np.float64), nan=FLOOR))
        chances[:, boundary] = 0
        for row, chance in enumerate(chances):
            if chance.sum() > 0:
                tokens[row, place] = generator.choice(size, p=chance / chance.sum())
        if place + 1 < width:
            step = model.advance(step.state, tokens[:2, place : place + 1])
    return tokens


def normalised(bench: Bench) -> None:
    """1. logsumexp of every distribution is 0."""
    logprobs = bench.read(bench.tokens).astype(np.float64)
    if np.isnan(logprobs).any():
        raise Broken("a log-probability is not a number")
    total = np.exp(logprobs).sum(axis=-1)
    worst = np.unravel_index(np.abs(np.log(np.maximum(total, 1e-300))).argmax(), total.shape)
    if abs(np.log(max(total[worst], 1e-300))) > TOLERANCE:
        raise Broken(
            f"the probabilities after token {worst[1]} add up to {total[worst]:.6g}, not to 1"
        )


def chunking(bench: Bench) -> None:
    """2. reading ab equals reading a, then b, at every split."""
    whole = bench.read(bench.tokens)
    for split in range(1, bench.tokens.shape[1]):
        state = bench.model.advance(
            bench.model.begin(3).state, bench.tokens[:, :split], keep=split % 2
        ).state
        rest = bench.tokens[:, split:]
        parts = bench.model.advance(state, rest, keep=rest.shape[1]).logprobs
        _equal(whole[:, split + 1 :], parts, f"read in one go or split after token {split}")


def scoring(bench: Bench) -> None:
    """3. score equals gathering from begin and advance."""
    scores = bench.model.score(bench.tokens)
    if scores.shape != bench.tokens.shape:
        raise Broken(f"score gave shape {scores.shape} for tokens of shape {bench.tokens.shape}")
    gathered = np.take_along_axis(
        bench.read(bench.tokens)[:, :-1], bench.tokens[..., None].astype(np.int64), axis=2
    )
    _equal(gathered, scores[..., None], "gathered from distributions or scored")


def persistence(bench: Bench) -> None:
    """4. advancing one state changes no other state's future."""
    half = bench.tokens.shape[1] // 2
    first, rest = bench.tokens[:, :half], bench.tokens[:, half:]
    other = (rest[:, ::-1] + 0).astype(np.int32)
    state = bench.model.advance(bench.model.begin(3).state, first).state
    before = bench.model.advance(state, rest, keep=rest.shape[1])
    bench.model.advance(state, other)
    further = bench.model.advance(before.state, first[:, :1]).logprobs
    again = bench.model.advance(state, rest, keep=rest.shape[1])
    _equal(before.logprobs, again.logprobs, "before and after another reading of the same state")
    once_more = bench.model.advance(before.state, first[:, :1]).logprobs
    _equal(further, once_more, "before and after its older state was read on")


def select(bench: Bench) -> None:
    """5. advance(s[rows], x[rows]) equals advance(s, x)[rows], repeats too."""
    rows = [2, 0, 0, 1]
    half = bench.tokens.shape[1] // 2
    state = bench.model.advance(bench.model.begin(3).state, bench.tokens[:, :half]).state
    rest = bench.tokens[:, half:]
    keep = rest.shape[1]
    whole = bench.model.advance(state, rest, keep=keep).logprobs[rows]
    chosen = bench.model.advance(state.select(rows), rest[rows], keep=keep)
    _equal(whole, chosen.logprobs, "rows chosen after or before reading")
    lengths = np.asarray(state.lengths)[rows]
    if not np.array_equal(state.select(rows).lengths, lengths):
        raise Broken(f"select{rows} has lengths {state.select(rows).lengths}, not {lengths}")
    # Rows that were one must part when they read different tokens.
    parted = chosen.state.select([1, 2])
    different = bench.tokens[:2, :1]
    together = bench.model.advance(parted, different).logprobs
    for row in (0, 1):
        alone = bench.model.advance(parted.select([row]), different[row : row + 1]).logprobs
        _equal(alone, together[row : row + 1], "a repeated row read alone or beside its twin")


def join(bench: Bench) -> None:
    """6. joined batches behave as each alone."""
    half = bench.tokens.shape[1] // 2
    long = bench.model.advance(bench.model.begin(1).state, bench.tokens[:1, :half]).state
    short = bench.model.advance(bench.model.begin(2).state, bench.tokens[1:, :1]).state
    rest = bench.tokens[:, half:]
    keep = rest.shape[1]
    together = bench.model.advance(long.join(short), rest, keep=keep).logprobs
    _equal(bench.model.advance(long, rest[:1], keep=keep).logprobs, together[:1], "alone or joined")
    _equal(
        bench.model.advance(short, rest[1:], keep=keep).logprobs, together[1:], "alone or joined"
    )


def padding(bench: Bench) -> None:
    """7. pads, neighbours and batch size change nothing."""
    width = bench.tokens.shape[1]
    for short in sorted({1, width // 4, width // 2, 3 * width // 4, width - 1} - {0}):
        _check_pads(bench, np.array([width, short, max(1, short - 1)], np.int32))


def _check_pads(bench: Bench, lengths: NDArray[np.int32]) -> None:
    """With rows of these lengths (3,)."""
    width = bench.tokens.shape[1]
    pads = np.arange(width) >= lengths[:, None]
    noise = bench.generator.integers(0, bench.model.tokenizer.vocabulary_size, (3, width))
    other = np.where(pads, noise, bench.tokens).astype(np.int32)
    padded = bench.model.score(bench.tokens, lengths=lengths)
    if np.any(padded[pads] != 0):
        raise Broken("score is not 0 on pads")
    _equal(
        padded[..., None],
        bench.model.score(other, lengths=lengths)[..., None],
        "scored with one kind of pads or another",
    )
    step = bench.model.advance(bench.model.begin(3).state, bench.tokens, lengths=lengths)
    after = bench.tokens[:, :1]
    further = bench.model.advance(step.state, after).logprobs
    for row, length in enumerate(lengths):
        one = bench.tokens[row : row + 1, :length]
        alone = bench.model.advance(bench.model.begin(1).state, one)
        _equal(alone.logprobs, step.logprobs[row : row + 1], "alone or padded among neighbours")
        next_alone = bench.model.advance(alone.state, after[row : row + 1]).logprobs
        _equal(next_alone, further[row : row + 1], "going on alone or after pads")
        scores = bench.model.score(one)
        _equal(scores[..., None], padded[row : row + 1, :length, None], "scored alone or padded")
        if step.state.lengths[row] != alone.state.lengths[0]:
            raise Broken(
                f"a row of {length} tokens has length {step.state.lengths[row]} among neighbours "
                f"and {alone.state.lengths[0]} alone"
            )


def causality(bench: Bench) -> None:
    """8. changing token t leaves every distribution before t unchanged."""
    before = bench.read(bench.tokens)
    size = bench.model.tokenizer.vocabulary_size
    for place in range(bench.tokens.shape[1]):
        changed = bench.tokens.copy()
        changed[:, place] = (changed[:, place] + 1 + place % max(1, size - 2)) % size
        changed[changed == bench.model.tokenizer.boundary] = bench.tokens[0, 0]
        after = bench.read(changed)
        gap = _gap(before[:, : place + 1], after[:, : place + 1]).max(axis=(0, 2))
        if gap.max() > TOLERANCE:
            raise Broken(
                f"changing token {place} changed the distribution before token {gap.argmax()}; "
                "a model that reads in both directions sees the answer and foretells nothing"
            )


def truncation(bench: Bench) -> str | None:
    """9. truncate equals replay."""
    state = bench.model.advance(bench.model.begin(3).state, bench.tokens).state
    if not isinstance(state, Truncatable):
        return "its states do not offer truncation"
    for cut in (1, bench.tokens.shape[1] // 2, bench.tokens.shape[1]):
        short = state.truncate(np.full(3, cut, np.int32))
        replayed = bench.model.advance(
            bench.model.begin(3).state, bench.tokens[:, : cut - 1], keep=0
        )
        following = bench.tokens[:, ::-1][:, :2].astype(np.int32)
        _equal(
            bench.model.advance(replayed.state, following, keep=2).logprobs,
            bench.model.advance(short, following, keep=2).logprobs,
            f"replayed or truncated to {cut}",
        )
    return None


def round_trip(bench: Bench) -> str | None:
    """10. load(save(model)) predicts the same."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "model"
        try:
            models.save(bench.model, folder)
        except ForetellError as problem:
            return f"not checked: {problem}"
        loaded = bench.load(folder)
        again = Bench(loaded, bench.tokens, bench.texts, bench.load, bench.generator)
        _equal(bench.read(bench.tokens), again.read(bench.tokens), "before saving or after loading")
        if loaded.tokenizer.fingerprint != bench.model.tokenizer.fingerprint:
            raise Broken("the tokenizer that comes back is another one")
    return None


def round_trip_of_text(bench: Bench) -> str | None:
    """11. decode(encode(text)) == text, or the tokenizer says that it is lossy; bytes add up."""
    tokenizer = bench.model.tokenizer
    for text, encoding in zip(bench.texts, tokenizer.encode_many(list(bench.texts)), strict=True):
        if tokenizer.boundary in encoding.tokens:
            raise Broken(f"the boundary came out of the text {text[:30]!r}")
        size, counted = len(text.encode("utf-8")), int(encoding.byte_lengths.sum())
        if counted != size:
            raise Broken(f"tokens stand for {counted} bytes of the {size} of {text[:30]!r}")
        if not np.array_equal(encoding.tokens, tokenizer.encode(text).tokens):
            raise Broken(f"encode_many and encode differ on {text[:30]!r}")
        if tokenizer.lossless and tokenizer.decode(encoding.tokens) != text:
            raise Broken(f"{text[:30]!r} comes back as {tokenizer.decode(encoding.tokens)[:30]!r}")
    return None if tokenizer.lossless else "the tokenizer says that it is lossy"


LAWS: dict[str, Callable[[Bench], str | None]] = {
    "normalised": normalised,
    "chunking": chunking,
    "scoring": scoring,
    "persistence": persistence,
    "select": select,
    "join": join,
    "padding": padding,
    "causality": causality,
    "truncation": truncation,
    "round trip": round_trip,
    "bytes": round_trip_of_text,
}


def _gap(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.float64]:
    """How far apart log-probabilities are, those that hardly matter raised to FLOOR."""
    return np.abs(np.maximum(a.astype(np.float64), FLOOR) - np.maximum(b.astype(np.float64), FLOOR))


def _equal(a: NDArray[np.floating], b: NDArray[np.floating], ways: str) -> None:
    """Raise Broken unless log-probabilities (B, K, V) agree."""
    if a.shape != b.shape:
        raise Broken(f"{ways}: shapes {a.shape} and {b.shape}")
    if a.size == 0:
        return
    gap = _gap(a, b)
    if not gap.max() <= TOLERANCE:
        row, place, token = np.unravel_index(np.nan_to_num(gap, nan=np.inf).argmax(), gap.shape)
        raise Broken(
            f"{ways}: row {row}, place {place}, token {token} differs by "
            f"{gap[row, place, token]:.3g} nats"
        )
