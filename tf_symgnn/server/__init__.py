"""An HTTP server of a SavedModel, and its viewer."""
