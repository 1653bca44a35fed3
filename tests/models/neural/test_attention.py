import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from foretell.models.neural import attention
from foretell.models.neural.attention import attend


def gradients(x: list[Tensor], mask: Tensor | None, *, rounded: bool) -> list[Tensor]:
    x = [each.requires_grad_() for each in x]
    with torch.autocast("cpu", torch.bfloat16, enabled=rounded):
        out = attend(*x, mask)
    return [out.detach(), *torch.autograd.grad(out, x, torch.ones_like(out) + out.detach())]


def drawn(heads: int, shared: int, length: int) -> list[Tensor]:
    torch.manual_seed(0)
    return [torch.randn(5, count, length, 16) for count in (heads, shared, shared)]


@pytest.mark.parametrize("length", [1, 2, 37, 130])
@pytest.mark.parametrize(("heads", "shared"), [(3, 3), (6, 2)])
@pytest.mark.parametrize("masked", ["causal", "rows", "same"])
def test_gradients_are_those_of_pytorch(
    length: int, heads: int, shared: int, masked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention, "ROOM", 2 * 37**2)
    mask = None
    if masked != "causal":
        torch.manual_seed(1)
        rows = 5 if masked == "rows" else 1
        seen = torch.arange(length) < torch.randint(1, length + 1, (rows, 1))
        mask = seen[:, None, None, :] | torch.eye(length, dtype=torch.bool)
    x = drawn(heads, shared, length)
    right = gradients(x, mask, rounded=False)
    for found, wanted in zip(gradients(x, mask, rounded=True), right, strict=True):
        # Of a single token the gradients of queries and keys are nothing, up to rounding.
        assert (found - wanted).norm() <= 0.02 * wanted.norm() + (0.1 if length == 1 else 0)


def test_only_learning_in_bfloat16_takes_its_own_way(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> Tensor:
        raise AssertionError("its own way")

    monkeypatch.setattr(attention._Attention, "apply", refuse)
    x = drawn(2, 2, 8)
    wanted = F.scaled_dot_product_attention(*x, is_causal=True)
    assert torch.equal(attend(*x, None), wanted)
    gradients(x, None, rounded=False)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        attend(*x, None)
    with pytest.raises(AssertionError, match="its own way"):
        gradients(x, None, rounded=True)
