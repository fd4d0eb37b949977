"""Models, and one catalog from name to builder."""
