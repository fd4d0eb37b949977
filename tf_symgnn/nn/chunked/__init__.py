"""Kernels that work in cache-sized chunks of pairs."""
