"""Experiments: many fits compared, on places that lie apart. Its first user is docs/comparison/."""
