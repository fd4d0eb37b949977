"""A baseline model that a network corrects."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
import tensorflow_gnn as tfgnn

from tf_symgnn import names
from tf_symgnn.models.base import BarrierModel, Stage, State, in_parallel, run_stages
from tf_symgnn.models.ridge.averages import NeighborhoodAverages, average_bytes
from tf_symgnn.nn.pairs import PairView

HOPS = 2  # of the neighborhood over which the difference is averaged
INITIAL_BLEND = 0.5  # before `calibrate`

NETWORK, BASELINE = "network", "baseline"  # names of branches
# Features of atoms in the stages after both predictions, eV: the difference d [N], and averages of (d, 1) [N, 2].
DIFFERENCE, AVERAGES = "difference", "averages"
CORRECTION = "correction"  # the local part of the difference [N], eV


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class HybridModel(BarrierModel):
    """A baseline, corrected where a network differs from it locally.

    With d = network - baseline, the predicted barrier is

        y = baseline + blend * (d * A(1) - A(d))

    where A is `NeighborhoodAverages`, applied once per hop, to the constant 1 and to d. A(1) is about 1. It is smaller
    for an atom whose neighbors are all far, and 0 for an atom without neighbors.

    The average A(d) is subtracted because batch norm over single glasses removes the mean barrier of a region from the
    network, while the baseline predicts that mean with a smaller error. Training fits the network to the barriers, not
    to the errors of the baseline, which overfitted the training glasses (docs/notebook.md).

    Args:
        network: a model with stages, trained by gradient descent.
        baseline: a model with stages, fitted by `prepare` before training.
        cutoff: of the neighbor graph, A.
        blend: the initial blend weight, from 0 (the baseline alone) to 1. `calibrate` fits it.
        hops: of the neighborhood over which the difference is averaged, at least 1.

    Raises:
        ValueError: a model has no stages, `blend` is outside 0 to 1, or `hops` is less than 1.
    """

    def __init__(
        self,
        *,
        network: BarrierModel,
        baseline: BarrierModel,
        cutoff: float,
        blend: float = INITIAL_BLEND,
        hops: int = HOPS,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if not (network.stages() and baseline.stages()):
            raise ValueError("network, baseline: found a model without stages, expected models with stages")
        if not 0 <= blend <= 1:
            raise ValueError(f"blend: found {blend}, expected a number from 0 to 1")
        if hops < 1:
            raise ValueError(f"hops: found {hops}, expected at least 1")
        self.network, self.baseline = network, baseline
        self.cutoff, self.hops, self._initial_blend = cutoff, hops, blend
        self.n_descriptors = max(network.n_descriptors, baseline.n_descriptors)
        self.receptive_field = max(network.receptive_field, baseline.receptive_field) + cutoff * hops  # A
        self.blend = self.add_weight(
            name="blend",
            shape=(),
            dtype=tf.float32,
            initializer=tf.keras.initializers.Constant(blend),
            trainable=False,
            experimental_autocast=False,
        )

    def stages(self) -> list[Stage]:
        """Return the stages of both models in parallel, then one stage per hop of averages."""
        return self._stages({NETWORK: self.network.stages(), BASELINE: self.baseline.stages()})

    def call(self, graph: tfgnn.GraphTensor, training: bool = False) -> tf.Tensor:
        """Predict one energy barrier per atom f[N], eV; a baseline stored by `cache` is not computed again."""
        graph = run_stages(self._stages(self._branches(graph)), graph, training)
        return graph.node_sets[names.ATOMS][names.ENERGY_BARRIER]

    def _branches(self, graph: tfgnn.GraphTensor) -> dict[str, list[Stage]]:
        """Return the stages of both models, without those of the baseline if the graph has its prediction."""
        cached = names.BASELINE_BARRIER in graph.node_sets[names.ATOMS].features
        return {NETWORK: self.network.stages(), BASELINE: [] if cached else self.baseline.stages()}

    def _stages(self, branches: dict[str, list[Stage]]) -> list[Stage]:
        """Return the stages of the forward pass."""
        *others, last = self._stages_of_terms(branches)
        return [*others, last.then(self._add_terms)]

    def _stages_of_terms(self, branches: dict[str, list[Stage]]) -> list[Stage]:
        """Return stages whose last state has the baseline and the correction of atoms, each f[N] eV."""
        *others, last = in_parallel(branches)
        size = average_bytes(columns=2)
        averages = [Stage(self._average, size, size)] * self.hops
        averages[-1] = averages[-1].then(self._correct)
        return [*others, last.then(self._subtract), *averages]

    def _subtract(self, graph: tfgnn.GraphTensor, training: bool) -> tfgnn.GraphTensor:
        """Return the graph with the difference of both models and the columns (d, 1) to average."""
        state = State.of(graph)
        baseline = state.atoms[names.BASELINE_BARRIER]
        difference = tf.cast(state.atoms[f"{NETWORK}/{names.ENERGY_BARRIER}"], baseline.dtype) - baseline
        averages = tf.stack([difference, tf.ones_like(difference)], axis=1)
        terms = State({names.BASELINE_BARRIER: baseline, DIFFERENCE: difference, AVERAGES: averages}, {})
        return state.inputs().merged(terms).on(graph)

    def _average(self, graph: tfgnn.GraphTensor, training: bool) -> tfgnn.GraphTensor:
        """Return the graph with averages over one more hop."""
        state = State.of(graph)
        averages = NeighborhoodAverages(PairView.of(graph, tf.float32)).over_all(state.atoms[AVERAGES])
        return state.merged(State({AVERAGES: averages}, {})).on(graph)

    def _correct(self, graph: tfgnn.GraphTensor, training: bool) -> tfgnn.GraphTensor:
        """Return the graph with only the baseline and the correction d A(1) - A(d)."""
        atoms, _ = State.of(graph)
        of_difference, of_ones = tf.unstack(atoms[AVERAGES], axis=1)
        correction = of_ones * atoms[DIFFERENCE] - of_difference
        baseline = atoms[names.BASELINE_BARRIER]
        return State({names.BASELINE_BARRIER: baseline, CORRECTION: correction}, {}).on(graph)

    def _add_terms(self, graph: tfgnn.GraphTensor, training: bool) -> tfgnn.GraphTensor:
        """Return the graph with only the energy barrier of atoms f[N], eV."""
        atoms, _ = State.of(graph)
        barrier = atoms[names.BASELINE_BARRIER] + self.blend * atoms[CORRECTION]
        return State({names.ENERGY_BARRIER: barrier}, {}).on(graph)

    def calibration_terms(self, graph: tfgnn.GraphTensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the baseline and the correction, each f[N] eV."""
        atoms, _ = State.of(run_stages(self._stages_of_terms(self._branches(graph)), graph, False))
        return atoms[names.BASELINE_BARRIER], atoms[CORRECTION]

    @property
    def trained(self) -> BarrierModel:
        """Return the trained submodel of the network."""
        return self.network.trained

    def prepare(
        self,
        graphs: Sequence[tfgnn.GraphTensor],
        labels: Sequence[np.ndarray],
        weights: Sequence[np.ndarray] | None = None,
    ) -> None:
        """Prepare both models on training glasses, their barriers [N] eV and weights, and reset the blend weight."""
        self.blend.assign(self._initial_blend)
        self.baseline.prepare(graphs, labels, weights)
        self.network.prepare(graphs, labels, weights)

    def cache(self, graph: tfgnn.GraphTensor) -> tfgnn.GraphTensor:
        """Return the graph with the prediction of the baseline, which does not change in training, as a feature."""
        barrier = self.baseline(graph, training=False)
        return State.of(graph).merged(State({names.BASELINE_BARRIER: barrier}, {})).on(graph)

    def calibrate(self, terms: np.ndarray, labels: np.ndarray) -> None:
        """Fit the blend weight, from 0 to 1, by least squares to barriers f[N] eV, up to a constant."""
        baseline, correction = terms.T
        blend = np.cov(correction, labels - baseline)[0, 1] / correction.var(ddof=1) if np.ptp(correction) > 0 else 0.0
        self.blend.assign(np.clip(blend, 0.0, 1.0))

    def calibrated_values(self) -> dict[str, float]:
        """Return the blend weight."""
        return {"blend weight": float(tf.convert_to_tensor(self.blend))}  # of one replica

    def novelty(self, graph: tfgnn.GraphTensor) -> tf.Tensor | None:
        """Return the novelty of atoms according to the baseline, f[N]."""
        return self.baseline.novelty(graph)

    def contributions(self, graph: tfgnn.GraphTensor) -> dict[str, tf.Tensor]:
        """Return the `baseline`, or its own terms, and the `correction` times the blend weight, each f[N] eV."""
        baseline, correction = self.calibration_terms(graph)
        terms = self.baseline.contributions(graph) or {"baseline": baseline}
        return terms | {"correction": self.blend * correction}

    def standardized_descriptors(self, graph: tfgnn.GraphTensor) -> dict[str, tf.Tensor] | None:
        """Return those of the baseline."""
        return self.baseline.standardized_descriptors(graph)

    def attention(self, graph: tfgnn.GraphTensor) -> list[tf.Tensor] | None:
        """Return the attention of the network."""
        return self.network.attention(graph)

    def get_config(self) -> dict:
        """Return the constructor's arguments; Keras serializes the models."""
        return super().get_config() | {
            "network": tf.keras.layers.serialize(self.network),
            "baseline": tf.keras.layers.serialize(self.baseline),
            "cutoff": self.cutoff,
            "blend": self._initial_blend,
            "hops": self.hops,
        }

    def get_build_config(self) -> dict | None:
        """Return that of the network."""
        return self.network.get_build_config()

    @classmethod
    def from_config(cls, config: dict) -> HybridModel:
        """Return a model from the arguments that `get_config` returns, with initial weights."""
        models = {name: tf.keras.layers.deserialize(config[name]) for name in (NETWORK, BASELINE)}
        return cls(**config | models)
