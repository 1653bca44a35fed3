"""Attention. Under autocast to bfloat16, PyTorch's gradient of it on a processor takes up to five
times as long as the products that it is made of; so short rows have their own, and the output is
PyTorch's. docs/decisions/recipe.md

    P = softmax(q k / sqrt(E) + mask), again, not kept;  dv = P' g
    dS = P (g v' - sum(g out));  dq = dS k / sqrt(E);  dk = dS' q / sqrt(E)
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

LONGEST = 256
"""Tokens of rows whose gradients are quicker so; at 512 they are not."""
ROOM = 2**18
"""Probabilities that are made at once, so that they stay near the processor."""


def attend(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
    """softmax(q k / sqrt(E)) v, causal if there is no mask. Queries (B, H, T, E); keys and
    values may have a divisor of H heads, each shared by as many neighbours. mask: (B or 1, 1, T,
    T) where a token is seen."""
    learns = torch.is_grad_enabled() and any(x.requires_grad for x in (queries, keys, values))
    rounded = torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") == torch.bfloat16
    length = queries.shape[2]
    if learns and rounded and length == keys.shape[2] <= LONGEST:
        parts = (x.to(torch.bfloat16) for x in (queries, keys, values))
        out: Tensor = _Attention.apply(*parts, mask)
        return out
    return _attend(queries, keys, values, mask)


def _attend(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
    return F.scaled_dot_product_attention(
        queries,
        keys,
        values,
        attn_mask=mask,
        is_causal=mask is None,
        enable_gqa=queries.shape[1] != keys.shape[1],
    )


class _Attention(torch.autograd.Function):
    """See the module. All of bfloat16. Shared keys and values are kept as they are."""

    @staticmethod
    def forward(
        context: Any, queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None
    ) -> Tensor:
        out = _attend(queries, keys, values, mask)
        context.save_for_backward(queries, keys, values, out, mask)
        return out

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        queries, keys, values, out, mask = context.saved_tensors
        heads, length, size = out.shape[1:]
        shared = heads // keys.shape[1]
        keys, values = (x.repeat_interleave(shared, 1) for x in (keys, values))
        own = (gradient.float() * out).sum(-1, keepdim=True).to(gradient.dtype).flatten(0, 1)
        queries, keys, values, gradient = (
            x.flatten(0, 1) for x in (queries, keys, values, gradient)
        )
        for_queries, for_keys, for_values = (torch.empty_like(x) for x in (queries, keys, values))
        hidden, row_of = _hidden(mask, length), torch.arange(len(queries)) // heads
        for part in torch.arange(len(queries)).split(max(1, ROOM // length**2)):
            at = slice(int(part[0]), int(part[-1]) + 1)
            q, k, v, g = queries[at], keys[at], values[at], gradient[at]
            # In float32: what is rounded here stands in an exponent.
            unseen = hidden if len(hidden) == 1 else hidden[row_of[at]]
            scores = torch.baddbmm(unseen, q.float(), k.float().mT, alpha=size**-0.5)
            shares = scores.softmax(-1).to(q.dtype)
            slopes = torch.bmm(g, v.mT).sub_(own[at]).mul_(shares)
            torch.bmm(slopes, k, out=for_queries[at])
            torch.bmm(slopes.mT, q, out=for_keys[at])
            torch.bmm(shares.mT, g, out=for_values[at])
        for_queries, for_keys = (x.mul_(size**-0.5) for x in (for_queries, for_keys))
        for_keys, for_values = (
            x.view(-1, heads // shared, shared, length, size).sum(2) for x in (for_keys, for_values)
        )
        return for_queries.view(out.shape), for_keys, for_values, None


def _hidden(mask: Tensor | None, length: int) -> Tensor:
    """(B or 1, T, T): added to scores, nothing where a token is seen, else minus infinity."""
    if mask is None:
        return torch.full((1, length, length), -torch.inf).triu(1)
    return torch.zeros(mask.shape).masked_fill_(~mask, -torch.inf)[:, 0]
