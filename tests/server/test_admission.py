"""Checks before prediction: valid glasses, known species, and few enough candidate pairs for the memory."""

import numpy as np
import pytest

from tests.conftest import SPECIES, fcc_copper, random_glass
from tf_symgnn.data import Glass, InputError
from tf_symgnn.data.limits import MAX_ATOMS_A_REQUEST, MAX_CANDIDATES
from tf_symgnn.graph import build_graph
from tf_symgnn.server.admission import admit_frame, admit_glass, admit_request

CUTOFF = 5.0


def inputs(*glasses: Glass) -> dict[str, np.ndarray]:
    """Return the inputs of the signature `batch`."""
    return {
        "positions": np.concatenate([glass.positions for glass in glasses]).astype(np.float32),
        "atomic_numbers": np.concatenate([glass.atomic_numbers for glass in glasses]),
        "cells": np.stack([glass.cell for glass in glasses]).astype(np.float32),
        "pbc": np.stack([glass.pbc for glass in glasses]),
        "n_atoms": np.array([glass.n_atoms for glass in glasses], np.int32),
    }


def crowd(n_atoms: int, edge: float, pbc: bool) -> Glass:
    positions = np.random.default_rng(0).random((n_atoms, 3)) * edge
    return Glass(positions, np.eye(3) * max(edge, 1.0), np.full(3, pbc), np.full(n_atoms, "Cu"), None, "crowd")


def test_there_are_at_least_as_many_candidates_as_pairs(zoo_glass):
    n_pairs = build_graph(zoo_glass, cutoff=CUTOFF, self_loops=False).n_pairs
    assert n_pairs <= admit_glass(zoo_glass, SPECIES, CUTOFF) <= MAX_CANDIDATES


def test_the_largest_glass_is_admitted():
    """Copper is denser than its glasses with zirconium, and disorder makes some boxes fuller."""
    crystal = fcc_copper(23)
    assert 0.95 * MAX_ATOMS_A_REQUEST < crystal.n_atoms < MAX_ATOMS_A_REQUEST
    positions = crystal.positions + np.random.default_rng(0).normal(0, 0.4, crystal.positions.shape)
    glass = Glass(positions, crystal.cell, crystal.pbc, crystal.species, None, "copper")
    assert admit_glass(glass, SPECIES, CUTOFF) <= MAX_CANDIDATES


@pytest.mark.parametrize(
    ("glass", "words"),
    [
        (crowd(MAX_ATOMS_A_REQUEST + 1, 200, True), "atoms: found 50001"),
        (crowd(2000, 3.0, True), "candidate pairs"),
        (crowd(2000, 3.0, False), "candidate pairs"),
    ],
    ids=["atoms", "dense cell", "dense cluster"],
)
def test_a_glass_that_does_not_fit_into_memory_is_refused(glass, words):
    with pytest.raises(InputError, match=words):
        admit_glass(glass, SPECIES, CUTOFF)


def test_a_cell_far_smaller_than_the_cutoff_is_refused():
    glass = Glass(np.zeros((1, 3)), np.eye(3) * 1e-3, (True,) * 3, ["Cu"], None, "one")
    with pytest.raises(InputError, match="candidate pairs"):
        admit_glass(glass, SPECIES, CUTOFF)


def test_an_error_names_the_glass_of_a_batch():
    first, second = random_glass(0, 20), random_glass(1, 30)
    admit_request(inputs(first, second), SPECIES, CUTOFF)
    with pytest.raises(InputError, match="request glass 1: species: found Zr"):
        admit_request(inputs(fcc_copper(2), second), [29], CUTOFF)


def changed(name: str, value) -> dict[str, np.ndarray]:
    return inputs(random_glass(0, 20), random_glass(1, 30)) | {name: np.asarray(value)}


@pytest.mark.parametrize(
    ("request_inputs", "words"),
    [
        (changed("n_atoms", np.array([20, 29], np.int32)), "add up to 50"),
        (changed("n_atoms", np.array([50, 0], np.int32)), "above 0"),
        (changed("n_atoms", np.array([2**31 - 1, -(2**31) + 51], np.int32)), "above 0"),
        (changed("n_atoms", np.array([50], np.int32)), "1, 2 and 2"),
        (changed("cells", np.zeros((2, 3, 3), np.float32)), "volume 0"),
        (changed("atomic_numbers", np.full(50, 119, np.int32)), "119 to 119"),
        (changed("atomic_numbers", np.full(50, -1, np.int32)), "-1 to -1"),
        (changed("atomic_numbers", np.full(50, 79, np.int32)), "found Au"),
        (changed("atomic_numbers", np.full(49, 29, np.int32)), "as many atomic_numbers"),
        (changed("positions", np.full((50, 3), 1e30, np.float32)), "at most 10000 A"),
    ],
)
def test_invalid_glasses_are_refused(request_inputs, words):
    with pytest.raises(InputError, match=words):
        admit_request(request_inputs, SPECIES, CUTOFF)


def test_a_frame_is_converted_to_inputs_and_errors_name_its_file(zoo_glass):
    frame = admit_frame(zoo_glass, SPECIES, CUTOFF, "mine.xyz")
    admit_request(frame, SPECIES, CUTOFF)
    with pytest.raises(InputError, match="^mine.xyz: species"):
        admit_frame(zoo_glass, [79], CUTOFF, "mine.xyz")
