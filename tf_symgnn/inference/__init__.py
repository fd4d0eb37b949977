"""Predict glasses and structure files, large glasses slab by slab, and measure their novelty."""

from tf_symgnn.inference.compiled import CompiledModel
from tf_symgnn.inference.files import predict_files

__all__ = ["CompiledModel", "predict_files"]
