"""Baselines: models to compare SymGNN with, one per file."""
