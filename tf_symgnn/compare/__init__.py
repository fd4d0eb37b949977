"""Train many models with many seeds under one protocol, and tabulate them."""

from tf_symgnn.compare.compare import compare

__all__ = ["compare"]
