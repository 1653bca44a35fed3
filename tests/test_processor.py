from pathlib import Path

import pytest
import torch

from foretell import processor
from foretell.training.networks import faster_precision

INTEL = "vendor_id\t: GenuineIntel\nmodel name\t: Xeon\n"
AMD = "processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel name\t: AMD EPYC\n\nprocessor\t: 1\n"


@pytest.mark.parametrize(
    ("told", "tiles", "vectors", "precision"),
    [
        (INTEL, True, True, "bfloat16"),
        (INTEL, False, True, "float32"),
        (AMD, False, True, "bfloat16"),
        (AMD, False, False, "float32"),
        (None, False, True, "float32"),
    ],
)
def test_the_precision_follows_from_the_hardware(
    told: str | None,
    tiles: bool,
    vectors: bool,
    precision: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(processor, "TOLD", tmp_path / "cpuinfo")
    monkeypatch.setattr("platform.processor", lambda: "")
    if told is not None:
        processor.TOLD.write_text(told, "utf-8")
        assert processor.processor_name() in told
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: tiles)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: vectors)
    assert faster_precision() == precision


def test_windows_names_the_maker_behind_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processor, "TOLD", tmp_path / "cpuinfo")
    name = "AMD64 Family 25 Model 97 Stepping 2, AuthenticAMD"
    monkeypatch.setattr("platform.processor", lambda: name)
    assert processor.is_amd()
    assert processor.processor_name() == name
