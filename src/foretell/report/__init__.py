"""Floor 5: tables, figures and the page. Draws results; never runs a model."""
