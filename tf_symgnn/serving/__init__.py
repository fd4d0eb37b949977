"""SavedModel export, and prediction on files."""

from tf_symgnn.serving.export import export
from tf_symgnn.serving.memory import parse_memory, peak_resident
from tf_symgnn.serving.prediction import predict_files

__all__ = ["export", "parse_memory", "peak_resident", "predict_files"]
