"""A user's patches and labels: read, checked, normalised, one batch after another."""
