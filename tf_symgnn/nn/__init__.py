"""Layers for graphs of atoms that do not depend on a task."""
