"""The tokenizer inside a GGUF file, read as a tokenizer.json would be, and written from one.

tokenizer.ggml.model   gpt2: byte-level BPE by merges; llama: SentencePiece's BPE by scores
tokenizer.ggml.pre     how texts are cut before merging, one name for each way
tokenizer.ggml.tokens, token_type, scores, merges, bos_token_id, eos_token_id
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from foretell.contracts.errors import ForetellError
from foretell.contracts.tokenizer import Tokenizer
from foretell.fields import Fields
from foretell.interop.gguf import Fact, Texts
from foretell.tokenizers import Foreign
from foretell.tokenizers.foreign import SPACE
from foretell.tokenizers.spelling import SpelledTokenizer

NORMAL, UNKNOWN, CONTROL, ADDED, BYTE = 1, 2, 3, 4, 6
"""Kinds of tokens."""
PREFIX = "tokenizer.ggml."
LONGEST_PIECE = 256
"""Letters of a piece of SentencePiece, whose own limit is 16; each may be cut anywhere, and long
ones would take the square of their length."""
TEMPLATE = "tokenizer.chat_template"
BYTE_LEVEL: dict[str, Any] = {
    "type": "ByteLevel",
    "add_prefix_space": False,
    "trim_offsets": True,
    "use_regex": True,
}
CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def _split(pattern: str) -> list[dict[str, Any]]:
    cut = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
    return [cut, {**BYTE_LEVEL, "use_regex": False}]


WAYS: dict[str, list[dict[str, Any]]] = {
    "gpt-2": [BYTE_LEVEL],
    "smollm": [{"type": "Digits", "individual_digits": True}, BYTE_LEVEL],
    "llama-bpe": _split(CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}" + REST),
    "smaug-bpe": _split(CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}" + REST),
    "qwen2": _split(CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}" + REST),
}
"""How texts are cut, by tokenizer.ggml.pre; the patterns are those of GPT-2, Llama 3, Qwen 2."""
PLAIN_WAYS = ("default", "gpt-2")
WHOLE_WAYS = ("llama-bpe",)
"""Those by which a piece that is a token is taken whole, though no merges lead to it."""
UNHEEDED = ("NFC",)
"""Normalisers that llama.cpp's own conversion leaves out, as in files of Qwen 2."""


def read_tokenizer(facts: Fields) -> tuple[Foreign, int | None]:
    """From the facts of a file; and the token that texts begin with, if it is another one than
    they end with.

    Raises DamagedModel, or ForetellError for a kind unknown here.
    """
    tokens = _texts(facts, "tokens")
    vocabulary = {token: index for index, token in enumerate(tokens)}
    if len(vocabulary) < len(tokens):
        raise facts.damaged(PREFIX + "tokens", "has a token twice")
    kinds = facts.facts.get(PREFIX + "token_type")
    if kinds is None:
        kinds = np.full(len(tokens), NORMAL, np.int32)
    if not isinstance(kinds, np.ndarray) or kinds.shape != (len(tokens),):
        raise facts.damaged(PREFIX + "token_type", "has not one number for each token")
    kind = facts.word(PREFIX + "model")
    if kind == "gpt2":
        content = _byte_level(facts, vocabulary)
    elif kind == "llama":
        content = _sentence_piece(facts, vocabulary, tokens, kinds)
    else:
        raise ForetellError(
            f"{facts.where}: {PREFIX}model is {kind[:40]!r}, and gpt2 and llama are read; give the "
            "same model as a Hugging Face folder"
        )
    content["added_tokens"] = [
        {
            "id": int(index),
            "content": tokens[index],
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": bool(kinds[index] == CONTROL),
        }
        for index in np.flatnonzero(np.isin(kinds, (CONTROL, ADDED)))
    ]
    boundary = facts.token(PREFIX + "eos_token_id", len(tokens))
    if boundary is None:
        raise facts.damaged(PREFIX + "eos_token_id", "is missing")
    first = facts.token(PREFIX + "bos_token_id", len(tokens))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": tokens[boundary]}
    config["bos_token"] = tokens[boundary if first is None else first]
    if TEMPLATE in facts.facts:
        config["chat_template"] = facts.word(TEMPLATE)
    text = json.dumps(content, ensure_ascii=False)
    foreign = Foreign(
        text,
        vocabulary=len(tokens),
        boundary=boundary,
        config=config,
        where=f"{facts.where}: {PREFIX[:-1]}",
    )
    return foreign, None if first == boundary else first


def _texts(facts: Fields, name: str) -> list[str]:
    found = facts.facts.get(PREFIX + name)
    if not isinstance(found, Texts):
        raise facts.damaged(PREFIX + name, "is no list of texts")
    try:
        return found[:]
    except UnicodeDecodeError:
        raise facts.damaged(PREFIX + name, "is no UTF-8") from None


def _byte_level(facts: Fields, vocabulary: dict[str, int]) -> dict[str, Any]:
    way = facts.word(PREFIX + "pre", "gpt-2")
    way = "gpt-2" if way in PLAIN_WAYS else way
    if way not in WAYS:
        raise ForetellError(
            f"{facts.where}: {PREFIX}pre is {way[:40]!r}, and {', '.join(WAYS)} are known; give "
            "the same model as a Hugging Face folder"
        )
    return {
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": WAYS[way]},
        "decoder": BYTE_LEVEL,
        "model": {
            "type": "BPE",
            "vocab": vocabulary,
            "merges": _texts(facts, "merges"),
            "ignore_merges": way in WHOLE_WAYS,
        },
    }


def _sentence_piece(
    facts: Fields, vocabulary: dict[str, int], tokens: Sequence[str], kinds: Any
) -> dict[str, Any]:
    scores = facts.facts.get(PREFIX + "scores")
    if not isinstance(scores, np.ndarray) or scores.shape != (len(tokens),):
        raise facts.damaged(PREFIX + "scores", "has not one number for each token")
    if not np.isfinite(scores).all():
        raise facts.damaged(PREFIX + "scores", "has one that is no finite number")
    unknown = np.flatnonzero(kinds == UNKNOWN)
    replace = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
    back = {"type": "Replace", "pattern": {"String": SPACE}, "content": " "}
    prefix = facts.flag(PREFIX + "add_space_prefix", True)
    opens = [{"type": "Prepend", "prepend": SPACE}] if prefix else []
    strip = [{"type": "Strip", "content": " ", "start": 1, "stop": 0}] if prefix else []
    fall = [{"type": "ByteFallback"}, {"type": "Fuse"}]
    return {
        "normalizer": {"type": "Sequence", "normalizers": [*opens, replace]},
        "decoder": {"type": "Sequence", "decoders": [back, *fall, *strip]},
        "model": {
            "type": "BPE",
            "vocab": vocabulary,
            "merges": _merges(facts, vocabulary, tokens, kinds, scores),
            "unk_token": tokens[unknown[0]] if len(unknown) else None,
            "fuse_unk": True,
            "byte_fallback": bool((kinds == BYTE).any()),
        },
    }


def _merges(
    facts: Fields, vocabulary: dict[str, int], tokens: Sequence[str], kinds: Any, scores: Any
) -> list[list[str]]:
    """What SentencePiece decides by the score of a joined piece, as a list of pairs in order."""
    found = []
    for joined in np.flatnonzero((kinds == NORMAL) | (kinds == ADDED)).tolist():
        piece = tokens[joined]
        if len(piece) > LONGEST_PIECE:
            raise facts.damaged(
                PREFIX + "tokens", f"has one of {len(piece)} letters, more than {LONGEST_PIECE}"
            )
        for cut in range(1, len(piece)):
            left, right = vocabulary.get(piece[:cut]), vocabulary.get(piece[cut:])
            if left is not None and right is not None:
                found.append((-scores[joined], joined, left, right))
    found.sort()
    return [[tokens[left], tokens[right]] for _, _, left, right in found]


def describe_tokenizer(tokenizer: Tokenizer, opening: int) -> dict[str, Fact | Sequence[str]]:
    """The facts of a tokenizer. opening: the token that texts begin with.

    Raises ForetellError for one that llama.cpp could not follow.
    """
    if not isinstance(tokenizer, SpelledTokenizer):
        raise ForetellError(f"a GGUF file has no {tokenizer.name} tokenizer; train with bpe")
    content = json.loads(tokenizer.backend().to_str())
    model, pre = content["model"], content.get("pre_tokenizer") or {}
    parts = pre.get("pretokenizers", [pre])
    whole = bool(model.get("ignore_merges"))
    ways = (name for name, known in WAYS.items() if _alike(parts, known))
    way = next((name for name in ways if (name in WHOLE_WAYS) == whole), None)
    before = content.get("normalizer")
    changed = before is not None and before["type"] not in UNHEEDED
    if model["type"] != "BPE" or way is None or changed:
        raise ForetellError(
            f"a GGUF file has no {tokenizer.name} tokenizer that cuts texts as this one does; "
            "train with bpe"
        )
    size = tokenizer.vocabulary_size
    tokens, kinds = [f"[PAD{index}]" for index in range(size)], np.full(size, CONTROL, np.int32)
    for token, index in model["vocab"].items():
        tokens[index], kinds[index] = token, NORMAL
    for token in content["added_tokens"]:
        tokens[token["id"]] = token["content"]
        kinds[token["id"]] = CONTROL if token["special"] else ADDED
    merges = [each if isinstance(each, str) else " ".join(each) for each in model["merges"]]
    facts: dict[str, Fact | Sequence[str]] = {
        "model": "gpt2",
        "pre": way,
        "tokens": tokens,
        "token_type": kinds,
        "merges": merges,
        "bos_token_id": opening,
        "eos_token_id": tokenizer.boundary,
        "add_bos_token": True,
    }
    named = {PREFIX + name: fact for name, fact in facts.items()}
    if isinstance(tokenizer, Foreign) and isinstance(tokenizer.config.get("chat_template"), str):
        named[TEMPLATE] = tokenizer.config["chat_template"]
    return named


def _alike(parts: Sequence[dict[str, Any]], known: Sequence[dict[str, Any]]) -> bool:
    """True if texts are cut the same; how places are reported does not matter."""

    def bare(each: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in each.items() if key != "trim_offsets"}

    return [bare(each) for each in parts] == [bare(each) for each in known]
