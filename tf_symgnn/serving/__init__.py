"""SavedModel export, and prediction on files."""

from tf_symgnn.serving.export import export
from tf_symgnn.serving.prediction import predict_files

__all__ = ["export", "predict_files"]
