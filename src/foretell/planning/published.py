"""Sizes that papers give, with the counts that they give for them, so that both can be checked.

Facts and figures only. Where a paper contradicts itself, the comment says so, and the shape is
the one that makes the published count.
"""

from __future__ import annotations

from dataclasses import dataclass

from foretell.contracts.errors import ForetellError
from foretell.planning.shapes import Shape, gpt2, llama


@dataclass(frozen=True)
class Published:
    """A model as its paper describes it."""

    name: str
    shape: Shape
    parameters: float
    """As published, rounded as there."""
    source: str
    tokens: float | None = None
    """It was trained on; None: not published."""
    batch: float | None = None
    """Tokens in an update; None: not published, or not checked."""
    compute: float | None = None
    """FLOPs of its training; None: not published."""


GPT2 = (
    "Radford et al. 2019, table 2; counts of the repository openai/gpt-2, which says that the "
    "paper's (117M, 345M, 762M, 1542M) were wrong"
)
GPT3 = "Brown et al. 2020, tables 2.1 (sizes) and D.1 (counts, compute)"
LLAMA1 = "Touvron et al. 2023a, table 2; inner widths by the rule of its code, as in its configs"
LLAMA2 = "Touvron et al. 2023b, table 1; sizes of its configs"
LLAMA3 = "Grattafiori et al. 2024, table 3; vocabulary of its configs (128,000 and 256 reserved)"
SMOLLM = "the model's config and card (HuggingFaceTB, 2024)"


def _gpt2(name: str, parameters: float, layers: int, width: int, heads: int) -> Published:
    # 512 rows of 1,024 tokens in an update; how many tokens in all is not said.
    shape = gpt2(context=1024, width=width, heads=heads, layers=layers)
    return Published(name, shape, parameters, GPT2, batch=512 * 1024)


def _gpt3(
    name: str,
    parameters: float,
    layers: int,
    width: int,
    heads: int,
    batch: float,
    compute: float,
) -> Published:
    shape = gpt2(context=2048, width=width, heads=heads, layers=layers)
    return Published(name, shape, parameters, GPT3, 300e9, batch, compute)


def _llama1(
    name: str, parameters: float, layers: int, width: int, heads: int, inner: int, tokens: float
) -> Published:
    shape = llama(
        vocabulary=32_000, context=2048, width=width, heads=heads, layers=layers, inner=inner
    )
    return Published(name, shape, parameters, LLAMA1, tokens, 4e6)


def _llama2(
    name: str, parameters: float, layers: int, width: int, heads: int, inner: int, key_heads: int
) -> Published:
    shape = llama(
        vocabulary=32_000,
        context=4096,
        width=width,
        heads=heads,
        layers=layers,
        inner=inner,
        key_heads=key_heads,
    )
    return Published(name, shape, parameters, LLAMA2, 2.0e12, 4e6)


def _llama3(
    name: str,
    parameters: float,
    layers: int,
    width: int,
    heads: int,
    inner: int,
    tokens: float,
    batch: float | None = None,
    compute: float | None = None,
) -> Published:
    shape = llama(
        vocabulary=128_256,
        context=8192,
        width=width,
        heads=heads,
        layers=layers,
        inner=inner,
        key_heads=8,
    )
    return Published(name, shape, parameters, LLAMA3, tokens, batch, compute)


MODELS = (
    _gpt2("gpt2", 124e6, 12, 768, 12),
    _gpt2("gpt2-medium", 355e6, 24, 1024, 16),
    _gpt2("gpt2-large", 774e6, 36, 1280, 20),
    _gpt2("gpt2-xl", 1558e6, 48, 1600, 25),
    _gpt3("gpt3-small", 125e6, 12, 768, 12, 0.5e6, 2.25e20),
    # Table 2.1 calls it 350M, table D.1 356M, which is what its sizes make.
    _gpt3("gpt3-medium", 356e6, 24, 1024, 16, 0.5e6, 6.41e20),
    _gpt3("gpt3-large", 760e6, 24, 1536, 16, 0.5e6, 1.37e21),
    # Table 2.1: 24 heads of 128, which is wider than the width of 2048; 16 heads fill it and make
    # the count, 24 would make 1.52 billion.
    _gpt3("gpt3-xl", 1320e6, 24, 2048, 16, 1e6, 2.38e21),
    _gpt3("gpt3-2.7b", 2650e6, 32, 2560, 32, 1e6, 4.77e21),
    _gpt3("gpt3-6.7b", 6660e6, 32, 4096, 32, 2e6, 1.20e22),
    # Table 2.1: width 5140, which 40 heads of 128 do not make; 5120 does, and makes the count of
    # table D.1, 12.85 billion (table 2.1 says 13.0, and 5140 makes 12.95).
    _gpt3("gpt3-13b", 12_850e6, 40, 5120, 40, 2e6, 2.31e22),
    _gpt3("gpt3-175b", 174_600e6, 96, 12_288, 96, 3.2e6, 3.14e23),
    _llama1("llama-7b", 6.7e9, 32, 4096, 32, 11_008, 1.0e12),
    _llama1("llama-13b", 13.0e9, 40, 5120, 40, 13_824, 1.0e12),
    _llama1("llama-33b", 32.5e9, 60, 6656, 52, 17_920, 1.4e12),
    _llama1("llama-65b", 65.2e9, 80, 8192, 64, 22_016, 1.4e12),
    # From here on papers give names rather than counts: "70B" is 69.0 and 70.6 billion.
    _llama2("llama2-7b", 7e9, 32, 4096, 32, 11_008, 32),
    _llama2("llama2-13b", 13e9, 40, 5120, 40, 13_824, 40),
    _llama2("llama2-70b", 70e9, 80, 8192, 64, 28_672, 8),
    _llama3("llama3-8b", 8e9, 32, 4096, 32, 14_336, 15e12),
    _llama3("llama3-70b", 70e9, 80, 8192, 64, 28_672, 15e12),
    _llama3("llama3-405b", 405e9, 126, 16_384, 128, 53_248, 15.6e12, 16e6, 3.8e25),
    Published(
        "smollm-135m",
        llama(
            vocabulary=49_152,
            context=2048,
            width=576,
            heads=9,
            layers=30,
            inner=1536,
            key_heads=3,
            tied=True,
        ),
        135e6,
        SMOLLM,
        600e9,
    ),
)


def find_published(name: str) -> Published:
    """By name. Raises ForetellError with all names for one that is not here."""
    for model in MODELS:
        if model.name == name.lower():
            return model
    names = ", ".join(model.name for model in MODELS)
    raise ForetellError(
        f"{name} is neither a model folder nor a published size; choose from {names}"
    )
