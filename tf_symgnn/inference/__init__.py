"""Predictions of glasses and of structure files, slab by slab where a glass is large, and their novelty."""

from tf_symgnn.inference.files import predict_files
from tf_symgnn.inference.predictor import Predictor

__all__ = ["Predictor", "predict_files"]
