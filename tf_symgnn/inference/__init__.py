"""Predict glasses and structure files, large glasses slab by slab, and measure their novelty."""

from tf_symgnn.inference.compiled import CompiledModel

__all__ = ["CompiledModel"]
