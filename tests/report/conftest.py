import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from example import build_comparison

from foretell.evaluation.results import Comparison


@pytest.fixture(scope="session")
def comparison() -> Comparison:
    return build_comparison()
