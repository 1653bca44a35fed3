import sys

import pytest

from foretell.contracts.errors import ForetellError, MissingExtra
from foretell.planning.hardware import ACCELERATORS, Device, find_device, measure_machine
from foretell.planning.resources import PRECISIONS


@pytest.mark.parametrize("device", ACCELERATORS, ids=lambda device: device.name)
def test_every_device_has_figures_and_their_source(device: Device) -> None:
    assert set(device.rates) == set(PRECISIONS)
    assert device.fastest == "16-bit"
    assert device.source
    assert device.watts
    assert device.bandwidth
    assert not device.measured
    # From the smallest to the largest of its time; a slipped power of ten falls out.
    assert 50e12 < device.rates["16-bit"] < 1.5e15
    assert 0.2e12 < device.bandwidth < 6e12
    assert 10e9 < device.memory < 200e9
    assert 50 < device.watts < 1000


def test_names_are_found_and_wrong_ones_refused() -> None:
    assert find_device("H100").memory == 80e9
    with pytest.raises(ForetellError, match="no figures are known of tpu; choose from h200, h100"):
        find_device("tpu")


def test_this_machine_is_measured() -> None:
    found = measure_machine()
    assert found.measured
    assert found.rates["float32"] > 1e8
    assert found.memory > 1e8
    assert found.watts is None
    assert "core" in found.title


def test_without_pytorch_a_device_can_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtra, match=r'pip install "foretell\[neural\]"; or name a device'):
        measure_machine()
