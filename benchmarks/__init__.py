"""What foretell claims, measured afresh: `python -m benchmarks AREA NUMBER [--quick]`."""
