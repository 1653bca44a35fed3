"""Conversations: messages to the tokens that a model was taught to read them as.

    tokens = encode_chat(tokenizer, (Message("user", "Who wrote this?"),))
    stream(model, tokens, settings=settings)

The template comes with the model and is a program by whoever wrote it, so it is rendered in a
process that has two seconds, half a gigabyte and Jinja's immutable sandbox. A message cannot spell
the tokens that end turns: it is refused if it does.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from foretell.contracts.errors import DamagedModel, ForetellError
from foretell.contracts.tokenizer import Tokenizer
from foretell.tokenizers import Foreign

SECONDS = 5.0
"""That a template may take by the clock; its process has fewer of the processor."""
STAND_IN = "\ue000"
"""Of a question, to see what a template writes around it: a character of no meaning."""


@dataclass(frozen=True)
class Message:
    """One turn: role is system, user or assistant."""

    role: str
    content: str


def encode_chat(tokenizer: Tokenizer, messages: Sequence[Message]) -> NDArray[np.int32]:
    """Tokens (T,) after which the assistant speaks, without the one that texts begin with.

    Raises ForetellError for a model without a template, or a message that spells a special token;
    DamagedModel for a template that fails.
    """
    if not isinstance(tokenizer, Foreign) or tokenizer.template is None:
        raise ForetellError(
            "this model was not taught conversations: it has no chat template; use "
            "`foretell generate`, or a model such as smollm2-135m"
        )
    for message in messages:
        refuse_special(tokenizer, message.content, "the message")
    text = _render(tokenizer, tokenizer.template, messages)
    return tokenizer.encode_marked(text)


def frame_question(tokenizer: Tokenizer) -> tuple[str, str] | None:
    """What a model's template writes before a question, and behind it up to where the assistant
    speaks; None if it was not taught conversations.

    Raises DamagedModel for a template that fails, or that does not write the question once as it
    is.
    """
    if not isinstance(tokenizer, Foreign) or tokenizer.template is None:
        return None
    parts = _render(tokenizer, tokenizer.template, (Message("user", STAND_IN),)).split(STAND_IN)
    if len(parts) != 2:
        raise _refused(f"it writes a question {len(parts) - 1} times")
    return parts[0], parts[1]


def refuse_special(tokenizer: Tokenizer, text: str, what: str) -> None:
    """Raise ForetellError if a text spells a token that has a meaning of its own."""
    pieces = tokenizer.special_pieces if isinstance(tokenizer, Foreign) else ()
    spelled = [piece for piece in pieces if piece in text]
    if spelled:
        raise ForetellError(
            f"{what} holds {spelled[0]}, which has a meaning of its own to this model; take it out"
        )


def _render(tokenizer: Foreign, template: str, messages: Sequence[Message]) -> str:
    """A conversation as text, without the token that texts begin with."""
    opening = _name(tokenizer, "bos_token")
    names: dict[str, object] = {
        "messages": [asdict(message) for message in messages],
        "add_generation_prompt": True,
        "bos_token": opening,
        "eos_token": _name(tokenizer, "eos_token"),
    }
    return render_template(template, names).removeprefix(opening)


def _name(tokenizer: Foreign, kind: str) -> str:
    """A special token's spelling, which configurations write in two ways."""
    found = tokenizer.config.get(kind)
    if isinstance(found, dict):
        found = found.get("content")
    return found if isinstance(found, str) else ""


def render_template(template: str, names: dict[str, object]) -> str:
    """What a template makes of names. Raises DamagedModel if it fails or takes too much."""
    asked = json.dumps({"template": template, "names": names}).encode()
    command = [sys.executable, "-I", "-m", "foretell.decoding.template_process"]
    try:
        done = subprocess.run(
            command, input=asked, capture_output=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise _refused("it takes too long") from None
    if done.returncode:
        raise _refused("it takes too much time or memory")
    found = json.loads(done.stdout)
    if "problem" in found:
        raise _refused(found["problem"])
    text: str = found["text"]
    return text


def _refused(why: str) -> DamagedModel:
    return DamagedModel(f"the model's chat template cannot be used: {why}; use `foretell generate`")
