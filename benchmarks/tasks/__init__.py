"""Applications on published data, beside published numbers."""
