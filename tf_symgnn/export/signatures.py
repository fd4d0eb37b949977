"""The signatures of an exported SavedModel: barriers of one glass, of several, or of GraphTensors."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import tensorflow as tf
import tensorflow_gnn as tfgnn

from tf_symgnn import names
from tf_symgnn.data.limits import max_neighbors
from tf_symgnn.graph import graph_spec, neighbor_pairs
from tf_symgnn.graph.cell_ops import reduced, repeated, require
from tf_symgnn.graph.neighbor_ops import Pairs, neighbor_pairs_of_each
from tf_symgnn.graph.tensors import assemble
from tf_symgnn.models.base import BarrierModel
from tf_symgnn.potentials.response import MAX_FORCE, PotentialDescriptors

SERVING_DEFAULT = tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY
N_ATOMS = "n_atoms"

_POSITIONS = tf.TensorSpec([None, 3], tf.float32, name="positions")
_ATOMIC_NUMBERS = tf.TensorSpec([None], tf.int32, name="atomic_numbers")
# One glass: positions, A; cell, A, rows are cell vectors; whether the cell repeats along each vector; species.
GLASS = [
    _POSITIONS,
    tf.TensorSpec([3, 3], tf.float32, name="cell"),
    tf.TensorSpec([3], tf.bool, name="pbc"),
    _ATOMIC_NUMBERS,
]


class ServedModel:
    """The content of an exported SavedModel: the weights of a model, its metadata and its signatures.

    All functions consist of operations of TensorFlow only. They raise `InvalidArgumentError` for an invalid input; the
    message starts with the name of the input.

    Args:
        model: the model.
        species: atomic numbers of the training glasses.
        cutoff: of the neighbor graph, A.
        self_loops: whether each atom is also a neighbor of itself.
        potential: from which the model reads descriptors, or None. The signature `serialized_graphs` is left out with
            one: graphs have no pairs up to its cutoff.
        metadata: JSON file to store as an asset.
    """

    def __init__(
        self,
        model: BarrierModel,
        *,
        species: Sequence[int],
        cutoff: float,
        self_loops: bool,
        potential: PotentialDescriptors | None = None,
        metadata: Path,
    ):
        self._weights = model.variables
        self._predict = partial(model, training=False)
        self._species = tuple(species)
        self._cutoff, self._self_loops = cutoff, self_loops
        # Limits memory: padded tensors have as many rows for every atom as for the one with the most pairs.
        self._most_pairs = max_neighbors(cutoff) + int(self_loops)
        self._potential, self._n_descriptors = potential, model.n_descriptors
        number = tf.TensorSpec([None], tf.int32)
        # One signature for all callers, so that the model is traced once.
        self._barriers = tf.function(
            self._barriers_of_arrays, input_signature=[_array_specs(model.n_descriptors), number, number]
        )
        self._metadata = tf.saved_model.Asset(str(metadata))

    def save(self, path: Path) -> None:
        """Write the SavedModel to a new folder."""
        # Only weights and signatures. Loading the Keras model would require TF-GNN, and other functions of the object
        # would be traced and stored a second time.
        content = tf.Module()
        content.weights, content.metadata = self._weights, self._metadata
        options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)  # half the size of the graph
        tf.saved_model.save(content, str(path), signatures=self.signatures(), options=options)

    @tf.function(input_signature=GLASS)
    def one(
        self, positions: tf.Tensor, cell: tf.Tensor, pbc: tf.Tensor, atomic_numbers: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """Return the barriers f32[N] eV of a glass, under `energy_barrier`; positions and cell are in A."""
        with tf.control_dependencies(self._check_atoms(positions, atomic_numbers)):
            positions, atomic_numbers = tf.identity(positions), tf.identity(atomic_numbers)
        pairs = neighbor_pairs(positions, cell, pbc, cutoff=self._cutoff, self_loops=self._self_loops)
        arrays = as_arrays(positions, cell[tf.newaxis], atomic_numbers, pairs)
        if self._potential:
            arrays[names.DESCRIPTORS] = self._descriptors(positions, cell, pbc, atomic_numbers)
        n_atoms, n_pairs = tf.shape(positions)[:1], tf.shape(pairs.source)
        return {names.ENERGY_BARRIER: self._barriers(arrays, n_atoms, n_pairs)}

    @tf.function(
        input_signature=[
            _POSITIONS,
            tf.TensorSpec([None, 3, 3], tf.float32, name="cells"),
            tf.TensorSpec([None, 3], tf.bool, name="pbc"),
            _ATOMIC_NUMBERS,
            tf.TensorSpec([None], tf.int32, name=N_ATOMS),
        ]
    )
    def batch(
        self, positions: tf.Tensor, cells: tf.Tensor, pbc: tf.Tensor, atomic_numbers: tf.Tensor, n_atoms: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """Return the barriers f32[N] eV of all atoms of B glasses, and `n_atoms` i32[B]; the atoms are concatenated."""
        number, total = tf.size(n_atoms), tf.shape(positions, tf.int64)[0]
        all_atoms = tf.reduce_sum(tf.cast(n_atoms, tf.int64))
        same_number = (tf.shape(cells)[0] == number) & (tf.shape(pbc)[0] == number)
        checks = [
            *self._check_atoms(positions, atomic_numbers),
            require(same_number, N_ATOMS, "as many numbers as there are cells and rows of pbc", number),
            require(tf.reduce_all(n_atoms > 0), N_ATOMS, "at least one atom a glass", n_atoms),
            require(all_atoms == total, N_ATOMS, "as many atoms in all as there are positions", all_atoms),
        ]
        with tf.control_dependencies(checks):
            positions, atomic_numbers, n_atoms = (tf.identity(x) for x in (positions, atomic_numbers, n_atoms))
        pairs, n_pairs = neighbor_pairs_of_each(
            positions, n_atoms, cells, pbc, cutoff=self._cutoff, self_loops=self._self_loops
        )
        arrays = as_arrays(positions, cells, atomic_numbers, pairs)
        if self._potential:
            arrays[names.DESCRIPTORS] = self._descriptors_of_each(positions, cells, pbc, atomic_numbers, n_atoms)
        return {names.ENERGY_BARRIER: self._barriers(arrays, n_atoms, n_pairs), N_ATOMS: n_atoms}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serialized_graphs(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return the barriers f32[N] eV of all atoms of tf.Examples [B] of GraphTensors, and `n_atoms` i32[B]."""
        batch = tfgnn.parse_example(graph_spec(labeled=False), examples)
        with tf.control_dependencies(_check_graphs(batch)):
            graph = batch.merge_batch_to_components()
            atoms, neighbors = graph.node_sets[names.ATOMS], graph.edge_sets[names.NEIGHBORS]
            with tf.control_dependencies([self._check_species(atoms[names.SPECIES])]):
                species = tf.identity(atoms[names.SPECIES])
            pairs = Pairs(neighbors.adjacency.source, neighbors.adjacency.target, neighbors[names.DISPLACEMENT])
            arrays = as_arrays(atoms[names.POSITION], graph.context[names.CELL], species, pairs)
            return {names.ENERGY_BARRIER: self._barriers(arrays, atoms.sizes, neighbors.sizes), N_ATOMS: atoms.sizes}

    def signatures(self) -> dict[str, tf.types.experimental.ConcreteFunction]:
        """Return the traced functions by the name of their signature."""
        functions = {SERVING_DEFAULT: self.one, "batch": self.batch}
        if not self._potential:
            functions["serialized_graphs"] = self.serialized_graphs
        return {name: function.get_concrete_function() for name, function in functions.items()}

    def _descriptors(
        self, positions: tf.Tensor, cell: tf.Tensor, pbc: tf.Tensor, atomic_numbers: tf.Tensor
    ) -> tf.Tensor:
        """Return the descriptors f32[N, D] of the atoms of a glass from the potential."""
        n_atoms, cutoff = tf.shape(positions)[0], self._potential.cutoff
        copies, cell = repeated(positions, reduced(cell, pbc), pbc, width=self._potential.min_width)
        numbers = tf.tile(atomic_numbers, [tf.shape(copies)[0] // n_atoms])
        pairs = neighbor_pairs(copies, cell, pbc, cutoff=cutoff, self_loops=False)
        most = tf.reduce_max(tf.math.bincount(pairs.target, minlength=1))
        few = require(most <= max_neighbors(cutoff), "positions", f"A, and at most {max_neighbors(cutoff)} pairs", most)
        with tf.control_dependencies([few]):
            displacement = tf.cast(pairs.displacement, tf.float64)
        descriptors, forces = self._potential(numbers, pairs.source, pairs.target, displacement, n_atoms)
        force = tf.reduce_max(tf.norm(forces, axis=1))
        unstable = tf.math.count_nonzero(~tf.reduce_all(tf.math.is_finite(descriptors), axis=1))
        expected = f"forces of at most {MAX_FORCE} eV/A under the potential of the model"
        checks = [
            require(force <= MAX_FORCE, "positions", expected, force),
            require(unstable == 0, "positions", "no atoms at no minimum of the energy of the potential", unstable),
        ]
        with tf.control_dependencies(checks):
            return tf.ensure_shape(tf.identity(descriptors), [None, self._n_descriptors])

    def _descriptors_of_each(
        self, positions: tf.Tensor, cells: tf.Tensor, pbc: tf.Tensor, atomic_numbers: tf.Tensor, n_atoms: tf.Tensor
    ) -> tf.Tensor:
        """Return the descriptors f32[N, D] of all atoms of several glasses, which are concatenated."""
        ends = tf.cumsum(n_atoms)
        descriptors = tf.TensorArray(
            tf.float32, tf.size(n_atoms), infer_shape=False, element_shape=[None, self._n_descriptors]
        )
        for k in tf.range(tf.size(n_atoms)):
            atoms = tf.range(ends[k] - n_atoms[k], ends[k])
            glass = tf.gather(positions, atoms), cells[k], pbc[k], tf.gather(atomic_numbers, atoms)
            descriptors = descriptors.write(k, self._descriptors(*glass))
        return descriptors.concat()

    def _barriers_of_arrays(self, arrays: dict[str, tf.Tensor], n_atoms: tf.Tensor, n_pairs: tf.Tensor) -> tf.Tensor:
        """Return the barriers f32[N] eV of B glasses with cells [B, 3, 3]."""
        target, species = arrays[tfgnn.TARGET_NAME], arrays[names.SPECIES]
        most = tf.reduce_max(tf.math.unsorted_segment_sum(tf.ones_like(target), target, tf.size(species)))
        expected = f"A, and at most {self._most_pairs} pairs an atom"
        with tf.control_dependencies([require(most <= self._most_pairs, "positions", expected, most)]):
            arrays = arrays | {names.SPECIES: tf.identity(species), tfgnn.TARGET_NAME: tf.identity(target)}
        return tf.cast(self._predict(assemble(arrays, (n_atoms, n_pairs))), tf.float32)

    def _check_atoms(self, positions: tf.Tensor, atomic_numbers: tf.Tensor) -> list[tf.Operation]:
        """Return assertions that each atom has a position and a species of the training glasses."""
        n_positions, number = tf.shape(positions)[0], tf.size(atomic_numbers)
        return [
            require(number == n_positions, "atomic_numbers", "as many as there are positions", number),
            self._check_species(atomic_numbers),
        ]

    def _check_species(self, atomic_numbers: tf.Tensor) -> tf.Operation:
        """Return an assertion that all species are in the training glasses."""
        trained = tf.reduce_any(atomic_numbers[:, tf.newaxis] == tf.constant(self._species, tf.int32), axis=1)
        unknown = tf.boolean_mask(atomic_numbers, ~trained)
        expected = f"only what the model was trained on, {' and '.join(map(str, self._species))}"
        return require(tf.reduce_all(trained), "atomic_numbers", expected, unknown)


def _array_specs(n_descriptors: int) -> dict[str, tf.TensorSpec]:
    """Return the specs of the arrays that `as_arrays` returns, and of descriptors."""
    specs = {
        names.SPECIES: tf.TensorSpec([None], tf.int32),
        names.POSITION: tf.TensorSpec([None, 3], tf.float32),
        names.CELL: tf.TensorSpec([None, 3, 3], tf.float32),
        tfgnn.SOURCE_NAME: tf.TensorSpec([None], tf.int32),
        tfgnn.TARGET_NAME: tf.TensorSpec([None], tf.int32),
        names.DISPLACEMENT: tf.TensorSpec([None, 3], tf.float32),
    }
    if n_descriptors:
        specs[names.DESCRIPTORS] = tf.TensorSpec([None, n_descriptors], tf.float32)
    return specs


def _check_graphs(batch: tfgnn.GraphTensor) -> list[tf.Operation]:
    """Return assertions that graphs have the declared sizes, and pairs of their own atoms, sorted by target."""
    atoms, neighbors = batch.node_sets[names.ATOMS], batch.edge_sets[names.NEIGHBORS]
    adjacency, checks = neighbors.adjacency, []
    for name, members, listed in (
        (names.ATOMS, atoms, atoms[names.SPECIES]),
        (names.NEIGHBORS, neighbors, adjacency.source),
        (names.NEIGHBORS, neighbors, adjacency.target),
    ):
        declared, found = tf.reshape(members.sizes, [-1]), tf.cast(listed.row_lengths(), members.sizes.dtype)
        checks.append(require(tf.reduce_all(declared == found), name, "as many as its sizes declare", found))
    n_atoms = tf.cast(atoms[names.SPECIES].row_lengths(), adjacency.source.dtype)
    for end in (adjacency.source, adjacency.target):
        outside = tf.boolean_mask(end.values, (end.values < 0) | (end.values >= tf.gather(n_atoms, end.value_rowids())))
        checks.append(require(tf.size(outside) == 0, "neighbors", "atoms of the glass", outside))
    target, glass = adjacency.target.values, adjacency.target.value_rowids()
    ascending = (target[1:] >= target[:-1]) | (glass[1:] > glass[:-1])
    return [*checks, require(tf.reduce_all(ascending), "neighbors", "pairs sorted by target", target)]


def as_arrays(positions: tf.Tensor, cells: tf.Tensor, atomic_numbers: tf.Tensor, pairs: Pairs) -> dict[str, tf.Tensor]:
    """Return arrays by feature name, as `assemble` takes them, of the concatenated atoms of B glasses.

    Args:
        positions: [N, 3] A.
        cells: [B, 3, 3] A.
        atomic_numbers: i32[N].
        pairs: of all glasses.
    """
    return {
        names.SPECIES: atomic_numbers,
        names.POSITION: positions,
        names.CELL: cells,
        tfgnn.SOURCE_NAME: pairs.source,
        tfgnn.TARGET_NAME: pairs.target,
        names.DISPLACEMENT: pairs.displacement,
    }
