"""KenLM beside us: its tools where the machine has them, and the same questions put to both.

Tools come from the environment: LMPLZ, BUILD_BINARY and QUERY are paths. The module `kenlm` comes
from any wheel that has it (`pip install kenlm-ex`). What is missing is None, with the reason.
"""

from __future__ import annotations

import importlib
import os
import random
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.kenlm_golden import golden_folder
from benchmarks.result import say
from foretell.interop import kenlm as ours
from foretell.interop.arpa import read_arpa
from foretell.interop.kenlm_binary import write_probing

WALKS = 10_000
STEPS = 12
TOLERANCE = 1e-4
GOLDEN = ("o3", "o5", "o5_prune001", "o4_nointerp")
KINDS = {
    "probing": ("probing",),
    "trie": ("trie",),
    "quantised trie": ("-q", "8", "-b", "8", "trie"),
    "array trie": ("-a", "22", "trie"),
    "quantised array trie": ("-q", "8", "-b", "8", "-a", "22", "trie"),
}
"""Arguments of `build_binary` for each kind of file."""


@dataclass(frozen=True)
class Found:
    """A tool or module, or None and the reason why there is none."""

    peer: Any
    reason: str = ""


def find_tool(variable: str) -> Found:
    """The program that an environment variable names, else the one of that name on the PATH."""
    given = os.environ.get(variable)
    path = given or shutil.which(variable.lower() if variable != "QUERY" else "kenlm-query")
    if path is None:
        return Found(None, f"set {variable} to the path of KenLM's {variable.lower()}")
    if not os.access(path, os.X_OK):
        return Found(None, f"{variable} is {path}, which cannot be run")
    return Found(Path(path).resolve())


def find_wheel() -> Found:
    """The module `kenlm`."""
    try:
        return Found(importlib.import_module("kenlm"))
    except ImportError:
        return Found(None, "there is no module kenlm; pip install kenlm-ex")


def estimate(lmplz: Path, text: Path, arpa: Path, order: int, *arguments: str) -> str:
    """Run `lmplz` on a text; what it said on stderr. Raises CalledProcessError."""
    with open(text, "rb") as lines, open(arpa, "wb") as out:
        done = subprocess.run(
            [lmplz, "-o", str(order), *arguments],
            stdin=lines, stdout=out, stderr=subprocess.PIPE, check=True, cwd=arpa.parent,
        )  # fmt: skip
    return done.stderr.decode("utf-8", "replace")


def build(build_binary: Path, arpa: Path, binary: Path, kind: str) -> None:
    """Run `build_binary` for one of KINDS. Raises CalledProcessError."""
    command = [build_binary, *KINDS[kind], arpa, binary]
    subprocess.run(command, capture_output=True, check=True)


@dataclass
class Difference:
    """What two models said to the same questions."""

    asked: int = 0
    largest_log10: float = 0.0
    different_lengths: int = 0
    different_oov: int = 0
    different_states: int = 0
    """Pairs of histories whose states are equal for one and not for the other."""

    @property
    def agrees(self) -> bool:
        counts = self.different_lengths, self.different_oov, self.different_states
        return self.asked > 0 and self.largest_log10 <= TOLERANCE and not any(counts)

    def add(self, mine: tuple[float, int, bool], theirs: tuple[float, int, bool]) -> None:
        self.asked += 1
        self.largest_log10 = max(self.largest_log10, abs(mine[0] - theirs[0]))
        self.different_lengths += mine[1] != theirs[1]
        self.different_oov += mine[2] != theirs[2]


def compare_sentences(mine: Any, theirs: Any, sentences: Sequence[str]) -> Difference:
    """Full scores of each sentence, with and without its beginning and its end."""
    said = Difference()
    for bos in (True, False):
        for eos in (True, False):
            for sentence in sentences:
                pairs = zip(
                    mine.full_scores(sentence, bos=bos, eos=eos),
                    theirs.full_scores(sentence, bos=bos, eos=eos),
                    strict=True,
                )
                for my_answer, their_answer in pairs:
                    said.add(my_answer, their_answer)
    return said


def compare_walks(
    mine: Any, theirs: Any, module: Any, sentences: Sequence[str], *, walks: int, seed: int
) -> Difference:
    """Random walks word by word: each answer, and whether equal states are equal for both.

    A walk begins a sentence or knows nothing, copies stretches of the sentences, and throws in
    words at random, unknown and reserved ones too.
    """
    said, draw = Difference(), random.Random(seed)
    lines = [line.split() for line in sentences]
    lines = [line for line in lines if line]
    stray = ["<s>", "</s>", "<unk>", "<UNK>", "no-such-word"]
    to_theirs: dict[Any, Any] = {}
    to_mine: dict[Any, Any] = {}
    for _ in range(walks):
        state, their_state = ours.State(), module.State()
        begin = draw.choice(("BeginSentenceWrite", "NullContextWrite"))
        getattr(mine, begin)(state)
        getattr(theirs, begin)(their_state)
        walk: list[str] = []
        while len(walk) < STEPS:
            line = draw.choice(lines)
            at = draw.randrange(len(line)) if walk or begin == "NullContextWrite" else 0
            walk += line[at : at + draw.randint(1, 7)]
            if draw.random() < 0.3:
                walk.append(draw.choice(stray))
        for word in walk:
            after, their_after = ours.State(), module.State()
            answer = mine.BaseFullScore(state, word, after)
            their_answer = theirs.BaseFullScore(their_state, word, their_after)
            said.add(_fields(answer), _fields(their_answer))
            state, their_state = after, their_after
            said.different_states += to_theirs.setdefault(state, their_state) != their_state
            said.different_states += to_mine.setdefault(their_state, state) != state
    return said


def _fields(answer: Any) -> tuple[float, int, bool]:
    return answer.log_prob, answer.ngram_length, answer.oov


def all_agree(agreements: Sequence[bool]) -> bool | None:
    """Of all that was compared; None if nothing was."""
    return all(agreements) if agreements else None


@dataclass
class Comparison:
    """All that was compared, and what could not be, with the reasons."""

    differences: dict[str, Difference] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    @property
    def agrees(self) -> bool | None:
        return all_agree([each.agrees for each in self.differences.values()])

    @property
    def figures(self) -> dict[str, Any]:
        return {
            "compared": {name: asdict(each) for name, each in self.differences.items()},
            "missing": self.missing,
        }


def compare_with_peer(*, walks: int = WALKS, names: Sequence[str] = GOLDEN) -> Comparison:
    """The golden models, read by us and by KenLM, in every kind of file that either can write.

    For each: full scores of the held-out text, and random walks. KenLM reads our probing files;
    we read its own, if `build_binary` is there.
    """
    found = Comparison()
    folder = golden_folder()
    wheel, tool = find_wheel(), find_tool("BUILD_BINARY")
    if folder is None:
        found.missing["golden"] = "set FORETELL_GOLDEN to the folder of the golden files"
    if wheel.peer is None:
        found.missing["wheel"] = wheel.reason
    if tool.peer is None:
        found.missing["build_binary"] = tool.reason
    if folder is None or wheel.peer is None:
        return found
    sentences = (folder / "heldout.txt").read_text("utf-8").splitlines()
    with tempfile.TemporaryDirectory() as scratch:
        for name in names:
            _compare_model(found, folder / f"{name}.arpa.gz", Path(scratch), wheel.peer, tool.peer,
                           sentences, walks)  # fmt: skip
    return found


def _compare_model(
    found: Comparison,
    arpa: Path,
    scratch: Path,
    module: Any,
    build_binary: Path | None,
    sentences: Sequence[str],
    walks: int,
) -> None:
    name = arpa.name.partition(".")[0]
    config = module.Config()
    config.show_progress = False

    def compare(what: str, mine: Any, theirs: Any) -> None:
        say(f"{name}: {what}")
        found.differences[f"{name}, {what}, held-out"] = compare_sentences(mine, theirs, sentences)
        found.differences[f"{name}, {what}, walks"] = compare_walks(
            mine, theirs, module, sentences, walks=walks, seed=1
        )

    load: Callable[[Path], Any] = lambda path: module.Model(str(path), config)  # noqa: E731
    theirs, mine = load(arpa), ours.Model(str(arpa))
    compare("ARPA in both", mine, theirs)
    written = scratch / f"{name}.ours"
    write_probing(read_arpa(arpa), written)
    compare("our probing file in KenLM", mine, load(written))
    compare("our probing file read back", ours.Model(str(written)), theirs)
    for kind in KINDS if build_binary is not None else ():
        assert build_binary is not None
        made = scratch / f"{name}.{kind}"
        build(build_binary, arpa, made, kind)
        compare(f"KenLM's {kind} in both", ours.Model(str(made)), load(made))
        made.unlink()
