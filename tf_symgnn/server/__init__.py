"""HTTP server of an exported SavedModel, and its viewer."""
