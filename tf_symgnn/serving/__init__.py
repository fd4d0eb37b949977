"""SavedModel export and what predicts by it, and prediction on files."""

from tf_symgnn.serving.export import export
from tf_symgnn.serving.prediction import predict_files
from tf_symgnn.serving.predictor import EnergyBarrierPredictor

__all__ = ["EnergyBarrierPredictor", "export", "predict_files"]
