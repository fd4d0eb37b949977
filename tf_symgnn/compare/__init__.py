"""Many models and seeds on one split under one protocol -> one table."""

from tf_symgnn.compare.compare import compare

__all__ = ["compare"]
