"""Checks of structures before prediction: their species are known, and they fit into memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from ase.data import chemical_symbols

from tf_symgnn.data import Glass, InputError, perpendicular_heights, reduced_cell, require_species
from tf_symgnn.data.limits import MAX_ATOMS_A_REQUEST, MAX_CANDIDATES, MAX_EXTENT, MAX_GLASSES_A_REQUEST
from tf_symgnn.graph.images import near_cell

REQUEST = "request"


def admit_request(inputs: Mapping[str, np.ndarray], species: Sequence[int], cutoff: float) -> None:
    """Check the inputs of a signature that takes coordinates, of one glass or of several concatenated glasses.

    Args:
        inputs: `positions` f32[N, 3] A and `atomic_numbers` i32[N], with `cell` f32[3, 3] A and `pbc` bool[3], or with
            `cells` f32[B, 3, 3] A, `pbc` bool[B, 3] and `n_atoms` i32[B]. Inputs without `positions` are not checked.
        species: atomic numbers of the model.
        cutoff: cutoff of the neighbor graph, A.

    Raises:
        InputError: a glass is invalid or too large, or has an unknown species.
    """
    if "positions" not in inputs:
        return
    n_atoms = inputs.get("n_atoms", np.array([len(inputs["positions"])]))
    cells, pbc = inputs.get("cells", inputs.get("cell")), inputs["pbc"]
    cells, pbc = cells.reshape(-1, 3, 3), pbc.reshape(-1, 3)
    total = len(inputs["positions"])
    if not len(n_atoms) == len(cells) == len(pbc) or not len(n_atoms):
        lengths = f"{len(n_atoms)}, {len(cells)} and {len(pbc)}"
        raise InputError(REQUEST, "glasses", f"{lengths} of n_atoms, cells and pbc", "as many of each, at least 1")
    if len(n_atoms) > MAX_GLASSES_A_REQUEST:
        raise InputError(REQUEST, "glasses", len(n_atoms), f"at most {MAX_GLASSES_A_REQUEST} at a time")
    if n_atoms.min() < 1 or n_atoms.sum(dtype=np.int64) != total or len(inputs["atomic_numbers"]) != total:
        expected = f"whole numbers above 0 that add up to {total} positions, and as many atomic_numbers"
        raise InputError(REQUEST, "atoms", f"n_atoms {n_atoms.tolist()}", expected)
    _require_few_atoms(REQUEST, total)
    ends = np.cumsum(n_atoms)
    candidates = 0.0
    for index, (end, count) in enumerate(zip(ends, n_atoms, strict=True)):
        source = REQUEST if len(ends) == 1 else f"{REQUEST} glass {index}"
        atoms = slice(end - count, end)
        symbols = _symbols(source, inputs["atomic_numbers"][atoms])
        glass = Glass(inputs["positions"][atoms], cells[index], pbc[index], symbols, None, source)
        candidates += admit_glass(glass, species, cutoff)
    _require_few_candidates(REQUEST, candidates)


def admit_glass(glass: Glass, species: Sequence[int], cutoff: float) -> float:
    """Check one glass.

    Args:
        glass: the glass.
        species: atomic numbers of the model.
        cutoff: cutoff of the neighbor graph, A.

    Returns:
        An upper bound on the number of pairs whose distances the neighbor search computes.

    Raises:
        InputError: the glass is too large or too dense, or has an unknown species.
    """
    _require_few_atoms(glass.place, glass.n_atoms)
    require_species([glass], species)
    for field, vectors in (("positions", glass.positions), ("cell", glass.cell)):
        extent = np.abs(vectors).max()
        if extent > MAX_EXTENT:
            raise InputError(glass.place, field, f"{extent:g} A", f"at most {MAX_EXTENT:g} A from the origin")
    candidates = _candidates(glass, cutoff)
    _require_few_candidates(glass.place, candidates)
    return candidates


def _symbols(source: str, numbers: np.ndarray) -> np.ndarray:
    if numbers.min() < 1 or numbers.max() >= len(chemical_symbols):
        expected = f"atomic numbers from 1 to {len(chemical_symbols) - 1}"
        raise InputError(source, "atomic_numbers", f"{numbers.min()} to {numbers.max()}", expected)
    return np.array(chemical_symbols)[numbers]


def _require_few_atoms(source: object, n_atoms: int) -> None:
    if n_atoms > MAX_ATOMS_A_REQUEST:
        raise InputError(source, "atoms", n_atoms, f"at most {MAX_ATOMS_A_REQUEST} at a time")


def _require_few_candidates(source: object, candidates: float) -> None:
    if candidates > MAX_CANDIDATES:
        expected = f"at most {MAX_CANDIDATES:g} at a time, with lengths in A"
        raise InputError(source, "cell", f"{candidates:.3g} candidate pairs of neighbors", expected)


def _candidates(glass: Glass, cutoff: float) -> float:
    """Return the number of atoms times a bound on the atoms in the boxes around one, each a cutoff wide."""
    cell = reduced_cell(glass.cell, glass.pbc)
    heights = perpendicular_heights(cell)
    fractional = glass.positions @ np.linalg.inv(cell)
    boxes = np.where(glass.pbc, np.maximum(heights // cutoff, 1), heights / cutoff)
    index = np.floor(np.where(glass.pbc, fractional % 1.0, fractional) * boxes).astype(np.int64)
    index = np.ravel_multi_index((index - index.min(0)).T, np.ptp(index, axis=0) + 1)
    fullest = np.unique(index, return_counts=True)[1].max()
    # A cell that is thinner than the cutoff has several images of itself within the cutoff.
    boxes_around = np.where(glass.pbc, 2 * np.ceil(cutoff / (heights / np.maximum(heights // cutoff, 1))) + 1, 3)
    return float(glass.n_atoms * fullest * boxes_around.prod())


def admit_frame(glass: Glass, species: Sequence[int], cutoff: float, source: str) -> dict[str, np.ndarray]:
    """Check a glass from a file and return it as inputs of `serving_default`, moved to its cell by `near_cell`.

    Args:
        glass: the glass.
        species: atomic numbers of the model.
        cutoff: cutoff of the neighbor graph, A.
        source: name of the file in messages.

    Raises:
        InputError: as `admit_glass`.
    """
    glass = replace(glass, positions=near_cell(glass.positions, glass.cell, glass.pbc), source=source)
    admit_glass(glass, species, cutoff)
    return {
        "positions": glass.positions.astype(np.float32),
        "cell": glass.cell.astype(np.float32),
        "pbc": glass.pbc,
        "atomic_numbers": glass.atomic_numbers,
    }
