"""Where the rungs of one comparison are made: each once, whoever asks, and somebody looks on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from foretell.corpus.source import LoadedCorpus
from foretell.ladder.running import Finished, Texts, Watch, load_finished, train_mixture

Made = TypeVar("Made", covariant=True)


class Make(Protocol[Made]):
    """Makes a rung, and tells whoever looks on how it goes."""

    def __call__(self, watch: Watch | None, /) -> Made: ...


LIGHT = 0.02
"""A part of a mixture with less weight is left out: it costs its whole time and adds nothing."""


class Spectator(Protocol):
    """Somebody who is told how a comparison goes: the command line's progress, or a notebook."""

    def corpus(self, corpus: LoadedCorpus) -> None: ...

    def begin(self, name: str, seconds: float | None) -> Watch:
        """A rung begins; what is returned is called as it learns."""
        ...

    def end(self, finished: Finished, *, again: bool) -> None:
        """A rung is there; again: from an earlier run."""
        ...


@dataclass(frozen=True)
class Site:
    """See the module."""

    texts: Texts
    out: Path
    seed: int
    skipped: dict[str, str]
    """Told of what came to nothing, and why."""
    spectator: Spectator | None

    def once(self, slug: str, make: Make[Finished]) -> Finished:
        """What an earlier run finished, or what is made now."""
        done = self.perhaps(slug, make)
        assert done is not None
        return done

    def perhaps(self, slug: str, make: Make[Finished | None]) -> Finished | None:
        """The same, of which nothing may come."""
        done = load_finished(self.out, slug)
        again = done is not None
        if done is None:
            done = make(None if self.spectator is None else self.spectator.begin(slug, None))
        if done is not None and self.spectator is not None:
            self.spectator.end(done, again=again)
        return done


def mix(finished: Sequence[Finished], site: Site) -> Finished | None:
    """The mixture of the tokens that most rungs read.

    Not of the best rung's tokens: on Song poems that is a 5-gram of characters, by a hair and
    alone, and the mixture of the others is better than it.
    """
    names = [each.tokenizer for each in finished]
    best = min(finished, key=lambda each: (-names.count(each.tokenizer), each.stopping_bits))
    parts = [each for each in finished if each.tokenizer == best.tokenizer]
    if len(parts) < 2:
        site.skipped["mixture"] = "it needs two rungs with the same tokenizer"
        return None
    return mix_parts(parts, "mixture", site)


def mix_parts(parts: Sequence[Finished], slug: str, site: Site) -> Finished | None:
    """Of rungs that read the same tokens; None if one of them outweighs the others, or all."""

    def make(watch: Watch | None) -> Finished | None:
        return train_mixture(
            parts, site.texts, site.out, slug=slug, least=LIGHT, seed=site.seed, watch=watch
        )

    done = site.perhaps(slug, make)
    if done is None:
        best = min(parts, key=lambda each: each.stopping_bits)
        site.skipped[slug] = f"the {best.name} outweighs all that could be mixed with it"
    return done
