"""Export a run as a SavedModel or an ONNX file, and predict with an exported SavedModel."""
