"""SavedModel and ONNX exports of a run, and predictions by a SavedModel. Versions and refusals need no model code."""
