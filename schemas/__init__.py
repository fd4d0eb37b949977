"""GraphSchemas of the graphs that the model takes, shipped as `tf_symgnn.schemas`."""
