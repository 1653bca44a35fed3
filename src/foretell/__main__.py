"""`python -m foretell` is `foretell`."""

from foretell.cli.main import enter

enter()
