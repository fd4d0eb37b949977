"""Models of energy barriers, and the catalog that builds them by name."""
