"""Heads: features in, outputs of a task out."""
