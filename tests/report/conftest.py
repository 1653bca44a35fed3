import pytest

from foretell.evaluation.results import Comparison
from tests.report.example import build_comparison


@pytest.fixture(scope="session")
def comparison() -> Comparison:
    return build_comparison()
