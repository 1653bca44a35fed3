"""A component of a spaCy pipeline that says how surprising each token is, and spaCy's tokenizers
and sentence splitters for the preparation of corpora.

    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    nlp.add_pipe("foretell", config={"model": "smollm2-135m"})
    doc = nlp("The cat sat. It purred.")
    [token._.surprisal for token in doc], [sent._.surprisal for sent in doc.sents]

spaCy's tokens and a model's are not the same. Each of the model's tokens goes whole, in bits, to
the token of spaCy that holds its first byte that is no white space, or its first byte if it is
nothing else; the space after a token of spaCy is its own (Pimentel & Meister 2024):

    text      T h e _ c a t ' s _ _ h a t
    spaCy    |T h e _|c a t|' s _|_|h a t|      a second space is a token of its own in spaCy
    model    |T h e|_ c a t ' s|_|_ h a t|
    bits     |2    |9      |0    3 |0|5   |      so that they add up to those of the text

Unknown tokens count what the model gives `<unk>`, without their spelling; the end of a text is not
counted. Texts longer than the model's context are read by a window that slides.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from math import fsum, log
from pathlib import Path, PurePosixPath
from typing import Any
from unicodedata import category

import numpy as np
from numpy.typing import NDArray

from foretell import models
from foretell.contracts.errors import DamagedModel, ForetellError, MissingExtra
from foretell.contracts.language_model import LanguageModel, score_documents
from foretell.interop.doors import open_model
from foretell.models.sliding import unlimited
from foretell.storage import new_folder

try:
    import spacy
    import srsly
    from spacy.language import Language
    from spacy.pipeline import Sentencizer
    from spacy.tokens import Doc, Span, Token
    from spacy.util import minibatch
except ModuleNotFoundError:
    raise MissingExtra('spaCy is not installed: pip install "foretell[spacy]"') from None

NAME = "surprisal"
BATCH = 64
SPACE = b" \t\n\r\v\f"
CHINESE_ENDS = ("；", "…")
"""Beside those that spaCy's sentencizer knows for all languages."""


@Language.factory("foretell", default_config={"model": None}, assigns=[f"token._.{NAME}"])
def make_surprisal(nlp: Language, name: str, model: str | None) -> Surprisal:
    """The factory of `nlp.add_pipe("foretell", config={"model": ...})`.

    model: a place or name that `foretell.load` opens, when it is first needed, so that a pipeline
    that was saved brings its own.
    """
    return Surprisal(model)


class Surprisal:
    """Sets `_.surprisal`, in bits, of tokens; that of spans and docs is the sum of theirs.

    Good: Surprisal(model)(nlp.make_doc("a text"))
    Bad:  Surprisal(None)(doc)         no model: ForetellError
    """

    def __init__(self, model: str | LanguageModel | None) -> None:
        self._place = model if isinstance(model, str) else None
        self._model = None if isinstance(model, str) else model
        _declare()

    # Not `model`: spaCy takes what has one of this name for a network of its own.
    @property
    def language_model(self) -> LanguageModel:
        """Opened when it is first asked for. Raises ForetellError if none was named."""
        if self._model is None:
            if self._place is None:
                raise ForetellError(
                    'the component has no model; add it with config={"model": "a folder or name"}'
                )
            self._model = open_model(self._place)
        return self._model

    def __call__(self, doc: Doc) -> Doc:
        return next(self.pipe([doc]))

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = BATCH) -> Iterator[Doc]:
        """Docs of a batch are read side by side."""
        for docs in minibatch(stream, size=batch_size):
            encodings = self.language_model.tokenizer.encode_many([doc.text for doc in docs])
            tokens = [encoding.tokens for encoding in encodings]
            scores = score_documents(unlimited(self.language_model), tokens)
            for doc, encoding, logprobs in zip(docs, encodings, scores, strict=True):
                shares = share_out(doc, encoding.byte_lengths, logprobs)
                for token, bits in zip(doc, shares, strict=True):
                    token._.set(NAME, bits)
                yield doc

    def to_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> None:
        models.save(self.language_model, Path(path), replace=True)

    def from_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> Surprisal:
        self._model = models.load(Path(path))
        return self

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """The files of the model's folder, each under its name."""
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "model"
            models.save(self.language_model, folder)
            files = {
                file.relative_to(folder).as_posix(): file.read_bytes()
                for file in sorted(folder.rglob("*"))
                if file.is_file()
            }
        packed: bytes = srsly.msgpack_dumps(files)
        return packed

    def from_bytes(self, data: bytes, *, exclude: Iterable[str] = ()) -> Surprisal:
        """Raises DamagedModel for what `to_bytes` did not write."""
        try:
            files = dict(srsly.msgpack_loads(data))
        except (ValueError, TypeError) as problem:
            raise DamagedModel(
                f"these bytes hold no model ({str(problem)[:60]}); give what to_bytes gave"
            ) from None
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "model"
            with new_folder(folder) as draft:
                for name, content in files.items():
                    _write(draft, name, content)
            # Arrays that map the files keep them until they are let go, though their names go.
            self._model = models.load(folder)
        return self


def _write(folder: Path, name: Any, content: Any) -> None:
    parts = PurePosixPath(name).parts if isinstance(name, str) else ()
    outside = not parts or ".." in parts or PurePosixPath(name).is_absolute()
    if outside or not isinstance(content, bytes):
        raise DamagedModel(
            f"these bytes name a file {name!r}, which no model has; see who made them"
        )
    target = folder.joinpath(*parts)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)


def _declare() -> None:
    """The attributes, unless they are there. Raises ForetellError if they are someone else's."""
    if not Token.has_extension(NAME):
        Token.set_extension(NAME, default=None)
    for holder in (Span, Doc):
        if not holder.has_extension(NAME):
            holder.set_extension(NAME, getter=add_up)
        elif holder.get_extension(NAME)[2] is not add_up:
            raise ForetellError(
                f"another component has set {holder.__name__}._.{NAME} already; remove its "
                f"extension, by {holder.__name__}.remove_extension({NAME!r}), or leave it out"
            )


def add_up(span: Span | Doc) -> float | None:
    """Bits of all the tokens of a span or doc; None if they were not read."""
    bits = [token._.get(NAME) for token in span]
    return None if None in bits else fsum(bits)


def share_out(doc: Doc, lengths: NDArray[np.int32], logprobs: NDArray[np.float32]) -> list[float]:
    """Bits of each token of a doc, from the bytes and ln P (T,) of a model's tokens; see the
    module."""
    data = doc.text.encode("utf-8", "surrogatepass")
    blank = np.isin(np.frombuffer(data, np.uint8), np.frombuffer(SPACE, np.uint8))
    starts = np.cumsum(lengths) - lengths
    # The first place from each on that is no white space; the text's own end if there is none.
    places = np.where(blank, len(data), np.arange(len(data)))
    filled = np.minimum.accumulate(places[::-1])[::-1]
    first = np.append(filled, len(data))[starts]
    holds = np.where(first < starts + lengths, first, starts)
    ends = np.cumsum([len(t.text_with_ws.encode("utf-8", "surrogatepass")) for t in doc])
    owners = np.minimum(np.searchsorted(ends, holds, side="right"), max(0, len(doc) - 1))
    bits = -logprobs.astype(np.float64) / log(2)
    out: NDArray[np.float64] = np.zeros(len(doc))
    np.add.at(out, owners, bits)
    return [float(each) for each in out]


def cutter(language: str) -> Language:
    """A pipeline that only cuts, into words and sentences, of a language by its code ("en", "zh"):
    spaCy's own rules for it, with nothing to download; Chinese is cut into characters."""
    nlp = spacy.blank(language)
    ends = sorted({*Sentencizer.default_punct_chars, *CHINESE_ENDS})
    nlp.add_pipe("sentencizer", config={"punct_chars": ends})
    return nlp


def prepare(texts: Iterable[str], nlp: Language) -> Iterator[str]:
    """Lines for `foretell ngram estimate`: a sentence a line, words apart by one space.

    nlp: any pipeline that marks sentences, such as `cutter` makes. The end of a line ends a
    sentence, so lines that were broken to a width have to be joined before. An opening quotation
    mark or bracket, which spaCy's sentencizer leaves at the end of a sentence, begins the next one.
    Raises ForetellError if the pipeline marks no sentences.
    """
    lines = (line for text in texts for line in text.splitlines() if line.strip())
    for doc in nlp.pipe(lines):
        if not doc.has_annotation("SENT_START"):
            raise ForetellError(
                'the pipeline marks no sentences; give it nlp.add_pipe("sentencizer"), or take '
                'cutter("en")'
            )
        opening: list[str] = []
        for sentence in doc.sents:
            words = opening + [token.text for token in sentence]
            opening = []
            while words and sentence.end < len(doc) and _opens(words[-1]):
                opening.insert(0, words.pop())
            # A token that holds white space itself becomes several words.
            line = " ".join(" ".join(words).split())
            if line:
                yield line


def _opens(word: str) -> bool:
    return len(word) == 1 and category(word) in ("Pi", "Ps")
