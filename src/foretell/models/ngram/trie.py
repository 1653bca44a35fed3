"""A forward trie of n-grams in flat arrays, and look-ups in it, many at a time.

    order 1   tokens    0   1   2   3          every token of the vocabulary, in order
              children  0   2   2   3   5      the n-grams of order 2 that begin with 1: 2 to 2
    order 2   tokens    1   3 |   | 0 | 1   3  sorted by (context, token)

Facts: an n-gram is a number, its place in its order's arrays; the children of one context lie
side by side, sorted by token; probabilities are interpolated already, so a look-up takes the
longest n-gram that is there, and the back-offs of the longer contexts that are there too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from hashlib import file_digest, sha256
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from foretell.contracts.errors import DamagedModel

Ids = NDArray[np.int32]
Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]
TokenArray = NDArray[np.integer]

TOKEN_BITS = np.uint64(32)

FORMAT = "foretell-ngram"
VERSION = 1
MANIFEST = "manifest.json"
FIELDS = {"tokens": "<i4", "logprobs": "<f4", "backoffs": "<f4", "children": "<i4"}
"""The arrays of an order, and what they are on disk."""


@dataclass(frozen=True)
class Recipe:
    """How the numbers of a trie were made."""

    order: int
    vocabulary_size: int
    boundary: int
    discounts: tuple[tuple[float, float, float], ...]
    """(order, 3) taken off counts of 1, of 2, and of 3 or more."""
    prune: tuple[int, ...]
    """(order,) n-grams seen this often or less were dropped."""
    compat: str
    notices: tuple[str, ...]
    """What had to be done otherwise than asked, for the user to read."""


@dataclass(frozen=True)
class Order:
    """The n-grams (n,) of one order. The highest order has no back-offs and no children."""

    tokens: Ids
    """(n,) the last token of each."""
    logprobs: Floats
    """(n,) ln P(last token | the others), interpolated with all lower orders."""
    backoffs: Floats
    """(n,) ln of what the n-gram, as a context, leaves to the order below; 0 without children."""
    children: Ids
    """(n + 1,) where the children of each begin in the next order."""


class Matches(NamedTuple):
    """For each place of a batch, the n-gram of one order that ends there."""

    numbers: NDArray[np.integer]
    """Of the same shape as the batch; meaningless where there is none."""
    there: Mask


class Scores(NamedTuple):
    logprobs: Floats
    """ln P of each token."""
    orders: Ids
    """The order that decided it: the length of the longest n-gram that was found."""


@dataclass(frozen=True)
class Trie:
    """N-grams of order 1 to N with probabilities and back-offs. Knows tokens, not text."""

    orders: tuple[Order, ...]
    recipe: Recipe

    @cached_property
    def _keys(self) -> tuple[NDArray[np.uint64], ...]:
        """For each order from 2: (n,) contexts and tokens, packed, ascending."""
        keys = []
        for below, order in pairwise(self.orders):
            contexts = np.arange(len(below.tokens), dtype=np.uint64) << TOKEN_BITS
            key = np.repeat(contexts, np.diff(below.children))
            key |= order.tokens.astype(np.uint64)
            keys.append(key)
        return tuple(keys)

    def find(self, order: int, contexts: Matches, tokens: TokenArray) -> Matches:
        """The n-grams of an order that extend contexts (...) of the order below by tokens (...)."""
        keys = self._keys[order - 2]
        numbers = np.zeros(tokens.shape, np.int64)
        there = np.zeros(tokens.shape, bool)
        if len(keys) == 0:
            return Matches(numbers, there)
        wanted = contexts.numbers[contexts.there].astype(np.uint64) << TOKEN_BITS
        wanted |= tokens[contexts.there].astype(np.uint64)
        slots = np.minimum(keys.searchsorted(wanted), len(keys) - 1)
        numbers[contexts.there] = slots
        there[contexts.there] = keys[slots] == wanted
        return Matches(numbers, there)

    def look_up(self, tokens: TokenArray, known: Mask, orders: int) -> Iterator[Matches]:
        """The n-grams that end at each place of tokens (B, W), of order 1, 2, ... `orders`.

        known (B, W) is false on pads. A boundary ends what stands before it without a rule: no
        n-gram that ends in it has children, and the boundary alone has those of a text's start.
        """
        found = Matches(tokens, known)
        yield found
        for order in range(2, orders + 1):
            contexts = Matches(found.numbers[:, :-1], found.there[:, :-1] & known[:, 1:])
            found = Matches(np.zeros(tokens.shape, np.int64), np.zeros(tokens.shape, bool))
            found.numbers[:, 1:], found.there[:, 1:] = self.find(order, contexts, tokens[:, 1:])
            yield found

    def score(self, tokens: TokenArray, known: Mask) -> Scores:
        """Each token of (B, W) given those before it in its row; known (B, W) is false on pads.

        What comes out on pads is meaningless.
        """
        logprobs = self.orders[0].logprobs[tokens]
        decided = np.ones(tokens.shape, np.int32)
        matches = self.look_up(tokens, known, self.recipe.order)
        contexts = next(matches)
        for level, here in enumerate(matches, start=1):
            rows, places = np.nonzero(contexts.there[:, :-1])
            numbers = contexts.numbers[rows, places]
            logprobs[rows, places + 1] += self.orders[level - 1].backoffs[numbers]
            logprobs[here.there] = self.orders[level].logprobs[here.numbers[here.there]]
            decided[here.there] = level + 1
            contexts = here
        return Scores(logprobs, decided)

    def distributions(self, tokens: TokenArray, known: Mask, keep: int) -> Floats:
        """ln P of every token of the vocabulary after each of the last `keep` places.

        tokens (B, W), known (B, W) false on pads, which must stand on the left; (B, keep, V).
        """
        rows = len(tokens)
        size = self.recipe.vocabulary_size
        out = np.tile(self.orders[0].logprobs, (rows * keep, 1))
        if self.recipe.order > 1 and keep > 0:
            for level, contexts in enumerate(self.look_up(tokens, known, self.recipe.order - 1)):
                there = contexts.there[:, -keep:].ravel()
                numbers = contexts.numbers[:, -keep:].ravel()
                self._refine(out, level, np.flatnonzero(there), numbers[there])
        return out.reshape(rows, keep, size)

    def _refine(
        self, out: Floats, level: int, rows: NDArray[np.intp], numbers: NDArray[np.integer]
    ) -> None:
        """Refine rows (R,) of out (·, V), right for contexts one shorter, by contexts (R,)."""
        order, above = self.orders[level], self.orders[level + 1]
        starts, ends = order.children[numbers], order.children[numbers + 1]
        if len(rows) == 1:  # the common case while decoding; slices cost half of what indices do
            row, children = out[rows[0]], slice(starts[0], ends[0])
            row += order.backoffs[numbers[0]]
            row[above.tokens[children]] = above.logprobs[children]
            return
        out[rows] += order.backoffs[numbers][:, None]
        sizes = ends - starts
        within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        children_of_all = np.repeat(starts, sizes) + within
        places = np.repeat(rows, sizes), above.tokens[children_of_all]
        out[places] = above.logprobs[children_of_all]

    def save(self, folder: Path, *, tokenizer: str) -> None:
        """Write the arrays and `manifest.json`. tokenizer: fingerprint, kept for `load_trie`."""
        arrays = {}
        for n, order in enumerate(self.orders, start=1):
            for field, kind in FIELDS.items():
                array = np.ascontiguousarray(getattr(order, field), kind)
                data = array.tobytes()
                (folder / _file_name(n, field)).write_bytes(data)
                arrays[_file_name(n, field)] = {
                    "dtype": kind,
                    "shape": list(array.shape),
                    "sha256": sha256(data).hexdigest(),
                }
        manifest = {
            "format": FORMAT,
            "version": VERSION,
            "recipe": asdict(self.recipe),
            "tokenizer": tokenizer,
            "arrays": arrays,
        }
        manifest["checksum"] = _sign(manifest)
        (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", "utf-8")


def load_trie(folder: Path) -> tuple[Trie, str]:
    """What `Trie.save` wrote, arrays mapped into memory, and the tokenizer's fingerprint.

    Every byte is checked. Raises DamagedModel, naming the file.
    """
    path = folder / MANIFEST
    manifest = _read_manifest(path)
    try:
        recipe = _read_recipe(manifest["recipe"])
        tokenizer = _typed(manifest["tokenizer"], str)
        described = {
            (n, field): _check_description(manifest["arrays"][_file_name(n, field)], kind)
            for n in range(1, recipe.order + 1)
            for field, kind in FIELDS.items()
        }
    except (LookupError, TypeError, ValueError) as problem:
        raise _damage(path, f"lacks or garbles what it must say ({problem!r:.80})") from problem
    orders = []
    for n in range(1, recipe.order + 1):
        parts = {f: _map(folder / _file_name(n, f), *described[n, f], FIELDS[f]) for f in FIELDS}
        orders.append(Order(**parts))
    for n, order in enumerate(orders, start=1):
        size = len(order.tokens)
        below = len(order.backoffs), len(order.children)
        fits = len(order.logprobs) == size and below == (
            (size, size + 1) if n < len(orders) else (0, 0)
        )
        if not fits or (n < len(orders) and order.children[-1] != len(orders[n].tokens)):
            raise _damage(path, f"describes arrays of order {n} that do not fit together")
    if len(orders[0].tokens) != recipe.vocabulary_size:
        raise _damage(path, "describes another number of unigrams than of tokens")
    return Trie(tuple(orders), recipe), tokenizer


def _file_name(order: int, field: str) -> str:
    return f"order{order}.{field}.bin"


def _sign(manifest: Mapping[str, Any]) -> str:
    """Hash of all that a manifest says but the hash itself."""
    said = {name: value for name, value in manifest.items() if name != "checksum"}
    return sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _damage(path: Path, problem: str) -> DamagedModel:
    return DamagedModel(f"{path} {problem}; copy the model's folder again, or train again")


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(path.read_bytes())
    except OSError as problem:
        raise _damage(path, f"cannot be read ({problem.strerror})") from problem
    except (ValueError, RecursionError) as problem:
        raise _damage(path, "is not JSON") from problem
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise _damage(path, f"is no manifest of a {FORMAT} model")
    if manifest.get("checksum") != _sign(manifest):
        raise _damage(path, "was changed after it was written")
    if manifest.get("version") != VERSION:
        raise DamagedModel(
            f"{path} has version {manifest.get('version')}, this foretell reads {VERSION}; "
            "load it with the foretell that wrote it"
        )
    return manifest


def _typed(value: Any, kind: type) -> Any:
    """The value if it is of exactly this type; JSON's true is no number here."""
    if type(value) is not kind:
        raise TypeError(f"{value!r:.60} is no {kind.__name__}")
    return value


def _read_recipe(said: Mapping[str, Any]) -> Recipe:
    """Raises LookupError, TypeError or ValueError if anything is missing or of another type."""
    recipe = Recipe(
        order=_typed(said["order"], int),
        vocabulary_size=_typed(said["vocabulary_size"], int),
        boundary=_typed(said["boundary"], int),
        discounts=tuple((float(a), float(b), float(c)) for a, b, c in said["discounts"]),
        prune=tuple(_typed(threshold, int) for threshold in _typed(said["prune"], list)),
        compat=_typed(said["compat"], str),
        notices=tuple(_typed(notice, str) for notice in _typed(said["notices"], list)),
    )
    if not (recipe.order == len(recipe.discounts) == len(recipe.prune) > 0):
        raise ValueError(f"order {recipe.order} has other numbers of discounts or thresholds")
    if not 0 <= recipe.boundary < recipe.vocabulary_size:
        raise ValueError(f"boundary {recipe.boundary} is not in the vocabulary")
    return recipe


def _check_description(description: Mapping[str, Any], kind: str) -> tuple[int, str]:
    """Length and hash of an array, as the manifest describes it."""
    (length,) = description["shape"]
    if description["dtype"] != kind or _typed(length, int) < 0:
        raise ValueError(f"an array of {kind} is described as {description!r:.60}")
    return length, _typed(description["sha256"], str)


def _map(path: Path, length: int, digest: str, kind: str) -> NDArray[Any]:
    """The array (length,) of a file, mapped into memory, after its size and hash were checked."""
    dtype = np.dtype(kind)
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            if size != length * dtype.itemsize:
                raise _damage(path, f"has {size} bytes instead of {length * dtype.itemsize}")
            file.seek(0)
            if file_digest(file, "sha256").hexdigest() != digest:
                raise _damage(path, "was changed after it was written")
        if length == 0:  # an empty file cannot be mapped
            return np.zeros(0, dtype)
        # Indexing the memmap class itself is slow; a plain array over the same memory is not.
        return np.asarray(np.memmap(path, dtype, mode="r"))
    except OSError as problem:
        raise _damage(path, f"cannot be read ({problem.strerror})") from problem
