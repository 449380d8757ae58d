"""Training: settings, the plan of rows, the loop and what it shows."""
