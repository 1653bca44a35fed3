"""Causal language models that `transformers` builds, opened from folders of unknown origin.

A configuration may say anything, and a model of the sizes that it says would be made, its missing
weights drawn at random. So it is made without memory first, and held against the weights that are
there; nothing of a size that they do not have is made.
"""

from __future__ import annotations

import linecache
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import prod
from pathlib import Path
from traceback import walk_tb
from typing import Any

import torch
from torch.nn.modules import module

from foretell.contracts.errors import DamagedModel, ForetellError, MissingExtra
from foretell.fields import Fields, read_fields
from foretell.models.neural.published import Safetensors

COUNTS = "layer|head|expert|group|label|attention_types"
"""What configurations count, and classes of configurations make lists of."""
MOST = 2**16
"""Of anything that is counted."""
BUFFERS = 2**24
"""Bytes that a model may have beside its weights, masks above all, however small it is."""
ONLY: dict[str, Any] = {"trust_remote_code": False}
"""No code that comes with a model; and no question whether it may be run."""


def open_causal(folder: Path) -> Any:
    """The model of `transformers`, in float32. Raises DamagedModel, which names the field or the
    weight, or MissingExtra."""
    try:
        import transformers
    except ModuleNotFoundError:
        raise MissingExtra(
            f'{folder} needs transformers: pip install "foretell[transformers]"'
        ) from None
    facts, shelf = read_fields(folder / "config.json"), Safetensors(folder)
    _refuse_counts(facts, "", facts.facts)
    auto: Any = transformers.AutoModelForCausalLM
    kind = facts.word("model_type")
    with _told(facts):
        if kind not in transformers.CONFIG_MAPPING:
            raise facts.damaged("model_type", f"is {kind[:40]!r}, unknown to transformers")
        config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True, **ONLY)
        if type(config) not in transformers.MODEL_FOR_CAUSAL_LM_MAPPING:
            raise facts.damaged("model_type", f"is {kind[:40]!r}, no causal model of transformers")
        with torch.device("meta"), _as_small_as(shelf):
            skeleton = auto.from_config(config, dtype=torch.float32, **ONLY)
        _refuse_sizes(skeleton, shelf)
        model, report = auto.from_pretrained(
            folder,
            local_files_only=True,
            use_safetensors=True,
            dtype=torch.float32,
            output_loading_info=True,
            **ONLY,
        )
        if report["missing_keys"]:
            raise _missing(shelf, min(report["missing_keys"]))
        _try(model.eval(), facts)
    return model


def _refuse_counts(facts: Fields, name: str, found: Any) -> None:
    """Refuse what a list could not be made of."""
    if isinstance(found, Mapping):
        for inner, value in found.items():
            _refuse_counts(facts, inner, value)
    elif isinstance(found, list):
        for value in found:
            _refuse_counts(facts, name, value)
    elif isinstance(found, int | float) and found > MOST and re.search(COUNTS, name):
        raise facts.damaged(name, f"is more than {MOST}")


@contextmanager
def _told(facts: Fields) -> Iterator[None]:
    """What goes wrong inside of `transformers`, as a DamagedModel that names the field."""
    try:
        yield
    except ForetellError:
        raise
    except ImportError as problem:
        named = "quantization_config"
        if named not in facts.facts:
            named = ", ".join(_fields_of(problem, facts.facts))
        raise MissingExtra(
            f"transformers cannot open {facts.where} ({named}): {_line(problem)}"
        ) from None
    # Hundreds of classes, each of which meets odd configurations in its own way.
    except Exception as problem:
        named = ", ".join(_fields_of(problem, facts.facts))
        raise DamagedModel(
            f"transformers cannot open {facts.where} ({named}): {type(problem).__name__}: "
            f"{_line(problem)}; get the model again"
        ) from None


def _line(problem: Exception) -> str:
    return " ".join(str(problem).split())[:240]


def _fields_of(problem: Exception, facts: Mapping[str, Any]) -> list[str]:
    """Facts that an error names, or has the value of; else those that were asked for last; else
    the class that could not be made of them."""
    said = str(problem)[:2000]
    for name, value in facts.items():
        spelled = value if isinstance(value, str) else repr(value)
        if re.search(rf"\b{re.escape(name)}\b", said) or (
            2 < len(spelled) < 60 and spelled in said
        ):
            return [name[:60]]
    # From within, since each file of source that is read takes memory.
    for frame, number in reversed(list(walk_tb(problem.__traceback__))):
        line = linecache.getline(frame.f_code.co_filename, number)
        asked = [name[:60] for name in facts if len(name) > 3 and name in line]
        asked = asked or re.findall(r"\b(?:config|kwargs)\.(\w+)", line)
        if asked:
            return asked[:3]
    return [f"model_type {str(facts.get('model_type'))[:40]!r}"]


@contextmanager
def _as_small_as(shelf: Safetensors) -> Iterator[None]:
    """Where a network is made that may not have many more parts than there are weights."""
    most, room = 4 * len(shelf.names) + 64, 2 * shelf.bytes + BUFFERS
    made = taken = 0

    def count(part: Any, name: str, weight: Any) -> None:
        nonlocal made
        made += 1
        if made > most:
            raise DamagedModel(
                f"{shelf.where}: config.json makes more than {most} weights by its model_type and "
                f"number of layers, and there are {len(shelf.names)}; get the model again"
            )

    def weigh(part: Any, name: str, buffer: Any) -> None:
        nonlocal taken
        taken += buffer.numel() * buffer.element_size() if buffer is not None else 0
        if taken > room:
            raise DamagedModel(
                f"{shelf.where}: by model_type and sizes in config.json, {name} of "
                f"{type(part).__name__} takes {taken} bytes, and the weights {shelf.bytes}; "
                "get the model again"
            )

    hooks = (
        module.register_module_parameter_registration_hook(count),
        module.register_module_buffer_registration_hook(weigh),
    )
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _refuse_sizes(skeleton: Any, shelf: Safetensors) -> None:
    """Refuse a network that is not of the sizes of its weights. Where names are not those of the
    file, as `transformers` renames some, only that it is not much larger."""
    wanted = {name: tuple(weight.shape) for name, weight in skeleton.named_parameters()}
    found = {name: shelf.shape(name) for name in wanted.keys() & shelf.names}
    odd = [name for name, shape in found.items() if shape != wanted[name]]
    there = sum(prod(shelf.shape(name)) for name in shelf.names)
    # Weights of few bits stand many to a number.
    most = 2 * (shelf.bytes if getattr(skeleton.config, "quantization_config", None) else there)
    if sum(map(prod, wanted.values())) > most or (odd and len(found) == len(wanted)):
        if odd:
            name = min(odd)
            raise DamagedModel(
                f"{shelf.where}: weight {name} is {found[name]}, and by the sizes that are "
                f"written beside {wanted[name]}; get the model again"
            )
        raise _missing(shelf, min(wanted.keys() - found.keys(), default=min(wanted)))


def _missing(shelf: Safetensors, name: str) -> DamagedModel:
    return DamagedModel(
        f"{shelf.where}: weight {name} is missing by the sizes that are written beside; get the "
        "model again"
    )


@torch.inference_mode()
def _try(model: Any, facts: Fields) -> None:
    """Read a token: what a configuration spoils may only show then."""
    logits = model(torch.zeros((1, 1), dtype=torch.int64), use_cache=False).logits
    rows = model.get_input_embeddings().num_embeddings
    if logits.shape != (1, 1, rows):
        raise facts.damaged("vocab_size", f"gives {tuple(logits.shape)} of {rows} tokens")
