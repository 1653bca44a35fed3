"""Floor 4: the rungs of the ladder, trained side by side and compared on the same bytes."""
