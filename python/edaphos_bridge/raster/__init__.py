"""Rasters in files and arrays: read window by window, never whole."""
