"""How good answers are, with intervals."""
