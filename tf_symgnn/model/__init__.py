"""Layers, SymGNN, and one catalog from name to builder."""
