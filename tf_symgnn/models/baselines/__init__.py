"""Models that SymGNN is compared with, one a file."""
