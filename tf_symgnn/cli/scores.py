"""Scores of a model in words."""

from __future__ import annotations


def score_line(split: str, record: dict) -> str:
    """Return the scores of a split in one line; an undefined correlation or invariance error is a dash."""
    pearson, invariance = (
        f"{x:.4f}" if x is not None else "-" for x in (record["pearson"], record["invariance_error"])
    )
    ceiling = record.get("noise_ceiling")
    noise = "" if ceiling is None else f" (exact barriers: about {ceiling:.2f}, as labels are noisy)"
    return (
        f"{split}: pearson {pearson}{noise}, mae {record['mae']:.4f} eV, rmse {record['rmse']:.4f} eV, "
        f"{record['n_atoms']} atoms, invariance error {invariance}"
    )
