"""Files spoiled on purpose: by bits, by numbers that claim too much, by the structure of JSON.

    spoiled = spoil("config.json", whole, Random("5/17"))
    spoiled.data, spoiled.kind      what then stands in the file, and what was done to it

The same generator gives the same file, so a seed and a number are enough to make one again.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

EXTREMES = (0x00, 0x01, 0x7F, 0x80, 0xFE, 0xFF)
NUMBERS = (0, 1, 2**15, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**53, 2**62, 2**63, 2**64 - 1)
NESTED, DIGITS = "\x00nested\x00", "\x00digits\x00"
"""Stand for what `json` does not write: lists without end, and a number of so many digits."""
ODD: tuple[Any, ...] = (
    *(None, True, False, 0, 1, 2, -1, 3, 1.5, -1.5, 1e-300, 1e308, float("nan"), float("inf")),
    *(2**16, 2**20, 2**31 - 1, 2**31, 2**53, 2**63, 2**64, -(2**63), 10**30, 10**400),
    *("", "x", "1", "NaN", "\x00", "../../etc/passwd", "a\nb", "\ud800", "床", "x" * 100_000),
    *(
        [],
        {},
        [[]],
        [None],
        [1, 2, 3],
        [0] * 10_000,
        ["x"],
        {"x": 1},
        {"type": "x"},
        NESTED,
        DIGITS,
    ),
)
ATTACKS: tuple[tuple[str, Any], ...] = (
    ("auto_map", {"AutoConfig": "evil.Config", "AutoModelForCausalLM": "evil.Model"}),
    ("num_labels", 2**31 - 1),
    ("num_labels", 10**8),
    ("id2label", {"x": 1}),
    ("quantization_config", {"quant_method": "bitsandbytes", "load_in_4bit": True}),
    ("quantization_config", {"quant_method": "gptq", "bits": 4}),
    ("torch_dtype", "evil"),
    ("dtype", "float8_e4m3fn"),
    ("architectures", ["Evil"]),
    ("model_type", "gpt_neo"),
    ("model_type", "bert"),
    ("model_type", "mamba"),
    ("model_type", "t5"),
    ("layer_types", ["evil"]),
    ("layer_types", ["sliding_attention"] * 2),
    ("attn_implementation", "evil"),
    ("_attn_implementation", "flash_attention_2"),
    ("rope_scaling", {"rope_type": "yarn", "factor": -1}),
    ("rope_parameters", {"rope_type": "dynamic", "factor": 1e300, "rope_theta": 0}),
    ("pruned_heads", {"0": [0]}),
    ("text_config", {"vocab_size": 300}),
    ("text_config", 5),
    ("sliding_window", 2**40),
    ("pad_token_id", 10**9),
    ("truncation", {"max_length": 2**40, "strategy": "LongestFirst", "stride": 1,
                    "direction": "Left"}),
    ("padding", {"strategy": {"Fixed": 2**34}, "direction": "Right", "pad_id": 0,
                 "pad_type_id": 0, "pad_token": "x", "pad_to_multiple_of": None}),
    ("normalizer", {"type": "Replace", "pattern": {"Regex": "(a+)+$"}, "content": "x"}),
    ("normalizer", {"type": "Prepend", "prepend": "x" * 100_000}),
    ("pre_tokenizer", {"type": "Split", "pattern": {"Regex": "(x+x+)+y"}, "behavior": "Isolated",
                       "invert": False}),
    ("post_processor", {"type": "ByteLevel", "trim_offsets": True}),
    ("decoder", None),
    ("chat_template", [{"template": "x"}, 5]),
)  # fmt: skip
"""Keys that are worth adding to a JSON object."""


@dataclass(frozen=True)
class Spoiled:
    """data: of the file. kind: what was done, for the count. keys: names that it touched."""

    data: bytes
    kind: str
    keys: tuple[str, ...] = ()


def spoil(name: str, whole: bytes, random: Random) -> Spoiled:
    """A file that is no longer what it was. name: its ending says what it is."""
    if name.endswith(".json") and random.random() < 0.75:
        return _spoil_json(whole, random)
    if name.endswith(".safetensors") and random.random() < 0.5:
        return _spoil_header(whole, random)
    fields = _gguf_fields(whole) if name.endswith(".gguf") else [(0, 8)]
    if not name.endswith(".json") and random.random() < 0.4:
        return _spoil_number(whole, fields, random)
    change = random.choice(tuple(BY_BYTES))
    # Where structure is, most bytes are worth more than a weight's.
    limit = len(whole) if random.random() < 0.3 else _head(name, whole)
    return Spoiled(bytes(BY_BYTES[change](bytearray(whole), limit, random)), change)


def _head(name: str, whole: bytes) -> int:
    if name.endswith(".safetensors"):
        return 8 + int(struct.unpack("<Q", whole[:8])[0])
    return max(end for end, _ in _gguf_fields(whole)) if name.endswith(".gguf") else len(whole)


def _flip(data: bytearray, limit: int, random: Random) -> bytearray:
    for _ in range(random.choice((1, 1, 2, 8))):
        data[random.randrange(limit)] ^= 1 << random.randrange(8)
    return data


def _extreme(data: bytearray, limit: int, random: Random) -> bytearray:
    at = random.randrange(limit)
    for place in range(at, min(limit, at + random.choice((1, 1, 2, 4, 8)))):
        data[place] = random.choice(EXTREMES)
    return data


def _truncate(data: bytearray, limit: int, random: Random) -> bytearray:
    return data[: random.randrange(limit)]


def _insert(data: bytearray, limit: int, random: Random) -> bytearray:
    at, size = random.randrange(limit), random.choice((1, 4, 8, 64, 1000))
    data[at:at] = random.randbytes(size) if random.random() < 0.5 else data[at : at + size]
    return data


def _delete(data: bytearray, limit: int, random: Random) -> bytearray:
    at = random.randrange(limit)
    del data[at : at + random.choice((1, 4, 8, 64, 1000))]
    return data


def _move(data: bytearray, limit: int, random: Random) -> bytearray:
    size = random.choice((4, 8, 32))
    source, target = random.randrange(limit), random.randrange(limit)
    data[target : target + size] = data[source : source + size]
    return data


BY_BYTES: dict[str, Callable[[bytearray, int, Random], bytearray]] = {
    "bits flipped": _flip,
    "bytes at extremes": _extreme,
    "truncated": _truncate,
    "bytes put in": _insert,
    "bytes taken out": _delete,
    "bytes moved": _move,
}


def _spoil_number(whole: bytes, fields: list[tuple[int, int]], random: Random) -> Spoiled:
    """A length, a count or a kind that says something else."""
    at, size = random.choice(fields)
    found = int.from_bytes(whole[at : at + size], "little")
    near = (found + 1, found - 1, found * 2, found << 8, len(whole), len(whole) - at)
    number = random.choice((*NUMBERS, *near, random.randrange(32)))
    data = bytearray(whole)
    data[at : at + size] = (number % 256**size).to_bytes(size, "little")
    return Spoiled(bytes(data), "number put in")


def _gguf_fields(whole: bytes) -> list[tuple[int, int]]:
    """Places and sizes of the numbers of a GGUF file's head, found by the names beside them."""
    if whole not in _FIELDS:
        from foretell.interop.gguf import NUMBERS as SIZES

        places, at = [(4, 4), (8, 8), (16, 8)], 24
        tensors, facts = struct.unpack_from("<QQ", whole, 8)

        def text(at: int) -> int:
            places.append((at, 8))
            return at + 8 + int(struct.unpack_from("<Q", whole, at)[0])

        for _ in range(facts):
            at = text(at)
            places.append((at, 4))
            (kind,) = struct.unpack_from("<I", whole, at)
            at, count = at + 4, 1
            if kind == 9:
                places += [(at, 4), (at + 4, 8)]
                kind, count = struct.unpack_from("<IQ", whole, at)
                at += 12
            for index in range(count):
                if kind == 8:
                    at = text(at)
                else:
                    places += [(at, SIZES[kind].itemsize)] if index < 4 else []
                    at += SIZES[kind].itemsize
        for _ in range(tensors):
            at = text(at)
            (sides,) = struct.unpack_from("<I", whole, at)
            places += [(at, 4), *((at + 4 + 8 * side, 8) for side in range(sides))]
            at += 4 + 8 * sides
            places += [(at, 4), (at + 4, 8)]
            at += 12
        # Texts of a vocabulary are many and alike.
        _FIELDS[whole] = [field for field in places if field[0] < 200 or field[0] % 3 == 0]
        _FIELDS[whole] += places[-1:]
    return _FIELDS[whole]


_FIELDS: dict[bytes, list[tuple[int, int]]] = {}


def _spoil_header(whole: bytes, random: Random) -> Spoiled:
    """The JSON at the head of safetensors, with a length that fits again."""
    (length,) = struct.unpack("<Q", whole[:8])
    changed = _spoil_json(whole[8 : 8 + length], random)
    data = struct.pack("<Q", len(changed.data)) + changed.data + whole[8 + length :]
    return Spoiled(data, f"header: {changed.kind}", changed.keys)


def _spoil_json(whole: bytes, random: Random) -> Spoiled:
    found = json.loads(whole)
    inside, key, keys = _choose(found, random)
    change = random.choice(tuple(BY_STRUCTURE))
    twice = BY_STRUCTURE[change](found, inside, key, random)
    text = json.dumps(found, ensure_ascii=random.random() < 0.5, indent=random.choice((None, 1)))
    depth = random.choice((100, 1000, 100_000))
    text = text.replace(json.dumps(NESTED), "[" * depth + "]" * depth)
    text = text.replace(json.dumps(DIGITS), "9" * random.choice((400, 5000)))
    if twice is not None:
        text = text.replace(json.dumps(twice), json.dumps(key))
    return Spoiled(text.encode("utf-8", "surrogatepass"), change, keys)


def _choose(found: Any, random: Random) -> tuple[Any, Any, tuple[str, ...]]:
    """A container of the structure, one of its keys, and the names on the way to it."""
    inside, keys = found, []
    while True:
        key = random.choice(list(inside)) if isinstance(inside, dict) else None
        if key is None:
            key = random.randrange(len(inside))
        keys.append(str(key))
        deeper = inside[key]
        if not isinstance(deeper, dict | list) or not deeper or random.random() < 0.25:
            return inside, key, tuple(keys)
        inside = deeper


def _replace(whole: Any, inside: Any, key: Any, random: Random) -> None:
    inside[key] = random.choice(ODD)


def _number(whole: Any, inside: Any, key: Any, random: Random) -> None:
    found = inside[key]
    if isinstance(found, int | float) and not isinstance(found, bool):
        inside[key] = random.choice((-found, found + 1, found - 1, found * 2, found * 10**6, 0))
    else:
        inside[key] = random.choice(NUMBERS)


def _remove(whole: Any, inside: Any, key: Any, random: Random) -> None:
    del inside[key]


def _rename(whole: Any, inside: Any, key: Any, random: Random) -> None:
    if isinstance(inside, dict):
        inside[random.choice((str(key) + "x", "", str(key)[:-1]))] = inside.pop(key)


def _add(whole: Any, inside: Any, key: Any, random: Random) -> None:
    name, value = random.choice(ATTACKS)
    target = whole if isinstance(whole, dict) else inside
    if isinstance(target, dict):
        target[name] = value


def _double(whole: Any, inside: Any, key: Any, random: Random) -> str | None:
    """A key twice; gives the name that is to be written as the key."""
    if not isinstance(inside, dict):
        inside.append(inside[key])
        return None
    inside["\x00twice\x00"] = random.choice((inside[key], *ODD[:20]))
    return "\x00twice\x00"


def _graft(whole: Any, inside: Any, key: Any, random: Random) -> None:
    """What stands elsewhere."""
    other, name, _ = _choose(whole, random)
    inside[key] = json.loads(json.dumps(other[name]))


BY_STRUCTURE: dict[str, Callable[[Any, Any, Any, Random], str | None]] = {
    "odd value": _replace,
    "other number": _number,
    "key removed": _remove,
    "key renamed": _rename,
    "key added": _add,
    "key twice": _double,
    "value from elsewhere": _graft,
}
