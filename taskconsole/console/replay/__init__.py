"""A recording in the screens of the console: another place where everything comes from, and keys to move in time."""
