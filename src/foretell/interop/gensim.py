"""Gensim: word vectors out of our networks and into them, and phrases from our counts.

    vectors = vectors_of(model)               KeyedVectors of the network's embedding
    initialise(model, vectors)                KeyedVectors into the embedding; how many were there
    phrases = phrases_of(sentences)           phrases[["new", "york"]] == ["new_york"]

A token's key is its spelling, written so that it holds no white space and stands in a line of the
word2vec text format:

    bytes   b" cat"    b"\\n"     b"\\xe6"   boundary          a spelling that another token has
    key     ▁cat       <0x0A>    <0xE6>    <|endoftext|>     its token's number behind a #
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np

from foretell.contracts.errors import ForetellError, MissingExtra
from foretell.contracts.language_model import LanguageModel
from foretell.contracts.tokenizer import Tokenizer

try:
    import torch
    from gensim.models import KeyedVectors
    from gensim.models.phrases import FrozenPhrases, Phrases
except ModuleNotFoundError:
    raise MissingExtra(
        'Gensim, or the PyTorch of our networks, is not installed: pip install "foretell[gensim]"'
    ) from None

from foretell.models.neural.network import Network, NeuralModel
from foretell.models.ngram.counts import Counts, count_stream
from foretell.models.ngram.lines import check_counted, read_bytes
from foretell.models.sliding import Sliding
from foretell.tokenizers.spelling import BOUNDARY, UNKNOWN, Lexicon
from foretell.tokenizers.whitespace import Whitespace, learn_lines

SPACE = "▁"


@runtime_checkable
class Spelled(Protocol):
    """A tokenizer that knows the bytes of each of its tokens."""

    @property
    def spellings(self) -> list[bytes]: ...


def vectors_of(model: LanguageModel) -> KeyedVectors:
    """The embedding of a network, one vector a token, under the keys of `keys_of`; a copy.

    Of transformers of foretell's own shape, n-grams have vectors too, which are left out. Raises
    ForetellError for a model that is no network.
    """
    weight = _embedding(model)
    keys = keys_of(model.tokenizer)
    # A network may have more rows than there are tokens, to a round number.
    return _keyed(keys, weight.detach().float().numpy()[: len(keys)])


def word_vectors(model: LanguageModel, words: Sequence[str], *, before: str = "") -> KeyedVectors:
    """A vector for each word: the mean of the embeddings of its tokens.

    The mean, since it depends on nothing but the word, is the token's own vector if there is one,
    and adds no choice of a layer; it knows nothing of the order of tokens. before: what stands
    before a word in the texts that the model learned from, " " where words hold the space before
    them. Raises ForetellError for an empty word, or a model that is no network.
    """
    weight = _embedding(model).detach().float().numpy()
    rows = []
    for word in words:
        tokens = model.tokenizer.encode(before + word).tokens
        if not word or not len(tokens):
            raise ForetellError(f"the word {word!r} has no tokens; leave it out")
        rows.append(weight[tokens].mean(axis=0))
    return _keyed(words, np.stack(rows) if rows else np.zeros((0, weight.shape[1]), np.float32))


@torch.no_grad()
def initialise(model: LanguageModel, vectors: KeyedVectors) -> int:
    """Put vectors into the embedding of a network, in place; how many tokens had one.

    A token takes the vector of its key (see `keys_of`), or of its key without the space before it,
    as word vectors are named elsewhere; other tokens keep what they have. Weights that are tied to
    the embedding stay tied. Raises ForetellError if the widths differ, or for a model that is no
    network.
    """
    weight = _embedding(model)
    width = weight.shape[1]
    if vectors.vector_size != width:
        raise ForetellError(
            f"the vectors have {vectors.vector_size} numbers and the embedding {width}; train "
            f"vectors with vector_size={width}, or a network of width {vectors.vector_size}"
        )
    found = 0
    for token, key in enumerate(keys_of(model.tokenizer)):
        plain = key.removeprefix(SPACE)
        name = key if key in vectors.key_to_index else plain
        if name and name in vectors.key_to_index:
            weight[token] = torch.tensor(vectors[name], dtype=weight.dtype)
            found += 1
    return found


def keys_of(tokenizer: Tokenizer) -> list[str]:
    """A key for each token, (V,), all different and none with white space; see the module.

    A tokenizer that knows no spellings is asked what each token decodes to.
    """
    special = {tokenizer.boundary: BOUNDARY}
    if tokenizer.unknown is not None:
        special[tokenizer.unknown] = UNKNOWN
    keys: dict[str, int] = {}
    for token, spelling in enumerate(_spell_all(tokenizer)):
        key = special.get(token) or _write(spelling) or f"#{token}"
        while key in keys:
            key = f"{key}#{token}"
        keys[key] = token
    return list(keys)


def _spell_all(tokenizer: Tokenizer) -> Iterable[bytes]:
    if isinstance(tokenizer, Lexicon):
        return tokenizer.words()
    if isinstance(tokenizer, Spelled):
        return tokenizer.spellings
    tokens = np.arange(tokenizer.vocabulary_size, dtype=np.int32)
    return (tokenizer.decode(tokens[at : at + 1]).encode() for at in range(len(tokens)))


def _write(spelling: bytes) -> str:
    text = spelling.decode("utf-8", "surrogateescape")
    return "".join(SPACE if letter == " " else _letter(letter) for letter in text)


def _letter(letter: str) -> str:
    if "\udc80" <= letter <= "\udcff":
        return f"<0x{ord(letter) - 0xDC00:02X}>"
    if letter.isspace() or not letter.isprintable():
        return "".join(f"<0x{byte:02X}>" for byte in letter.encode("utf-8", "surrogatepass"))
    return letter


def _embedding(model: LanguageModel) -> torch.Tensor:
    """The weight (rows, D) with a row a token."""
    while isinstance(model, Sliding):
        model = model.model
    if not isinstance(model, NeuralModel):
        raise ForetellError(
            f"a model of family {model.family} has no word vectors; give a network, such as "
            "`foretell train TEXT --model lstm` trains"
        )
    network: Network = model.network
    return network.embedding.weight


def _keyed(keys: Sequence[str], rows: Any) -> KeyedVectors:
    vectors = KeyedVectors(rows.shape[1], count=0, dtype=np.float32)
    vectors.add_vectors(list(keys), np.array(rows, np.float32))
    return vectors


def phrases_of(
    text: Path | bytes | Sequence[str],
    *,
    min_count: float = 5,
    threshold: float = 10.0,
    scoring: Literal["default", "npmi"] = "default",
    delimiter: str = "_",
) -> FrozenPhrases:
    """The phrases of a text with a sentence a line and words between white space, from our counts
    of n-grams: the same, with the same scores, as Gensim's own Phrases finds in these sentences.

    Settings are Gensim's. Its connector words are not offered: what stands around them is no
    n-gram of two words. Raises TextError as `estimate_lines` does.

    Good: phrases_of(Path("train.txt"), min_count=1, threshold=0.5, scoring="npmi")
    Bad:  phrases_of("new york")         a string is a sequence of letters: ForetellError
    """
    words, stream = learn_lines(read_bytes(text))
    check_counted(len(stream) - 1)
    size, boundary = words.vocabulary_size, words.boundary
    counts = count_stream(stream, vocabulary_size=size, boundary=boundary, order=2)
    return phrases_from(
        counts,
        words,
        min_count=min_count,
        threshold=threshold,
        scoring=scoring,
        delimiter=delimiter,
    )


def phrases_from(
    counts: Counts,
    words: Whitespace,
    *,
    min_count: float = 5,
    threshold: float = 10.0,
    scoring: Literal["default", "npmi"] = "default",
    delimiter: str = "_",
) -> FrozenPhrases:
    """As `phrases_of`, from counts of order 2 or more of a text in these words."""
    if len(counts.orders) < 2:
        raise ForetellError("these counts are of single words; count n-grams of order 2 or more")
    single, pair = counts.orders[:2]
    spelled = [word.decode("utf-8", "surrogateescape") for word in words.words()]
    edges = (words.boundary,)
    model = Phrases(min_count=min_count, threshold=threshold, scoring=scoring, delimiter=delimiter)
    held: dict[str, int] = {}
    total = 0
    for token, count in enumerate(single.raw.tolist()):
        if count and token not in edges:
            held[spelled[token]] = count
            total += count
    contexts = np.repeat(np.arange(len(single.tokens)), np.diff(pair.children)).tolist()
    for first, last, count in zip(contexts, pair.tokens.tolist(), pair.raw.tolist(), strict=True):
        if first not in edges and last not in edges:
            joined = f"{spelled[first]}{delimiter}{spelled[last]}"
            held[joined] = held.get(joined, 0) + count
    model.vocab, model.corpus_word_count = held, total
    return model.freeze()
