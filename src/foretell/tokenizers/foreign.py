"""Tokenizers that others made: any tokenizer.json, behind the contract.

    Foreign.read(folder, vocabulary=49152, boundary=2)

Byte-level pieces (GPT-2, Llama 3) and pieces with "▁" for the space and <0x0A> for a byte (Llama 2)
have spellings; what else there is, is decoded by the library. Whether a text comes back as it was
is not taken from a description, but tried.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding as BackendEncoding
from tokenizers import Tokenizer as Backend

from foretell.contracts.errors import DamagedModel
from foretell.contracts.tokenizer import Encoding
from foretell.fields import Fields, both_ends, parse_json_object, read_json_object
from foretell.tokenizers.spelling import SpelledTokenizer, byte_alphabet, size_in_words

FILE, CONFIG = "tokenizer.json", "tokenizer_config.json"
SPACE = "▁"
"""Of SentencePiece (Kudo and Richardson 2018)."""
PROBES = (
    "a",
    " a",
    "a b  c \n\n\t d\r\n",
    "Don't, I said; 3.14159 <s> </s> <|endoftext|> [CLS] ##a",
    "深海。 明月幾時有？ ａｂｃ",
    "e\u0301 \ufb01 \u00a0 \u200b \U0001f600 \u2581 \u0120",
)
"""Texts that some tokenizer or other does not give back."""


LONGEST_ADDED, MOST_ADDED = 2**12, 2**20
"""Letters of a text outside the vocabulary, and of all of them: a normaliser puts its texts into
what is read, and the table by which added tokens are found takes many times their length."""


PARTS: dict[str, Any] = {
    **dict.fromkeys(("truncation", "padding", "normalizer", "pre_tokenizer")),
    **dict.fromkeys(("post_processor", "decoder")),
    "added_tokens": [],
}
"""Of a tokenizer.json, and what stands for none of each; the model stands for itself."""


def read_backend(content: str, where: str) -> tuple[Backend, dict[str, Any]]:
    """The library's tokenizer of a tokenizer.json, and the same as plain facts. Raises
    DamagedModel."""
    facts = parse_json_object(content, where)
    outside = [(name, part) for name, part in facts.items() if name != "model"]
    lengths = [(len(text), name) for name, part in outside for text in _texts(part)]
    longest, name = max(lengths, default=(0, ""))
    if longest > LONGEST_ADDED or sum(length for length, _ in lengths) > MOST_ADDED:
        raise DamagedModel(
            f"{where}: {name} has a text of {longest} letters, and {LONGEST_ADDED} are read, of "
            f"all together {MOST_ADDED}; get the file again"
        )
    problem = _problem_of(content)
    if problem is None:
        return Backend.from_str(content), facts
    # The library says at which column of one line; what is read without a part was spoiled by it.
    parts = (name for name in facts if name in PARTS and facts[name])
    spoiled = (
        name for name in parts if _problem_of(json.dumps({**facts, name: PARTS[name]})) is None
    )
    named = next(spoiled, "a field of model, such as vocab or merges,")
    raise DamagedModel(f"{where}: {named} cannot be read: {problem}; get the file again")


def _problem_of(content: str) -> str | None:
    """What the library says of a tokenizer.json that it cannot read."""
    try:
        Backend.from_str(content)
    # The library raises bare Exception; its compiled part panics with a BaseException.
    except BaseException as problem:
        if isinstance(problem, KeyboardInterrupt | SystemExit | MemoryError):
            raise
        return both_ends(str(problem))
    return None


class Foreign(SpelledTokenizer):
    """See the module. The boundary may be any token; special tokens decode to nothing."""

    kind = "foreign"

    def __init__(
        self,
        content: str,
        *,
        vocabulary: int,
        boundary: int,
        config: Mapping[str, Any] | None = None,
        where: str = FILE,
    ) -> None:
        """content: of a tokenizer.json. vocabulary: tokens that the model knows, which may be
        more than have a spelling. config: of a tokenizer_config.json. where: for errors.

        Raises DamagedModel, naming the field, if they do not fit together.
        """
        backend, facts = read_backend(content, where)
        backend.no_truncation()
        backend.no_padding()
        # Without this, text that spells a special token's name would turn into that token.
        backend.encode_special_tokens = True
        self._backend, self.config = backend, dict(config or {})
        self.vocabulary_size, self.boundary = vocabulary, boundary
        self._special = {
            token["id"] for token in facts.get("added_tokens") or () if token.get("special")
        } | {boundary}
        self._pieces = {token: p for p, token in backend.get_vocab(with_added_tokens=True).items()}
        most = max(self._pieces, default=-1)
        if most >= vocabulary or not 0 <= boundary < vocabulary:
            raise DamagedModel(
                f"{where}: vocab or added_tokens has tokens up to {most}, the boundary is "
                f"{boundary}, and by vocab_size the model has {vocabulary}; give the tokenizer "
                "that belongs to it"
            )
        model = facts.get("model") or {}
        self.name = f"{model.get('type', 'foreign')} {size_in_words(vocabulary)}"
        styles = _types(facts.get("decoder")) | _types(facts.get("pre_tokenizer"))
        self._byte_level = "ByteLevel" in styles
        self._spelled = self._byte_level or bool(styles & {"ByteFallback", "Metaspace"})
        # Not by `spellings`, of which there are as many as the model claims to have tokens.
        begun = [
            self._spell(self._pieces[token])
            for token in self._tokens("a").tolist()
            if token in self._pieces and token not in self._special
        ]
        self._opens_with_space = self._spelled and b"".join(begun) == b" a"
        unknown = model.get("unk_token")
        if isinstance(model.get("unk_id"), int):
            unknown = self._pieces.get(model["unk_id"])
        pieces = set(self._pieces.values())
        spells_all = self._byte_level or pieces >= {f"<0x{byte:02X}>" for byte in range(256)}
        self.unknown = None if spells_all or unknown is None else backend.token_to_id(unknown)
        self._unspoken = (self._special & self._pieces.keys()) - {self.unknown}

    @classmethod
    def read(cls, folder: Path, *, vocabulary: int, boundary: int) -> Foreign:
        """From the files of a folder. Raises DamagedModel."""
        if not (folder / FILE).is_file():
            raise DamagedModel(
                f"{folder} has no {FILE}; write one by AutoTokenizer.from_pretrained(...)"
                ".save_pretrained(...) of transformers"
            )
        config = read_json_object(folder / CONFIG) if (folder / CONFIG).is_file() else {}
        try:
            content = (folder / FILE).read_text("utf-8")
        except UnicodeDecodeError as problem:
            raise DamagedModel(
                f"{folder / FILE} is no UTF-8 at byte {problem.start}; get the file again"
            ) from None
        return cls(
            content,
            vocabulary=vocabulary,
            boundary=boundary,
            config=config,
            where=str(folder / FILE),
        )

    @classmethod
    def restore(cls, folder: Path, facts: Fields) -> Foreign:
        """From what `save` wrote."""
        boundary = facts.whole("boundary", least=0)
        return cls.read(folder, vocabulary=facts.whole("vocabulary"), boundary=boundary)

    def backend(self) -> Backend:
        return self._backend

    @cached_property
    def lossless(self) -> bool:
        return self.unknown is None and all(
            self.decode(self._tokens(probe)) == probe for probe in PROBES
        )

    # A cached property is written to, once.
    @cached_property
    def spellings(self) -> list[bytes]:  # type: ignore[override]
        """Bytes of each token; of tokenizers that have no spellings, of what a token decodes to."""
        out = [b""] * self.vocabulary_size
        for token, piece in self._pieces.items():
            if token not in self._special:
                out[token] = self._spell(piece)
        return out

    def _spell(self, piece: str) -> bytes:
        if self._byte_level:
            try:
                return piece.translate(_LETTERS).encode("latin-1")
            except UnicodeEncodeError:
                # A token that was added as text.
                return piece.encode()
        if len(piece) == 6 and piece.startswith("<0x") and piece.endswith(">"):
            try:
                return bytes([int(piece[3:5], 16)])
            except ValueError:
                pass
        return piece.replace(SPACE, " ").encode() if self._spelled else piece.encode()

    def encode(self, text: str) -> Encoding:
        return self._measure(self._backend.encode(text, add_special_tokens=False), text)

    def encode_many(self, texts: list[str]) -> list[Encoding]:
        encoded = self._backend.encode_batch(texts, add_special_tokens=False)
        return [self._measure(each, text) for each, text in zip(encoded, texts, strict=True)]

    @property
    def template(self) -> str | None:
        """How conversations are written for the model, in Jinja's language."""
        found = self.config.get("chat_template")
        if isinstance(found, list):
            # Several by name; the one for plain conversations is called so.
            defaults = (
                each.get("template")
                for each in found
                if isinstance(each, Mapping) and each.get("name") == "default"
            )
            found = next(defaults, None)
        return found if isinstance(found, str) else None

    @cached_property
    def special_pieces(self) -> tuple[str, ...]:
        """Spellings of special tokens, as `encode_marked` knows them."""
        pieces = (self._pieces.get(token) for token in sorted(self._special))
        return tuple(piece for piece in pieces if piece)

    def encode_marked(self, text: str) -> NDArray[np.int32]:
        """Tokens (T,) of a text in which special tokens stand by their names."""
        names = "|".join(re.escape(each) for each in self.special_pieces)
        parts = re.split(f"({names})", text) if names else [text]
        out: list[int] = []
        for part in parts:
            special = self._backend.token_to_id(part) if part in self.special_pieces else None
            if special is not None:
                out.append(special)
            elif part:
                out += self._backend.encode(part, add_special_tokens=False).ids
        return np.array(out, np.int32)

    def decode(self, tokens: NDArray[np.int32]) -> str:
        if not self._spelled:
            kept = [token for token in tokens.tolist() if token in self._pieces]
            return str(self._backend.decode(kept, skip_special_tokens=True))
        text = super().decode(tokens)
        return text.removeprefix(" ") if self._opens_with_space else text

    def _tokens(self, text: str) -> NDArray[np.int32]:
        return np.array(self._backend.encode(text, add_special_tokens=False).ids, np.int32)

    def _measure(self, encoded: BackendEncoding, text: str) -> Encoding:
        if not self._unspoken.isdisjoint(encoded.ids):
            return self._apart(text)
        return self._plain(encoded, text)

    def _plain(self, encoded: BackendEncoding, text: str) -> Encoding:
        tokens = np.array(encoded.ids, np.int32)
        lengths = self.spelling_lengths[tokens]
        size = len(text.encode())
        if self._opens_with_space and len(lengths) and lengths.sum() == size + 1:
            lengths[0] -= 1
        if lengths.sum() != size or self.unknown in encoded.ids:
            lengths = _share_out(encoded.offsets, text)
        return Encoding(tokens, lengths)

    def _apart(self, text: str) -> Encoding:
        """Of a text that spells special tokens, to a model that has them among its pieces: their
        spellings are cut after the first letter."""
        names = "|".join(re.escape(self._pieces[each]) for each in self._unspoken)
        cuts = [0, *(found.start() + 1 for found in re.finditer(names, text)), len(text)]
        parts = [text[low:high] for low, high in pairwise(cuts)]
        encoded = self._backend.encode_batch(parts, add_special_tokens=False)
        pieces = [self._plain(each, part) for each, part in zip(encoded, parts, strict=True)]
        tokens = np.concatenate([piece.tokens for piece in pieces])
        if self.unknown is not None:
            # What only a normaliser makes into a special token.
            tokens[np.isin(tokens, list(self._unspoken))] = self.unknown
        return Encoding(tokens, np.concatenate([piece.byte_lengths for piece in pieces]))

    def save(self, folder: Path) -> None:
        super().save(folder)
        ours = json.loads((folder / CONFIG).read_text("utf-8"))["foretell"]
        ours |= {"vocabulary": self.vocabulary_size, "boundary": self.boundary}
        # What others read, the template of conversations among it, stays as it came.
        config = {**self.config, "foretell": ours}
        text = json.dumps(config, ensure_ascii=False, indent=2) + "\n"
        (folder / CONFIG).write_text(text, encoding="utf-8")


_LETTERS = {ord(letter): byte for byte, letter in enumerate(byte_alphabet())}


def _types(part: Any) -> set[str]:
    """Names of all the parts that a description of a part names."""
    if isinstance(part, Mapping):
        found = {part["type"]} if isinstance(part.get("type"), str) else set()
        return found.union(*(_types(each) for each in part.values()))
    if isinstance(part, list):
        return set().union(*(_types(each) for each in part))
    return set()


def _texts(part: Any) -> Iterator[str]:
    """All texts of a part, but for the one table of characters that is written as one."""
    if isinstance(part, str):
        yield part
    elif isinstance(part, Mapping):
        for name, inner in part.items():
            if name != "precompiled_charsmap":
                yield from _texts(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from _texts(inner)


def _share_out(offsets: list[tuple[int, int]], text: str) -> NDArray[np.int32]:
    """Bytes of a text for each of its tokens (T,), by where they end; what was left out goes to
    the token after it, and at the end to the last."""
    ends = np.cumsum([0, *(len(letter.encode()) for letter in text)])
    places = np.maximum.accumulate(np.array([0, *(end for _, end in offsets)], np.int64))
    places[-1] = len(text)
    # Some normalisers count letters that the text does not have.
    return np.diff(ends[np.minimum(places, len(text))]).astype(np.int32)
