"""Models to compare SymGNN with, one per file. The baseline of a `HybridModel` is in `tf_symgnn.models.ridge`."""
