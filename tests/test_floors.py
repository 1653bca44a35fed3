"""The house stands: floors, file lengths, light imports, shapes in docstrings."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "foretell"
FILES = sorted(SOURCE.rglob("*.py"))

FLOORS = {
    "contracts": 0,
    "threads": 0,
    "memory": 0,
    "footprint": 0,
    "fields": 0,
    "storage": 1,
    "corpus": 1,
    "tokenizers": 1,
    "models": 2,
    "training": 3,
    "decoding": 3,
    "evaluation": 3,
    "interop": 3,
    "testing": 3,
    "tasks": 4,
    "ladder": 4,
    "audit": 4,
    "planning": 4,
    "report": 5,
    "cli": 6,
}
SIDEWAYS = {("training", "evaluation"), ("fields", "contracts")}
"""The loop reads its held-out curve, and fields are refused in the contracts' words; nothing else
looks across a floor."""
HEAVY = (
    *("torch", "safetensors", "numba", "tensorflow", "keras", "transformers", "ray"),
    *("nltk", "spacy", "gensim"),
)
STARRED = {
    "corpus/suffix_search.py",
    "corpus/suffixes.py",
    "interop/arpa_lines.py",
    "interop/gensim.py",
    "interop/gguf_models.py",
    "interop/kenlm_bits.py",
    "interop/kenlm_hashes.py",
    "interop/kenlm_tables.py",
    "interop/nltk.py",
    "interop/nltk_scorers.py",
    "interop/nltk_text.py",
    "interop/spacy.py",
    "models/infinigram.py",
    "memory.py",
    "models/keras/gpt2.py",
    "tasks/networks/writers.py",
    "models/keras/layers.py",
    "models/keras/model.py",
    "models/keras/twin.py",
    "models/ngram/chain.py",
    "models/ngram/compact_lookup.py",
    "models/ngram/counts.py",
    "models/ngram/lookup.py",
    "models/ngram/quantizing.py",
    "models/ngram/shuffles.py",
    "models/ngram/smoothing.py",
    "tokenizers/word_table.py",
    "models/recent.py",
    "models/neural/network.py",
    "models/neural/memories.py",
    "models/neural/adapted.py",
    "models/neural/attention.py",
    "models/neural/borrowed.py",
    "models/neural/low_rank.py",
    "models/neural/recurrent.py",
    "models/neural/gpt.py",
    "models/neural/gpt2.py",
    "models/neural/layers.py",
    "models/neural/llama.py",
    "models/neural/noise.py",
    "models/neural/published.py",
    "models/neural/transformer.py",
    "tasks/networks/encoder.py",
    "tasks/networks/encoders.py",
    "tasks/networks/frames.py",
    "tasks/networks/label_network.py",
    "tasks/networks/learner.py",
    "tasks/networks/pairs.py",
    "tasks/networks/pointing.py",
    "tasks/networks/pretrained.py",
    "tasks/networks/recurrent.py",
    "tasks/networks/tags.py",
    "training/descent.py",
    "training/gradient.py",
    "training/networks.py",
    "training/objective.py",
    "training/optimizers.py",
    "training/sharding.py",
}
"""Files that may import a heavy back end at their top."""
MOST_LINES = 400


def room(file: Path) -> str:
    first = file.relative_to(SOURCE).parts[0]
    return first.removesuffix(".py")


def imports(tree: ast.AST) -> list[str]:
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.append(node.module)
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(SOURCE)))
def test_nobody_imports_upward_or_sideways(file: Path) -> None:
    mine = room(file)
    if mine in ("__init__", "__main__"):
        return
    for name in imports(ast.parse(file.read_text("utf-8"))):
        parts = name.split(".")
        if parts[0] != "foretell" or len(parts) < 2 or parts[1] not in FLOORS:
            continue
        theirs = parts[1]
        allowed = theirs == mine or FLOORS[theirs] < FLOORS[mine] or (mine, theirs) in SIDEWAYS
        assert allowed, f"{file.relative_to(SOURCE)} ({mine}) imports {name} ({theirs})"


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(SOURCE)))
def test_files_are_short(file: Path) -> None:
    assert len(file.read_text("utf-8").splitlines()) <= MOST_LINES


def test_contracts_are_short_and_need_only_numpy() -> None:
    files = list((SOURCE / "contracts").glob("*.py"))
    assert sum(len(file.read_text("utf-8").splitlines()) for file in files) < 680
    for file in files:
        for name in imports(ast.parse(file.read_text("utf-8"))):
            top = name.split(".")[0]
            assert top in (*sys.stdlib_module_names, "numpy", "foretell"), f"{file.name}: {name}"


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(SOURCE)))
def test_only_starred_files_import_a_back_end_at_their_top(file: Path) -> None:
    tree = ast.parse(file.read_text("utf-8"))
    top = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    found = imports(ast.Module(top, []))
    heavy = [name for name in found if name.split(".")[0] in HEAVY]
    assert not heavy or str(file.relative_to(SOURCE)) in STARRED, heavy


@pytest.mark.parametrize("statement", ["import foretell", "import foretell.cli.main"])
def test_importing_is_light(statement: str) -> None:
    heavy = (*HEAVY, "numpy", "scipy")
    code = f"{statement}\nimport sys\nprint([m for m in {heavy} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_help_is_light() -> None:
    code = (
        "import sys\nfrom foretell.cli.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print([m for m in {(*HEAVY, 'numpy', 'scipy')} if m in sys.modules], file=sys.stderr)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stderr.strip() == "[]"


def takes_arrays(function: ast.FunctionDef) -> bool:
    words = ("NDArray", "Tokens", "Tensor", "LogProbs", "Floats")
    arguments = [*function.args.args, *function.args.kwonlyargs]
    return any(
        a.annotation is not None and any(w in ast.unparse(a.annotation) for w in words)
        for a in arguments
    )


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(SOURCE)))
def test_public_functions_that_take_arrays_say_their_shapes(file: Path) -> None:
    """At module level; a method may lean on the contract that it fulfils."""
    for node in ast.parse(file.read_text("utf-8")).body:
        if (
            isinstance(node, ast.FunctionDef)
            and not node.name.startswith("_")
            and takes_arrays(node)
        ):
            said = ast.get_docstring(node) or ""
            assert "(" in said, f"{file.name}: {node.name} says no shape"
