"""Floor 3: doors to other tools, one file a door."""
