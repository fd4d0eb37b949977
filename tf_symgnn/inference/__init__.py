"""Predict glasses and structure files, large glasses slab by slab, and measure their novelty."""

from tf_symgnn.inference.files import predict_files
from tf_symgnn.inference.predictor import Predictor

__all__ = ["Predictor", "predict_files"]
