"""Floor 0: what the parts of foretell promise one another. Numpy only; read these first."""
