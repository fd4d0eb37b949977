"""A glass as arrays of atoms and directed pairs, and how parts are cut out of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tf_symgnn.data import InputError


@dataclass(frozen=True)
class GlassGraph:
    """One glass, or a part of one, as arrays: its atoms and their directed pairs, sorted by target.

    Attributes:
        name: the glass in messages.
        atomic_numbers: i32[N].
        positions: f32[N, 3] A.
        cell: f32[3, 3] A, rows are cell vectors.
        pbc: bool[3], whether the cell repeats along each vector.
        source: i32[E], the neighbor (sender) of each pair.
        target: i32[E], the atom that receives it, ascending.
        displacement: f32[E, 3] A, x[source] - x[target] + periodic shift.
        barrier: f32[N] eV, or None without labels.
        descriptors: f32[N, D], descriptors from the potential, or None without.
    """

    name: str
    atomic_numbers: np.ndarray
    positions: np.ndarray
    cell: np.ndarray
    pbc: np.ndarray
    source: np.ndarray
    target: np.ndarray
    displacement: np.ndarray
    barrier: np.ndarray | None
    descriptors: np.ndarray | None = None

    @property
    def n_atoms(self) -> int:
        """Return the number of atoms N."""
        return len(self.atomic_numbers)

    @property
    def n_pairs(self) -> int:
        """Return the number of directed pairs E, self-loops included."""
        return len(self.source)

    @property
    def row_splits(self) -> np.ndarray:
        """Return i64[N + 1]: the pairs that atom j receives are row_splits[j] to before row_splits[j + 1]."""
        return np.searchsorted(self.target, np.arange(self.n_atoms + 1))

    def transformed(self, element: np.ndarray) -> GlassGraph:
        """Return the graph of the glass transformed by an element of O(3), [3, 3], that multiplies row vectors.

        Raises:
            InputError: the matrix is not orthogonal to 1e-4.
        """
        element = np.asarray(element)
        if element.shape != (3, 3) or not np.allclose(element @ element.T, np.eye(3), atol=1e-4):
            raise InputError(self.name, "element", element, "an orthogonal matrix [3, 3]")
        return replace(
            self,
            positions=(self.positions @ element).astype(np.float32),
            cell=(self.cell @ element).astype(np.float32),
            displacement=(self.displacement @ element).astype(np.float32),
        )

    def take(self, atoms: np.ndarray, pairs: np.ndarray) -> GlassGraph:
        """Return the graph of some atoms and some pairs of them.

        Args:
            atoms: i64[M], each once.
            pairs: i64[P], ascending, both of whose ends are among the atoms.
        """
        index = local_index(atoms, self.n_atoms)
        return replace(
            self,
            atomic_numbers=self.atomic_numbers[atoms],
            positions=self.positions[atoms],
            source=index[self.source[pairs]],
            target=index[self.target[pairs]],
            displacement=self.displacement[pairs],
            barrier=None if self.barrier is None else self.barrier[atoms],
            descriptors=None if self.descriptors is None else self.descriptors[atoms],
        )

    def subgraph(self, atoms: np.ndarray, row_splits: np.ndarray) -> GlassGraph:
        """Return the subgraph induced on atoms: those and every pair among them.

        Args:
            atoms: i64[M], ascending.
            row_splits: the graph's own, which a caller that cuts many subgraphs computes once.
        """
        pairs = received_pairs(row_splits, atoms)
        inside = np.zeros(self.n_atoms, bool)
        inside[atoms] = True
        return self.take(atoms, pairs[inside[self.source[pairs]]])


def received_pairs(row_splits: np.ndarray, atoms: np.ndarray) -> np.ndarray:
    """Return the pairs i64[P] that some atoms receive, ascending where the atoms are.

    Args:
        row_splits: i64[N + 1], as `GlassGraph.row_splits`.
        atoms: i64[M].
    """
    first, degree = row_splits[atoms], row_splits[atoms + 1] - row_splits[atoms]
    return np.arange(degree.sum()) + np.repeat(first - (np.cumsum(degree) - degree), degree)


def local_index(atoms: np.ndarray, n_atoms: int) -> np.ndarray:
    """Return i32[N], the index of each of N atoms among some atoms i64[M], or -1 for those not among them."""
    index = np.full(n_atoms, -1, np.int32)
    index[atoms] = np.arange(len(atoms), dtype=np.int32)
    return index
