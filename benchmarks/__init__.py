"""Measurements: `make bench` and `make growth` run them, CONTRIBUTING.md says more."""
