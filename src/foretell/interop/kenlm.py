"""The names of the `kenlm` module for Python, so that a program changes one line.

    import kenlm   ->   from foretell.interop import kenlm

Reads ARPA files (plain, gz, bz2, xz), KenLM's binaries, and model folders of foretell whose tokens
are words between white space. All numbers are log10. What is new: `Model.score_sentences`, and
states that can be pickled.

Facts: the text of a query is cut at any white space of C; a word that is not known, `<unk>` too,
is scored as `<unk>` and leaves an empty state; `<s>` is scored as any word; equal states have
equal futures, since a state keeps only what an n-gram can go on from.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import total_ordering
from itertools import pairwise
from operator import not_
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foretell.contracts import language_model as contract
from foretell.contracts.errors import ForetellError
from foretell.interop import kenlm_hashes
from foretell.interop.arpa import read_arpa
from foretell.interop.kenlm_binary import read_kenlm_binary
from foretell.interop.kenlm_hashes import score_text_directly, step_alone_directly, step_directly
from foretell.interop.kenlm_layout import is_kenlm_binary
from foretell.interop.kenlm_probing import Probing, build
from foretell.models import load
from foretell.models.ngram.model import NGram
from foretell.threads import in_threads

Text = str | bytes
PIECE = 1 << 18
"""Bytes of sentences that a thread scores in one go."""
REMEMBERED = 1 << 20
"""Words whose numbers are kept; more are looked up each time."""
NO_FRACTIONS, NO_NUMBERS = np.empty(0, np.float32), np.empty(0, np.int32)
NOTHING = np.zeros(1, np.uint32)
"""Cells of a state that no model has written."""


class CannotRead(ForetellError, OSError):
    """The model cannot be read: an OSError too, which is what programs for `kenlm` expect."""


class LoadMethod:
    """When a file is read. LAZY leaves out the check of all entries; the others are alike."""

    LAZY = 0
    POPULATE_OR_LAZY = 1
    POPULATE_OR_READ = 2
    READ = 3
    PARALLEL_READ = 4


class ARPALoadComplain:
    """What KenLM says while it reads an ARPA file; nothing is ever said here."""

    ALL = 0
    EXPENSIVE = 1
    NONE = 2


class Config:
    """How to load a model; only `load_method` matters here."""

    def __init__(self) -> None:
        self.load_method: int = LoadMethod.POPULATE_OR_READ
        self.arpa_complain: int = ARPALoadComplain.ALL
        self.show_progress: bool = True


class FullScoreReturn:
    """log10 P of a word, the length of the n-gram that decided it, and whether it is unknown."""

    __slots__ = ("_log_prob", "_ngram_length", "_oov")

    def __init__(self, log_prob: float, ngram_length: int, oov: bool) -> None:
        self._log_prob, self._ngram_length, self._oov = log_prob, ngram_length, oov

    @property
    def log_prob(self) -> float:
        return self._log_prob

    @property
    def ngram_length(self) -> int:
        return self._ngram_length

    @property
    def oov(self) -> bool:
        return self._oov

    def __repr__(self) -> str:
        return f"FullScoreReturn({self._log_prob!r}, {self._ngram_length!r}, {self._oov!r})"


@total_ordering
class State:
    """What a model remembers of the words before: the longest of their n-grams that goes on.

    New, it knows nothing, as after `NullContextWrite`. A model writes over the state that it is
    told to write to; states are compared and hashed by their words alone.
    """

    __slots__ = ("_cells", "_key", "_size")

    def __init__(self) -> None:
        self._write(NOTHING)

    def _write(self, cells: NDArray[np.uint32]) -> None:
        self._cells, self._size = cells, len(cells)
        self._key: bytes | None = None

    @property
    def _words(self) -> bytes:
        if self._key is None:
            whole = self._cells.tobytes()
            # The length is below 256, and the lowest byte stands first.
            self._key = whole[: 4 + 4 * whole[0]]
        return self._key

    def __eq__(self, other: object) -> bool:
        return isinstance(other, State) and self._words == other._words

    def __lt__(self, other: State) -> bool:
        if not isinstance(other, State):
            return NotImplemented
        return (len(self._words), self._words) < (len(other._words), other._words)

    def __hash__(self) -> int:
        return hash(self._words)

    def __copy__(self) -> State:
        copied = State()
        copied._write(self._cells.copy())
        return copied

    def __deepcopy__(self, memory: Any = None) -> State:
        return self.__copy__()

    def __getstate__(self) -> NDArray[np.uint32]:
        return self._cells

    def __setstate__(self, cells: NDArray[np.uint32]) -> None:
        self._write(cells)


class Model:
    """An n-gram model that scores sentences and single words.

    Good: Model("lm.binary").score("a sentence")
    Bad:  model.BaseScore(state_of_another_model, "a", out)

    Raises CannotRead, which is an OSError, for files that cannot be used.
    """

    def __init__(self, path: Text, config: Config | None = None) -> None:
        given = os.path.abspath(_bytes(path))
        lazily = config is not None and config.load_method == LoadMethod.LAZY
        self._path = given
        self._model = _open(Path(os.fsdecode(given)), lazily)
        self._order = self._model.order
        self._data, self._places = self._model.data, self._model.places
        self._null, self._begin = self._model.null_cells(), self._model.begin_cells()
        self._size, self._closing = len(self._null), self._model.boundaries[1]
        self._numbers: dict[str, int] = {}
        self._find = self._numbers.get

    @property
    def order(self) -> int:
        return self._order

    @property
    def path(self) -> bytes:
        """Absolute, in bytes."""
        return self._path

    def score(self, sentence: Text, bos: bool = True, eos: bool = True) -> float:
        """log10 P of a sentence, with or without what stands for its beginning and its end."""
        text = np.frombuffer(_until_nul(sentence), np.uint8)
        return score_text_directly(
            self._data, self._places, text, 0, len(text), self._begin if bos else self._null,
            self._closing if eos else -1, NO_FRACTIONS, NO_NUMBERS, NO_NUMBERS,
        )[1]  # fmt: skip

    def perplexity(self, sentence: Text) -> float:
        """10 to the mean of -log10 P over the words and the end of the sentence."""
        count = len(_bytes(sentence).split()) + 1
        return float(10.0 ** (-self.score(sentence) / count))

    def full_scores(
        self, sentence: Text, bos: bool = True, eos: bool = True
    ) -> Iterator[tuple[float, int, bool]]:
        """log10 P of each word, length of the n-gram that decided it, whether it is unknown."""
        text = np.frombuffer(_until_nul(sentence), np.uint8)
        room = len(text) // 2 + 2
        logprobs = np.empty(room, np.float32)
        lengths, words = np.empty(room, np.int32), np.empty(room, np.int32)
        # The arrays have the types that the direct call does not look at.
        count, _ = score_text_directly(
            self._data, self._places, text, 0, len(text), self._begin if bos else self._null,
            self._closing if eos else -1, logprobs, lengths, words,
        )  # fmt: skip
        unknown = map(not_, words[:count].tolist())
        yield from zip(logprobs[:count].tolist(), lengths[:count].tolist(), unknown, strict=True)

    def score_sentences(
        self, sentences: Sequence[Text], bos: bool = True, eos: bool = True
    ) -> NDArray[np.float32]:
        """log10 P (S,) of many sentences in one compiled call, on all cores."""
        texts = [_until_nul(sentence) for sentence in sentences]
        ends = np.cumsum([len(text) for text in texts], dtype=np.int64)
        letters = np.frombuffer(b"".join(texts), np.uint8)
        totals = np.empty(len(texts), np.float32)
        first, closing = self._begin if bos else self._null, self._closing if eos else -1
        edges = [0]
        if len(ends):
            wanted = np.arange(PIECE, int(ends[-1]), PIECE)
            edges = np.unique([0, *np.searchsorted(ends, wanted), len(ends)]).tolist()

        def work(low: int, high: int) -> None:
            start = int(ends[low - 1]) if low else 0
            kenlm_hashes.score_texts(
                self._data, self._places, letters, start, ends[low:high], first, closing,
                totals[low:high],
            )  # fmt: skip

        in_threads(work, pairwise(edges))
        return totals

    def BeginSentenceWrite(self, state: State) -> None:
        """Make `state` the one at the beginning of a sentence."""
        _check_state(state)._write(self._begin.copy())

    def NullContextWrite(self, state: State) -> None:
        """Make `state` the one that knows nothing of what stands before."""
        _check_state(state)._write(self._null.copy())

    def BaseScore(self, in_state: State, word: str, out_state: State) -> float:
        """log10 P of a word after in_state; out_state becomes the state behind it."""
        number = self._find(word)
        if number is None:
            number = self._number(word)
        size = self._size
        if in_state._size == size == out_state._size and in_state is not out_state:
            before, after = in_state._cells, out_state._cells
            out_state._key = None
        else:
            before, after = self._make_room(in_state, out_state)
        return step_alone_directly(self._data, self._places, before, number, after)

    def BaseFullScore(self, in_state: State, word: str, out_state: State) -> FullScoreReturn:
        """BaseScore, with the length of the n-gram that decided, and whether it is unknown."""
        number = self._find(word)
        if number is None:
            number = self._number(word)
        before, after = self._make_room(in_state, out_state)
        logprob, length = step_directly(self._data, self._places, before, number, after)
        return FullScoreReturn(logprob, length, number == 0)

    def __contains__(self, word: Text) -> bool:
        """Whether a word is known."""
        return self._model.number(_until_nul(word)) != 0

    def __repr__(self) -> str:
        return f"<Model from {os.path.basename(self._path)!r}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._path,)

    def _number(self, word: str) -> int:
        if not isinstance(word, str):
            raise TypeError(f"a word is a str, not {type(word).__name__}")
        number = self._model.number(_until_nul(word))
        if len(self._numbers) < REMEMBERED:
            self._numbers[word] = number
        return number

    def _make_room(
        self, in_state: State, out_state: State
    ) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
        """Cells to read and cells to write, not the same."""
        before = _check_state(in_state)._cells
        _check_state(out_state)
        if before is NOTHING:
            before = self._null
        if len(before) != self._size:
            raise TypeError("this state is another model's; score from those that this model gave")
        if out_state._size != self._size or in_state is out_state:
            out_state._write(np.empty(self._size, np.uint32))
        out_state._key = None
        return before, out_state._cells


class LanguageModel(Model):
    """The older name of Model."""


def _open(path: Path, lazily: bool) -> Probing:
    """The tables of a file or folder; those of an ARPA file or a folder are built in memory."""
    try:
        found: contract.LanguageModel | Probing
        if path.is_dir():
            found = load(path)
        elif is_kenlm_binary(path):
            found = read_kenlm_binary(path, check=not lazily)
        else:
            found = read_arpa(path)
        if isinstance(found, Probing):
            return found
        if not isinstance(found, NGram):
            raise ForetellError(f"{path} is a {found.family}, not an n-gram model; give another")
        return build(found)
    except (ForetellError, OSError) as problem:
        # A refusal of ours names the path already.
        said = problem if isinstance(problem, ForetellError) else f"{path}: {problem}"
        raise CannotRead(f"no model can be read: {said}") from problem


def _bytes(text: Text) -> bytes:
    if isinstance(text, str):
        return text.encode("utf-8")
    if isinstance(text, bytes):
        return text
    raise TypeError(f"text is str or bytes, not {type(text).__name__}")


def _until_nul(text: Text) -> bytes:
    """The bytes that a string of C would have."""
    data = _bytes(text)
    return data.partition(b"\0")[0] if 0 in data else data


def _check_state(state: object) -> State:
    if not isinstance(state, State):
        raise TypeError(f"a state is a State, not {type(state).__name__}")
    return state
