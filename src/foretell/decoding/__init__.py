"""Floor 3: from distributions to text. `generate.py` holds the loop; the others are its parts.

model -> transforms -> picker -> token -> whole characters -> stop strings -> text
"""
