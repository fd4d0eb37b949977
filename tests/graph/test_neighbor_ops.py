"""The neighbor list in TensorFlow ops against that of `build_graph`, and the structures that both refuse."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from ase.build import bulk
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.conftest import TRICLINIC, fcc_copper, random_glass
from tests.graph.test_neighbors import sort_rows
from tf_symgnn.data import Glass, InputError, perpendicular_heights, read_glass
from tf_symgnn.data.limits import MAX_DENSITY, max_neighbors
from tf_symgnn.graph import build_graph
from tf_symgnn.graph.neighbor_ops import neighbor_pairs, neighbor_pairs_of_each
from tf_symgnn.graph.slabs import SlabbedGlass

CUTOFF = 5.0

SPECS = [tf.TensorSpec([None, 3]), tf.TensorSpec([3, 3]), tf.TensorSpec([3], tf.bool)]


def compiled(*, cutoff: float, self_loops: bool):
    def search(positions: tf.Tensor, cell: tf.Tensor, pbc: tf.Tensor):
        return neighbor_pairs(positions, cell, pbc, cutoff=cutoff, self_loops=self_loops)

    return tf.function(search, input_signature=SPECS, autograph=False)


PAIRS = {loops: compiled(cutoff=CUTOFF, self_loops=loops) for loops in (False, True)}
SHORT = compiled(cutoff=3.0, self_loops=False)


def as_served(glass: Glass) -> Glass:
    """Return the glass rounded to single precision, so that both searches test the same distances."""
    return replace(glass, positions=glass.positions.astype(np.float32), cell=glass.cell.astype(np.float32))


def inputs(glass: Glass) -> tuple[tf.Tensor, ...]:
    return tf.constant(glass.positions, tf.float32), tf.constant(glass.cell, tf.float32), tf.constant(glass.pbc)


def rows(pairs) -> np.ndarray:
    """Return pairs as sorted rows (target, source, displacement)."""
    ends = [np.asarray(end, np.int64) for end in (pairs.target, pairs.source)]
    return sort_rows(np.column_stack([*ends, np.asarray(pairs.displacement, np.float64)]))


def assert_same_pairs(pairs, graph) -> None:
    np.testing.assert_array_equal(pairs.target, graph.target)
    np.testing.assert_array_equal(pairs.source, graph.source)
    np.testing.assert_allclose(rows(pairs), rows(graph), atol=2e-4)
    assert not np.isnan(pairs.displacement).any()


@pytest.mark.parametrize("self_loops", [False, True])
def test_equals_build_graph(zoo_glass, self_loops):
    glass = as_served(zoo_glass)
    graph = build_graph(glass, cutoff=CUTOFF, self_loops=self_loops)
    pairs = PAIRS[self_loops](*inputs(glass))
    assert_same_pairs(pairs, graph)
    if (perpendicular_heights(glass.cell) > 2 * CUTOFF).all():
        np.testing.assert_allclose(pairs.displacement, graph.displacement, atol=1e-6)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_atoms=st.integers(1, 40),
    density=st.floats(0.0005, 0.1),
    skew=st.floats(0.0, 1.5),
    pbc=st.tuples(st.booleans(), st.booleans(), st.booleans()),
)
def test_equals_build_graph_in_any_cell(seed, n_atoms, density, skew, pbc):
    rng = np.random.default_rng(seed)
    edges = np.exp(rng.normal(0, 0.5, 3))
    cell = np.diag(edges) + skew * rng.uniform(-1, 1, (3, 3))
    volume = abs(np.linalg.det(cell))
    assume(volume > 0.05 * np.prod(np.linalg.norm(cell, axis=1)))
    cell *= (n_atoms / density / volume) ** (1 / 3)
    assume(perpendicular_heights(cell).min() > 1.5)
    # In the cell and far outside it.
    positions = rng.uniform(-2, 3, (n_atoms, 3)) @ cell
    glass = as_served(Glass(positions, cell, pbc, np.array(["Cu"] * n_atoms), None, "any.xyz"))
    graph = build_graph(glass, cutoff=CUTOFF, self_loops=True)
    assert_same_pairs(PAIRS[True](*inputs(glass)), graph)


def test_displacement_points_from_target_to_source_across_the_boundary():
    glass = replace(random_glass(0, 2, cell=np.eye(3) * 20), positions=np.array([[0.5, 5, 5], [19.5, 5, 5.0]]))
    pairs = PAIRS[False](*inputs(glass))
    np.testing.assert_array_equal(pairs.target, [0, 1])
    np.testing.assert_array_equal(pairs.source, [1, 0])
    np.testing.assert_allclose(pairs.displacement, [[-1.0, 0, 0], [1.0, 0, 0]], atol=1e-6)


def test_fcc_has_twelve_neighbors_at_one_distance():
    pairs = SHORT(*inputs(fcc_copper()))
    np.testing.assert_array_equal(np.bincount(pairs.target), 12)
    np.testing.assert_allclose(np.linalg.norm(pairs.displacement, axis=1), 3.61 / np.sqrt(2), rtol=1e-6)


@pytest.mark.parametrize(("distance", "neighbors"), [(5.0, 0), (np.nextafter(np.float32(5), np.float32(0)), 2)])
def test_atoms_at_the_cutoff_are_no_neighbors_and_any_nearer_are(distance, neighbors):
    positions = np.array([[0, 0, 0], [0, 0, distance]], np.float64)
    glass = replace(random_glass(0, 2, cell=np.eye(3) * 32), positions=positions)
    assert build_graph(glass, cutoff=CUTOFF, self_loops=False).n_pairs == neighbors
    assert len(PAIRS[False](*inputs(glass)).source) == neighbors


def test_a_primitive_cell_of_one_atom_has_the_neighbors_of_the_crystal():
    glass = as_served(
        Glass(
            np.array([[0.3, 0.2, 0.1]]),
            (np.ones((3, 3)) - np.eye(3)) * 3.61 / 2,
            [True] * 3,
            np.array(["Cu"]),
            None,
            "primitive.xyz",
        )
    )
    pairs = SHORT(*inputs(glass))
    np.testing.assert_allclose(np.linalg.norm(pairs.displacement, axis=1), [3.61 / np.sqrt(2)] * 12, rtol=1e-6)


def test_a_droplet_in_a_vast_box_takes_memory_by_its_atoms():
    droplet = random_glass(12, 200, cell=np.eye(3) * 15, pbc=(False, False, False))
    # A table with a row for every bin of this box would have 6e10 rows.
    glass = as_served(replace(droplet, cell=np.eye(3) * 1e4, pbc=np.ones(3, bool), positions=droplet.positions + 4e3))
    assert_same_pairs(PAIRS[True](*inputs(glass)), build_graph(glass, cutoff=CUTOFF, self_loops=True))


def test_pairs_of_a_batch_equal_those_of_each_glass():
    glasses = [
        as_served(glass)
        for glass in (random_glass(0, 30), random_glass(1, 1), random_glass(2, 25, cell=TRICLINIC), fcc_copper(1))
    ]
    positions, cells, pbc = (
        tf.stack(x) if i else tf.concat(x, 0) for i, x in enumerate(zip(*map(inputs, glasses), strict=True))
    )
    n_atoms = tf.constant([glass.n_atoms for glass in glasses])
    pairs, n_pairs = neighbor_pairs_of_each(positions, n_atoms, cells, pbc, cutoff=CUTOFF, self_loops=True)
    alone = [PAIRS[True](*inputs(glass)) for glass in glasses]
    np.testing.assert_array_equal(n_pairs, [len(own.source) for own in alone])
    first = np.cumsum(n_atoms) - n_atoms
    for end in ("source", "target"):
        expected = [getattr(own, end) + k for own, k in zip(alone, first, strict=True)]
        np.testing.assert_array_equal(getattr(pairs, end), np.concatenate(expected))
    np.testing.assert_array_equal(pairs.displacement, np.concatenate([own.displacement for own in alone]))


def test_an_empty_batch_is_refused():
    nothing = tf.zeros([0, 3]), tf.zeros([0], tf.int32), tf.zeros([0, 3, 3]), tf.zeros([0, 3], tf.bool)
    with pytest.raises(tf.errors.InvalidArgumentError, match="n_atoms: expected at least one glass"):
        neighbor_pairs_of_each(*nothing, cutoff=CUTOFF, self_loops=True)


@pytest.mark.parametrize("pbc", [(True, True, True), (False, True, True)])
@pytest.mark.parametrize("seed", range(10))
def test_vectors_of_the_cell_can_be_chosen_in_any_way(seed, pbc):
    """Multiples of periodic vectors are added to others: the points are the same, and so are the pairs."""
    glass, rng = random_glass(seed, 100), np.random.default_rng(seed)
    change = np.eye(3)
    for _ in range(5):
        row, column = rng.choice(3, 2, replace=False)
        if pbc[column]:
            change[row] += rng.choice([-3, -2, -1, 1, 2, 3]) * change[column]
    assert abs(np.linalg.det(change)) == pytest.approx(1)
    given, skewed = (as_served(replace(glass, cell=cell, pbc=pbc)) for cell in (glass.cell, change @ glass.cell))
    expected = build_graph(given, cutoff=CUTOFF, self_loops=True)
    for found in (build_graph(skewed, cutoff=CUTOFF, self_loops=True), PAIRS[True](*inputs(skewed))):
        np.testing.assert_allclose(rows(found), rows(expected), atol=1e-3)  # single precision rounds long vectors


CUBE = np.eye(3) * 9.0
UNPHYSICAL = {
    "no atom": ({"positions": np.zeros((0, 3))}, "positions: expected at least one atom"),
    "not a number": ({"positions": np.full((4, 3), np.nan)}, "positions: expected finite"),
    "infinite cell": ({"cell": np.full((3, 3), np.inf)}, "cell: expected finite"),
    "far away": ({"positions": np.arange(12.0).reshape(4, 3) * 1e6}, "positions: expected at most 10000 A"),
    "flat": ({"cell": np.array([[1, 2, 3], [4, 5, 6], [5, 7, 9]])}, "cell: expected vectors that span a volume"),
    "no cell": ({"cell": np.zeros((3, 3))}, "cell: expected vectors that span a volume"),
    "in meters": ({"cell": CUBE * 1e-10}, "cell: expected A, and at most"),
    "in nanometers": ({"cell": CUBE / 10}, "cell: expected A, and at most"),
    "narrow": ({"cell": np.diag([1e-3, 1e3, 1e3])}, "cell: expected A, and at most"),
    "coincident": ({"positions": np.array([[0, 0, 0], [1, 1, 1], [9.0, 0, 0]])}, "positions: expected atoms over"),
    "crowded": (
        {"positions": np.stack([np.linspace(0, 5, 5000)] * 3, 1), "pbc": np.zeros(3, bool)},
        "positions: expected A, and at most",
    ),
}


@pytest.mark.parametrize("name", UNPHYSICAL)
def test_the_command_line_refuses_what_an_export_refuses(name):
    """`Glass` and `build_graph` check files, `neighbor_pairs` the input of an export."""
    arrays = {"positions": np.arange(12.0).reshape(4, 3), "cell": CUBE, "pbc": np.ones(3, bool)} | UNPHYSICAL[name][0]
    if name == "far away":  # the input of an export is not wrapped, because single precision has rounded it
        arrays["pbc"] = np.zeros(3, bool)
    with pytest.raises(InputError):
        glass = Glass(**arrays, species=["Cu"] * len(arrays["positions"]), barrier=None, source=f"{name}.xyz")
        build_graph(glass, cutoff=CUTOFF, self_loops=True)


def accepted_by_an_export(glass: Glass) -> bool:
    """Return whether an export accepts a glass: it searches for neighbors, then counts those of each atom."""
    try:
        pairs = PAIRS[False](*inputs(glass))
    except tf.errors.InvalidArgumentError:
        return False
    return np.bincount(pairs.target).max(initial=0) <= max_neighbors(CUTOFF)


def accepted_by_the_command_line(glass: Glass) -> bool:
    """Return whether the command line accepts a glass, checked as a whole and in slabs."""
    accepted = []
    for search in (
        lambda: build_graph(glass, cutoff=CUTOFF, self_loops=False),
        lambda: SlabbedGlass(glass, cutoff=CUTOFF, self_loops=False, number=1).pairs(0, 1),
    ):
        try:
            search()
            accepted.append(True)
        except InputError:
            accepted.append(False)
    assert accepted[0] == accepted[1]
    return accepted[0]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_atoms=st.integers(1, 400),
    density=st.floats(0.02, 1.0),
    flatness=st.floats(0.05, 1.0),
    pbc=st.tuples(st.booleans(), st.booleans(), st.booleans()),
)
def test_the_command_line_accepts_what_an_export_accepts(seed, n_atoms, density, flatness, pbc):
    """Structures near the limits of density, of neighbors and of narrow cells."""
    rng = np.random.default_rng(seed)
    cell = np.diag([1.0, 1.0, flatness]) @ (np.eye(3) + 0.3 * rng.uniform(-1, 1, (3, 3)))
    cell *= (n_atoms / density / abs(np.linalg.det(cell))) ** (1 / 3)
    positions = rng.random((n_atoms, 3)) @ cell
    glass = as_served(Glass(positions, cell, pbc, np.array(["Cu"] * n_atoms), None, "any.xyz"))
    assert accepted_by_the_command_line(glass) == accepted_by_an_export(glass)


def test_short_cutoffs_are_accepted():
    glass = as_served(fcc_copper())
    for cutoff in (1.0, 2.0, 2.6):
        pairs = neighbor_pairs(*inputs(glass), cutoff=cutoff, self_loops=False)
        graph = build_graph(glass, cutoff=cutoff, self_loops=False)
        assert len(pairs.source) == graph.n_pairs == (12 * glass.n_atoms if cutoff > 2.56 else 0)


@pytest.mark.parametrize("name", UNPHYSICAL)
def test_an_export_refuses_unphysical_structures(name):
    glass = {"positions": np.arange(12.0).reshape(4, 3), "cell": CUBE, "pbc": np.ones(3, bool)}
    changed, message = UNPHYSICAL[name]
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        PAIRS[True](*(tf.constant(x, bool if k == "pbc" else tf.float32) for k, x in (glass | changed).items()))


def test_the_densest_solid_is_accepted():
    diamond = bulk("C", "diamond", a=3.567)
    cell, species = diamond.cell.array, np.array(["C", "C"])
    glass = as_served(Glass(diamond.positions, cell, diamond.pbc, species, None, "diamond.xyz"))
    assert_same_pairs(PAIRS[True](*inputs(glass)), build_graph(glass, cutoff=CUTOFF, self_loops=True))
    assert 1.3 * glass.n_atoms / glass.volume < MAX_DENSITY


def test_published_glass_has_the_known_number_of_pairs(published_data):
    glass = read_glass(published_data / "train0.pickle")
    pairs = PAIRS[True](*inputs(glass))
    assert (glass.n_atoms, len(pairs.source)) == (8000, 267838)
