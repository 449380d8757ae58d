"""What a fit does: scores with intervals, its worst patches, and what it looks at."""
