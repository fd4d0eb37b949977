"""A view of the directed pairs of a graph, and functions of their distances."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf
import tensorflow_gnn as tfgnn

from tf_symgnn import names


class PairView(NamedTuple):
    """All directed pairs of a graph. Self-loops and padding have weight zero, so sums over pairs ignore them.

    Attributes:
        graph: with species, adjacency and displacements.
        displacement: [E, 3] A, source minus target.
        weight: [E, 1], the pair weight, by default 1; 0 for self-loops and padding.
        real_atoms: [N], 1 for atoms, 0 for padding.
    """

    graph: tfgnn.GraphTensor
    displacement: tf.Tensor
    weight: tf.Tensor
    real_atoms: tf.Tensor

    @classmethod
    def of(cls, graph: tfgnn.GraphTensor, dtype: str) -> PairView:
        """Return the view of a graph with species and displacements; its tensors have the given dtype."""
        pairs = graph.edge_sets[names.NEIGHBORS]
        displacement = tf.cast(pairs[names.DISPLACEMENT], dtype)
        real_atoms = tf.cast(graph.node_sets[names.ATOMS][names.SPECIES] > 0, dtype)
        weight = tfgnn.broadcast_node_to_edges(graph, names.NEIGHBORS, tfgnn.TARGET, feature_value=real_atoms)
        weight *= tf.cast(tf.reduce_any(displacement != 0, axis=1), dtype)
        if names.PAIR_WEIGHT in pairs.features:
            weight *= tf.cast(pairs[names.PAIR_WEIGHT], dtype)
        return cls(graph, displacement, weight[:, tf.newaxis], real_atoms)

    @property
    def real_pairs(self) -> tf.Tensor:
        """Return 1 for pairs of nonzero weight, else 0, [E]."""
        return tf.cast(self.weight[:, 0] > 0, self.weight.dtype)

    @property
    def squared_distance(self) -> tf.Tensor:
        """Return squared distances [E, 1] A^2."""
        return tf.reduce_sum(tf.square(self.displacement), axis=1, keepdims=True)

    @property
    def distance(self) -> tf.Tensor:
        """Return distances [E, 1] A."""
        return length(self.displacement)

    @property
    def source(self) -> tf.Tensor:
        """Return the index of the sender of each pair, i[E]."""
        return self.graph.edge_sets[names.NEIGHBORS].adjacency[tfgnn.SOURCE]

    @property
    def target(self) -> tf.Tensor:
        """Return the index of the receiver of each pair, i[E], ascending."""
        return self.graph.edge_sets[names.NEIGHBORS].adjacency[tfgnn.TARGET]

    @property
    def atomic_numbers(self) -> tf.Tensor:
        """Return atomic numbers i[N], 0 for padding."""
        return self.graph.node_sets[names.ATOMS][names.SPECIES]

    @property
    def n_atoms(self) -> tf.Tensor:
        """Return the number of atoms, padding included."""
        return self.graph.node_sets[names.ATOMS].total_size

    def source_is(self, atomic_number: int) -> tf.Tensor:
        """Return 1 for pairs whose sender has the atomic number, else 0, [E, 1]."""
        of_species = self.atomic_numbers == atomic_number
        return self.gather_source(tf.cast(of_species, self.weight.dtype)[:, tf.newaxis])

    def gather_source(self, values: tf.Tensor) -> tf.Tensor:
        """Return the values [N, C] of the sender of each pair, [E, C]."""
        return tfgnn.broadcast_node_to_edges(self.graph, names.NEIGHBORS, tfgnn.SOURCE, feature_value=values)

    def gather_target(self, values: tf.Tensor) -> tf.Tensor:
        """Return the values [N, C] of the receiver of each pair, [E, C]."""
        return tfgnn.broadcast_node_to_edges(self.graph, names.NEIGHBORS, tfgnn.TARGET, feature_value=values)

    def sum_to_receiver(self, values: tf.Tensor) -> tf.Tensor:
        """Return sums of weight times values [E, C] over the pairs that each atom receives, [N, C]."""
        return tfgnn.pool_edges_to_node(
            self.graph, names.NEIGHBORS, tfgnn.TARGET, "sum", feature_value=self.weight * values
        )


def length(displacement: tf.Tensor) -> tf.Tensor:
    """Return lengths [E, 1] A of displacements [E, 3] A; the gradient at a length of zero is zero."""
    squared = tf.reduce_sum(tf.square(displacement), axis=1, keepdims=True)
    return tf.where(squared > 0, tf.sqrt(tf.where(squared > 0, squared, 1)), 0)


def gaussian_basis(distance: tf.Tensor, cutoff: float) -> tf.Tensor:
    """Return SchNet's radial basis exp(-gamma (r - mu)^2) of distances [E, 1] A, [E, B].

    The centers mu are 0.1 A apart, from 0 to the cutoff, and gamma is 10 / A^2 (Schütt et al. 2017, section 4.2).
    """
    centers = tf.range(0.0, cutoff + 0.05, 0.1, dtype=distance.dtype)
    return tf.exp(-10.0 * tf.square(distance - centers))
