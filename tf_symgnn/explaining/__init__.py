"""Which pairs a prediction depends on, how far to trust that, and what the important structure looks like."""
