"""What learns by counting: the floor of every application."""
