"""Tasks: what a fit learns. One file each."""
