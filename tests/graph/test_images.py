"""Periodic images: atoms in their cell, and every image within a margin of it."""

from itertools import product

import numpy as np
import pytest

from tests.conftest import random_glass
from tf_symgnn.data import perpendicular_heights
from tf_symgnn.graph.images import images_between, with_images, wrap


def test_wrapped_atoms_lie_in_the_cell_along_periodic_vectors(zoo_glass):
    moved = zoo_glass.positions + np.array([3, -2, 1]) @ zoo_glass.cell
    fractional, shift = wrap(moved, zoo_glass.cell, zoo_glass.pbc)
    assert ((fractional >= 0) & (fractional <= 1))[:, zoo_glass.pbc].all()
    assert not shift[:, ~zoo_glass.pbc].any()
    np.testing.assert_allclose(fractional @ zoo_glass.cell, moved + shift @ zoo_glass.cell, atol=1e-9)


@pytest.mark.parametrize("margin", [1.0, 3.0, 12.0])
def test_images_are_those_of_brute_force(zoo_glass, margin):
    positions, cell, pbc = zoo_glass.positions, zoo_glass.cell, zoo_glass.pbc
    images = with_images(positions, cell, pbc, margin)
    np.testing.assert_array_equal(images.atom[: len(positions)], np.arange(len(positions)))
    np.testing.assert_allclose(images.points, positions[images.atom] + images.shift @ cell, atol=1e-9)
    fractional, _ = wrap(positions, cell, pbc)
    room = margin / perpendicular_heights(cell)
    reach = [int(np.ceil(r)) + 1 if periodic else 0 for r, periodic in zip(room, pbc, strict=True)]
    shifts = np.array(list(product(*(range(-n, n + 1) for n in reach))))
    moved = fractional[:, np.newaxis] + shifts
    inside = np.all(~pbc | ((moved >= -room) & (moved < 1 + room)), axis=2)
    expected = np.sort((moved[inside] @ cell).view("f8,f8,f8").ravel())
    found = np.sort(np.ascontiguousarray(images.points).view("f8,f8,f8").ravel())
    assert len(images.points) == inside.sum()
    np.testing.assert_allclose(found.view(float), expected.view(float), atol=1e-9)


def test_images_fill_a_margin_and_no_more():
    glass = random_glass(2, 50)
    images = with_images(glass.positions, glass.cell, glass.pbc, 3.0)
    side = glass.cell[0, 0]
    assert ((images.points > -3 - 1e-4) & (images.points < side + 3 + 1e-4)).all()
    assert len(images.points) == pytest.approx(50 * ((side + 6) / side) ** 3, rel=0.15)
    assert len(np.unique(np.round(images.points, 3), axis=0)) == len(images.points)


def test_images_between_planes():
    atom, shift = images_between(np.array([0.1, 0.9]), -0.2, 1.1, periodic=True)
    assert list(zip(atom.tolist(), shift.tolist(), strict=True)) == [(1, -1), (0, 0), (1, 0)]
    atom, shift = images_between(np.array([0.1, 0.9]), 0.5, 2.0, periodic=False)
    assert (atom.tolist(), shift.tolist()) == ([1], [0])
    assert not len(images_between(np.array([0.5]), 0.6, 0.7, periodic=True)[0])
