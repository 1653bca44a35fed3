"""Weights that others published: their names as data, one reversible table a family, and the
filling of a network from them."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from foretell.contracts.errors import DamagedModel, ForetellError
from foretell.fields import Fields, both_ends, read_fields
from foretell.storage import is_pickled

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
BESIDE = r"\w[\w.-]{,200}\.safetensors"
"""Name of a file that an index may send to."""
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")

Built = TypeVar("Built", bound=nn.Module)


class NotNative(ForetellError):
    """A whole model that uses what the class built here does not have."""


def refuse_others(fields: Fields, name: str, known: Collection[Any], default: Any) -> None:
    """Raise NotNative if a fact is none of those `known`."""
    found = fields.facts.get(name)
    if (default if found is None else found) not in known:
        raise NotNative(f"{fields.where}: {name} is {str(found)[:60]!r}, which is not built in")


def find_edges(folder: Path, config: Fields, vocabulary: int) -> tuple[int, int | None]:
    """The boundary of a folder's vocabulary, and the opening of texts if that is another token.
    Raises DamagedModel."""
    sources = [config]
    if (folder / "generation_config.json").is_file():
        sources.append(read_fields(folder / "generation_config.json"))
    found: dict[str, int] = {}
    for source in sources:
        for name in ("eos_token_id", "bos_token_id"):
            token = source.token(name, vocabulary)
            if token is not None:
                found.setdefault(name, token)
    if "eos_token_id" not in found:
        raise config.damaged("eos_token_id", "is missing")
    boundary = found["eos_token_id"]
    opening = found.get("bos_token_id", boundary)
    return boundary, None if opening == boundary else opening


@dataclass(frozen=True)
class Names:
    """How our `layers.3.mlp_in.weight` is called elsewhere.

    Names(whole={"norm.weight": "model.norm.weight"}, layers="model.layers",
          parts={"mlp_in": "mlp.up_proj"})
    """

    whole: Mapping[str, str]
    """Weights outside the layers."""
    layers: str
    """What stands before the number of a layer."""
    parts: Mapping[str, str]
    """Modules of a layer."""
    turned: Sequence[str] = ()
    """Modules of a layer whose matrices are input by output there; ours are output by input."""
    ignored: str = r"(?!)"
    """Pattern of names that stand in files and are no weights."""

    def published(self, name: str) -> str:
        """The name that others know a weight by. Raises KeyError if the table lacks it."""
        if name in self.whole:
            return self.whole[name]
        _, index, part, leaf = name.split(".")
        return f"{self.layers}.{index}.{self.parts[part]}.{leaf}"

    def without(self, prefix: str) -> Names:
        """The same names where a file leaves the prefix out."""
        whole = {ours: theirs.removeprefix(prefix) for ours, theirs in self.whole.items()}
        return replace(self, whole=whole, layers=self.layers.removeprefix(prefix))

    def export(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Our state_dict under the published names."""
        return {self.published(name): self.turn(name, w) for name, w in weights.items()}

    def turn(self, name: str, weight: Tensor) -> Tensor:
        """A weight of any shape as it is written elsewhere, and the other way round."""
        return weight.T.contiguous() if self._turns(name) and weight.ndim == 2 else weight

    def shape(self, name: str, weight: Tensor) -> tuple[int, ...]:
        """Of a weight of any shape as it is written elsewhere."""
        return tuple(weight.shape[::-1] if self._turns(name) else weight.shape)

    def _turns(self, name: str) -> bool:
        return name.startswith("layers.") and name.split(".")[2] in self.turned


class Shelf(Protocol):
    """Weights by their published names, read as they are asked for."""

    @property
    def where(self) -> str:
        """For errors."""
        ...

    @property
    def names(self) -> Collection[str]: ...

    def shape(self, name: str) -> tuple[int, ...]: ...

    def read(self, name: str) -> Tensor:
        """In float32, of the shape that `shape` gave."""
        ...


def build(kind: Callable[[], Built], names: Names, shelf: Shelf) -> Built:
    """A network with the weights of a shelf. Nothing is made of its size before every name and
    shape is known to fit.

    kind: how the network is made. Raises DamagedModel, naming the weight.
    """
    with torch.device("meta"), _Undrawn():
        network = kind()
    wanted = {names.published(name): name for name in network.state_dict()}
    found = {name for name in shelf.names if not re.fullmatch(names.ignored, name)}
    for problem, odd in (
        ("is missing", wanted.keys() - found),
        ("is not used", found - wanted.keys()),
    ):
        if odd:
            raise DamagedModel(
                f"{shelf.where}: weight {min(odd)[:80]} {problem} by the sizes that are written "
                "beside; get the model again"
            )
    weights = network.state_dict()
    for theirs, ours in wanted.items():
        shape = names.shape(ours, weights[ours])
        if shelf.shape(theirs) != shape:
            raise DamagedModel(
                f"{shelf.where}: weight {theirs} is {shelf.shape(theirs)}, and by the sizes that "
                f"are written beside {shape}; get the model again"
            )
    # Weights are worked out in arrays, to which threads help.
    with ThreadPoolExecutor() as threads:
        read = zip(wanted.values(), threads.map(shelf.read, wanted), strict=True)
        filled = {ours: names.turn(ours, weight) for ours, weight in read}
    network.load_state_dict(filled, assign=True)
    return network


class _Undrawn(TorchFunctionMode):
    """Where first weights are not drawn, as none are there: for random numbers without memory
    PyTorch imports its compiler, which takes two seconds."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__module__", None) == nn.init.__name__ or func is Tensor.normal_:
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


class Safetensors:
    """The shelf in a folder, in one file or in several with an index."""

    def __init__(self, folder: Path) -> None:
        self.where, self.bytes = str(folder), 0
        self._files: dict[str, Any] = {}
        for file in _files_of(folder):
            if file.is_file() and is_pickled(_beginning(file)):
                raise _pickle(file)
            try:
                opened = safe_open(file, framework="pt")
                self._files |= dict.fromkeys(opened.keys(), opened)
                self.bytes += file.stat().st_size
            except (SafetensorError, OSError) as problem:
                raise DamagedModel(
                    f"{file} is no safetensors file: {both_ends(str(problem))}; get the file again"
                ) from None

    @property
    def names(self) -> Collection[str]:
        return self._files.keys()

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self._files[name].get_slice(name).get_shape())

    def read(self, name: str) -> Tensor:
        found: Tensor = self._files[name].get_tensor(name)
        if not found.is_floating_point():
            raise NotNative(
                f"{self.where}: weight {name} is of {found.dtype}, and floating point is read; "
                "give the model that is not quantised"
            )
        return found.float()


def _files_of(folder: Path) -> list[Path]:
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    if (folder / INDEX).is_file():
        index = read_fields(folder / INDEX)
        names = index.inside("weight_map").facts.values()
        if not names or not all(
            isinstance(name, str) and re.fullmatch(BESIDE, name, re.ASCII) for name in names
        ):
            raise index.damaged("weight_map", "names no safetensors files beside it")
        return [folder / name for name in sorted(set(names))]
    pickles = sorted(file.name for pattern in PICKLES for file in folder.glob(pattern))
    if pickles:
        raise _pickle(folder / pickles[0])
    raise DamagedModel(f"{folder} has no {WEIGHTS}; give a folder that has it")


def _beginning(file: Path) -> bytes:
    with file.open("rb") as stream:
        return stream.read(8)


def _pickle(file: Path) -> DamagedModel:
    return DamagedModel(
        f"{file} is a pickle, which can run any code when it is read, and is not opened; get the "
        f"model as {WEIGHTS}"
    )
