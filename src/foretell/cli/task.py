"""`foretell task NAME train|evaluate|compare|predict`: applications."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from foretell.cli import task_generate, task_labels, task_texts
from foretell.cli.parsing import Parser, add_json

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace

HELP = (
    "applications: classify, sentiment, understand, roles, translate, summarize, answer, generate"
)
LABELS, TAGS, ROLES, TEXTS, GENERATE = (
    f"foretell.cli.task_{kind}" for kind in ("labels", "tags", "roles", "texts", "generate")
)
NAMES = {
    "classify": ("which of your labels a text has, or two texts have", LABELS),
    "sentiment": ("the same for moods: positive, negative, or your own words", LABELS),
    "understand": ("what a request is about, and its slots; what two sentences mean", TAGS),
    "roles": ("predicates of sentences, and who did what to whom", ROLES),
    "translate": ("texts in another language, or in other words", TEXTS),
    "summarize": ("what a text says, in short", TEXTS),
    "generate": ("texts like yours: on a topic, or in the form that its name stands for", GENERATE),
    "answer": ("answers to questions, by what they are about or by heart", TEXTS),
}
ACTIONS = {
    "train": "learn from examples, by every kind of model",
    "evaluate": "hold answers against those that are known",
    "compare": "hold the answers of every kind that was tried against each other",
    "predict": "answer: a line a text, in order",
}


def add(parser: ArgumentParser) -> None:
    names = parser.add_subcommands(required=True, dest="name", metavar="NAME")
    for name, (description, module) in NAMES.items():
        child = Parser(prog=f"foretell task {name}", description=description)
        names.add_subcommand(name, child, help=description)
        actions = child.add_subcommands(required=True, dest="action", metavar="ACTION")
        takes = {TEXTS: task_texts, GENERATE: task_generate}.get(module, task_labels)
        for action, said in ACTIONS.items():
            grandchild = Parser(prog=f"foretell task {name} {action}", description=said)
            actions.add_subcommand(action, grandchild, help=said)
            getattr(takes, f"add_{action}")(grandchild)
            add_json(grandchild)


def run(arguments: Namespace) -> int:
    asked = arguments[arguments.name]
    module = import_module(NAMES[arguments.name][1])
    code: int = getattr(module, asked.action)(arguments.name, asked[asked.action])
    return code
