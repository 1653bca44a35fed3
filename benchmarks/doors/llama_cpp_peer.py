"""llama.cpp as a peer, in an interpreter of its own that has `llama-cpp-python` and not foretell:
`$LLAMA_CPP_PYTHON llama_cpp_peer.py REQUEST.json ANSWER.json`.

request: file, context, exact (remember keys and values in F32, not in F16 as it does by itself),
texts, rows (tokens as they are read), prompts (tokens too), length (of greedy texts), boundary (a
token that is not to come in them)
answer: version; tokens of the texts as llama.cpp cuts them; scores of each row, one a token after
the first; greedy texts, and by how much each of their tokens was likelier than the next likely
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

VARIABLE = "LLAMA_CPP_PYTHON"


def find_interpreter() -> str | None:
    """The interpreter that the environment names; None if it has no llama-cpp-python."""
    named = os.environ.get(VARIABLE)
    if not named or shutil.which(named) is None:
        return None
    tried = subprocess.run([named, "-c", "import llama_cpp"], capture_output=True, check=False)
    return named if tried.returncode == 0 else None


def ask(interpreter: str, request: dict[str, Any], scratch: Path) -> dict[str, Any]:
    """The peer's answer to one request."""
    (scratch / "request.json").write_text(json.dumps(request), encoding="utf-8")
    command = [interpreter, __file__, str(scratch / "request.json"), str(scratch / "answer.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = f"with {done.returncode}: {done.stderr[-2000:]}"
        raise RuntimeError(f"llama.cpp failed on {request['file']} {said}")
    answer: dict[str, Any] = json.loads((scratch / "answer.json").read_text("utf-8"))
    return answer


def _without_tiles(library: Any) -> None:
    """Keep it from laying blocks out for AMX, for which only its first thread asks leave: the next
    one dies of an invalid instruction (ggml-org/llama.cpp#26954, open in 0.3.36)."""
    defaults = library.llama_model_default_params

    def plain() -> Any:
        found = defaults()
        found.use_extra_bufts = False
        return found

    library.llama_model_default_params = plain


def main(request: dict[str, Any]) -> dict[str, Any]:
    import llama_cpp

    _without_tiles(llama_cpp.llama_cpp)
    remembered = llama_cpp.GGML_TYPE_F32 if request["exact"] else llama_cpp.GGML_TYPE_F16
    model = llama_cpp.Llama(
        request["file"],
        n_ctx=request["context"],
        n_threads=int(os.environ.get("OMP_NUM_THREADS", 2)),
        type_k=remembered,
        type_v=remembered,
        logits_all=True,
        verbose=False,
    )
    return {
        "version": llama_cpp.__version__,
        "tokens": [model.tokenize(text.encode()) for text in request["texts"]],
        "scores": [_score(model, row) for row in request["rows"]],
        "greedy": [
            _go_on(model, prompt, request["length"], request["boundary"])
            for prompt in request["prompts"]
        ],
    }


def _read(model: Any, tokens: list[int]) -> np.ndarray:
    """(T, V) log-probabilities after each of the tokens, which go on from what was read."""
    model.eval(tokens)
    logits = model.scores[model.n_tokens - len(tokens) : model.n_tokens].astype(np.float64)
    logits -= logits.max(-1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def _score(model: Any, row: list[int]) -> list[float]:
    model.reset()
    read = _read(model, row[:-1])
    return [float(read[at, token]) for at, token in enumerate(row[1:])]


def _go_on(model: Any, prompt: list[int], length: int, boundary: int) -> dict[str, Any]:
    model.reset()
    after, tokens, gaps = _read(model, prompt)[-1], [], []
    for _ in range(length):
        after[boundary] = -np.inf
        second, first = np.argsort(after)[-2:]
        tokens.append(int(first))
        gaps.append(float(after[first] - after[second]))
        after = _read(model, tokens[-1:])[-1]
    return {"tokens": tokens, "gaps": gaps}


if __name__ == "__main__":
    answered = main(json.loads(Path(sys.argv[1]).read_text("utf-8")))
    Path(sys.argv[2]).write_text(json.dumps(answered))
