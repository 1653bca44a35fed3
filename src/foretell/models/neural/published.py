"""Published names of weights, as data: one reversible table a family, for saving and loading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor


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

    def published(self, name: str) -> str:
        """The name that others know a weight by. Raises KeyError if the table lacks it."""
        if name in self.whole:
            return self.whole[name]
        _, index, part, leaf = name.split(".")
        return f"{self.layers}.{index}.{self.parts[part]}.{leaf}"

    def export(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Our state_dict under the published names."""
        return {self.published(name): self._turn(name, w) for name, w in weights.items()}

    def restore(self, weights: Mapping[str, Tensor], names: Sequence[str]) -> dict[str, Tensor]:
        """The reverse, for our `names`. Raises KeyError if one is missing or one is left over."""
        wanted = {self.published(name): name for name in names}
        if set(wanted) != set(weights):
            odd = sorted(set(wanted) ^ set(weights))
            raise KeyError(f"weights do not fit the sizes; missing or unused: {', '.join(odd[:4])}")
        return {ours: self._turn(ours, weights[theirs]) for theirs, ours in wanted.items()}

    def _turn(self, name: str, weight: Tensor) -> Tensor:
        turned = name.startswith("layers.") and name.split(".")[2] in self.turned
        return weight.T.contiguous() if turned and weight.ndim == 2 else weight
