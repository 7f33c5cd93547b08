"""The outside world, one vendor a file, behind ports of our own wording."""
