"""Energies, forces and stress of the embedded-atom method, in TensorFlow ops."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import tensorflow as tf
from ase.data import atomic_numbers

from tf_symgnn.potentials.tables import EamTables


class Function(NamedTuple):
    """A function and its first two derivatives, each f64[E]."""

    value: tf.Tensor
    first: tf.Tensor
    second: tf.Tensor


class EamState(NamedTuple):
    """What follows from the distances of a glass's pairs, for energies, forces and Hessians.

    Attributes:
        density: rho f64[N].
        embedding: F(rho) in eV and its derivatives, f64[N] each.
        pair: phi(r) in eV and its derivatives by distance in A, f64[E] each.
        received: f(r) of the sender at the receiver and its derivatives, f64[E] each.
        sent: f(r) of the receiver at the sender and its derivatives, f64[E] each.
        distance: f64[E] A.
        direction: f64[E, 3], unit vector from the receiver to the sender.
    """

    density: tf.Tensor
    embedding: Function
    pair: Function
    received: Function
    sent: Function
    distance: tf.Tensor
    direction: tf.Tensor


class EamPotential(tf.Module):
    """An embedded-atom potential, evaluated on the directed pairs of a glass.

    Values between points are those of LAMMPS: cubic splines through the points of the tables, whose slopes there are
    central differences of fourth order.

    Args:
        tables: of the potential.

    Attributes:
        tables: of the potential.
        species: atomic numbers, in the order of the tables.
        cutoff: A. Pairs must contain all atoms that are closer.
    """

    def __init__(self, tables: EamTables):
        super().__init__(name="eam_potential")
        self.tables = tables
        self.species = tuple(atomic_numbers[symbol] for symbol in tables.symbols)
        self.cutoff = tables.cutoff
        self._density_step, self._distance_step = tables.density_step, tables.distance_step
        self._embedding = _coefficients(tables.embedding)
        self._density = _coefficients(tables.density)
        self._pair = _coefficients(tables.pair)
        self._max_density = (tables.embedding.shape[-1] - 1) * tables.density_step

    def state(self, numbers: tf.Tensor, source: tf.Tensor, target: tf.Tensor, displacement: tf.Tensor) -> EamState:
        """Return the functions of the potential for the pairs of a glass.

        Args:
            numbers: i32[N], atomic numbers, all among `species`.
            source: i32[E], the sender of each directed pair, without self-loops.
            target: i32[E], the receiver.
            displacement: f64[E, 3] A, x[source] - x[target] + periodic shift. All functions are zero beyond the cutoff.
        """
        kind = tf.argmax(tf.equal(numbers[:, tf.newaxis], tf.constant(self.species, numbers.dtype)), axis=1)
        distance = tf.norm(displacement, axis=1)
        sender, receiver = tf.gather(kind, source), tf.gather(kind, target)
        by_sender = sender * len(self.species) + receiver
        by_receiver = receiver * len(self.species) + sender
        received = self._within(_spline(self._density, by_sender, distance, self._distance_step), distance)
        sent = self._within(_spline(self._density, by_receiver, distance, self._distance_step), distance)
        pair = _over_distance(_spline(self._pair, by_receiver, distance, self._distance_step), distance)
        density = tf.math.unsorted_segment_sum(received.value, target, tf.size(numbers))
        return EamState(
            density,
            self._embedded(kind, density),
            self._within(pair, distance),
            received,
            sent,
            distance,
            displacement / distance[:, tf.newaxis],
        )

    def _within(self, function: Function, distance: tf.Tensor) -> Function:
        """Return a function and its derivatives, zero beyond the cutoff."""
        return Function(*(tf.where(distance < self.cutoff, part, 0.0) for part in function))

    def energies(self, state: EamState, target: tf.Tensor) -> tf.Tensor:
        """Return the energy of each atom f64[N] eV, half of each pair's with either atom."""
        pairs = tf.math.unsorted_segment_sum(state.pair.value, target, tf.size(state.density))
        return state.embedding.value + pairs / 2

    @tf.function(input_signature=[*[tf.TensorSpec([None], tf.int32)] * 3, tf.TensorSpec([None, 3], tf.float64)])
    def energies_and_forces(
        self, numbers: tf.Tensor, source: tf.Tensor, target: tf.Tensor, displacement: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Return `energies` and `forces`, compiled; arguments are those of `state`, with pairs in any order."""
        state = self.state(numbers, source, target, displacement)
        return self.energies(state, target), self.forces(state, source, target)

    def slopes(self, state: EamState, source: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
        """Return the derivative of the total energy by the distance of each pair f64[E] eV/A."""
        return _effective(state, source, target, "first")

    def curvatures(self, state: EamState, source: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
        """Return the second derivative by the distance of each pair at constant F', f64[E] eV/A^2."""
        return _effective(state, source, target, "second")

    def forces(self, state: EamState, source: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
        """Return the force on each atom f64[N, 3] eV/A."""
        pulls = self.slopes(state, source, target)[:, tf.newaxis] * state.direction
        return tf.math.unsorted_segment_sum(pulls, target, tf.size(state.density))

    def virial(self, state: EamState, source: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
        """Return the sum of r f over all pairs f64[3, 3] eV, which is minus the stress times the volume."""
        tension = self.slopes(state, source, target) * state.distance
        return -0.5 * tf.einsum("e,ei,ej->ij", tension, state.direction, state.direction)

    def _embedded(self, kind: tf.Tensor, density: tf.Tensor) -> Function:
        """Return F(rho), linear beyond the last point, as in LAMMPS."""
        inside = tf.clip_by_value(density, 0.0, self._max_density)
        value, first, second = _spline(self._embedding, kind, inside, self._density_step)
        beyond = density - inside
        return Function(value + first * beyond, first, tf.where(beyond == 0.0, second, 0.0))


def _effective(state: EamState, source: tf.Tensor, target: tf.Tensor, order: str) -> tf.Tensor:
    """Return the derivative of some order of phi + F'_i f_j + F'_j f_i, for the pairs (i, j), f64[E]."""
    of_receiver, of_sender = (tf.gather(state.embedding.first, end) for end in (target, source))
    pair, received, sent = (getattr(function, order) for function in (state.pair, state.received, state.sent))
    return pair + of_receiver * received + of_sender * sent


def _over_distance(function: Function, distance: tf.Tensor) -> Function:
    """Return g(r) = h(r) / r and its derivatives, from those of h."""
    value = function.value / distance
    first = (function.first - value) / distance
    return Function(value, first, (function.second - 2 * first) / distance)


def _coefficients(values: np.ndarray) -> tf.Tensor:
    """Return f64[tables, points - 1, 4], the polynomial of each interval, constant first.

    Args:
        values: f64[..., points], of the points of each table.
    """
    values = values.reshape(-1, values.shape[-1])
    slope = np.gradient(values, axis=1)
    ahead, behind = values[:, 3:-1] - values[:, 1:-3], values[:, 4:] - values[:, :-4]
    slope[:, 2:-2] = (8 * ahead - behind) / 12
    rise, start, end = np.diff(values, axis=1), slope[:, :-1], slope[:, 1:]
    return tf.constant(np.stack([values[:, :-1], start, 3 * rise - 2 * start - end, start + end - 2 * rise], axis=-1))


def _spline(coefficients: tf.Tensor, table: tf.Tensor, x: tf.Tensor, step: float) -> Function:
    """Return the splines of some tables i64[E] at places f64[E]; beyond the last point, the value there."""
    n_intervals = coefficients.shape[1]
    place = x / step
    interval = tf.clip_by_value(tf.cast(place, tf.int64), 0, n_intervals - 1)
    part = tf.minimum(place - tf.cast(interval, x.dtype), 1.0)
    polynomial = tf.gather(tf.reshape(coefficients, [-1, 4]), table * n_intervals + interval)
    c0, c1, c2, c3 = tf.unstack(polynomial, axis=1)
    return Function(
        c0 + part * (c1 + part * (c2 + part * c3)),
        (c1 + part * (2 * c2 + part * 3 * c3)) / step,
        (2 * c2 + part * 6 * c3) / step**2,
    )
