import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Run

H100 = ("--gpus", "1024", "--gpu", "h100")


def test_gpt3_on_a_thousand_h100(run: Run) -> None:
    said = run("plan", "gpt3-175b", *H100, "--json")
    assert said.code == 0, said.err
    found = said.json
    assert found["parameters"]["total"] == pytest.approx(175e9, rel=0.01)
    assert found["compute"]["published"] == pytest.approx(3.14e23, rel=0.01)
    memory = found["sharding"]["memory"]
    parts = [size for part, size in memory.items() if part != "total"]
    assert sum(parts) == pytest.approx(memory["total"])
    assert memory["total"] <= found["usable"]
    assert found["days"] == pytest.approx(found["seconds"] / 86_400)
    assert 10 < found["days"] < 15
    assert found["kilowatt_hours"] > 0
    assert found["utilisation"]["source"]


def test_the_table_says_every_part_and_every_source(run: Run) -> None:
    said = run("plan", "gpt3-175b", *H100)
    assert said.code == 0, said.err
    text = " ".join(said.out.split())
    for words in (
        "174,604,259,328; published 174.6B",
        "Brown et al. 2020",
        "3.14e23 FLOPs, 6 for each parameter and token; published 3.14e23",
        "Attention adds 8.70e21",
        "1,024 x NVIDIA H100 SXM",
        "(FSDP)",
        "weights",
        "gradients",
        "optimiser",
        "gathered",
        "activations",
        "logits",
        "days at 40% of the peak",
        "Grattafiori et al. 2024",
        "MWh: 1,024 x 700 W",
        "PUE 1.1: Thoppilan et al. 2022",
    ):
        assert words in text, words


def test_this_machine(run: Run) -> None:
    said = run("plan", "gpt2", "--tokens", "1M", "--context", "128")
    assert said.code == 0, said.err
    text = " ".join(said.out.split())
    assert "124,439,808; published 124M" in text
    assert "measured now" in text
    assert "one rank" in text
    assert "hours)" in text
    assert "give the machine's power as --watts" in text
    assert "kWh: 1 x 30 W as given, PUE 1" in " ".join(
        run("plan", "gpt2", "--tokens", "1M", "--context", "128", "--watts", "30").out.split()
    )


def test_a_model_that_was_trained_here(run: Run) -> None:
    made = run("train", "text.txt", "--model", "gpt", "--out", "new", "--budget", "1k tokens")
    assert made.code == 0, made.err
    found = run("plan", "new", "--gpu", "l4", "--json").json
    assert found["published"] is None
    assert found["shape"]["family"] == "gpt"
    assert found["shape"]["tables"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gpt4"], "gpt4 is neither a model folder nor a published size; choose from gpt2"),
        (["kn"], "kn has no config.json that can be read"),
        (["lstm"], "lstm holds a"),
        (["gpt3-175b", "--gpu", "h100"], "gpt3-175b does not fit on 1 h100"),
        (["gpt2", "--gpus", "4"], "say which GPUs the 4 are"),
        (["gpt2", "--gpus", "four", "--gpu", "h100"], "gpus"),
        (["gpt2", "--precision", "8-bit", "--gpu", "h100"], "precision"),
    ],
)
def test_refusals(arguments: list[str], message: str, refused: Callable[..., str]) -> None:
    assert message in refused("plan", *arguments)


def test_plans_for_gpus_load_no_back_end(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom foretell.cli.main import main\n"
        "main(['plan', 'gpt2', '--gpu', 'h100', '--json'])\n"
        "heavy = ('torch', 'numba', 'scipy', 'transformers')\n"
        "print([m for m in heavy if m in sys.modules], file=sys.stderr)"
    )
    command = [sys.executable, "-c", code]
    found = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert found.stderr.strip() == "[]"
