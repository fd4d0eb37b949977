"""Checks of `Glass`, label scaling, complete files, and imports of the data package."""

import ast
import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest

import tf_symgnn.data
from tf_symgnn.data import (
    Glass,
    InputError,
    LabelScaling,
    label_scaling,
    label_weights,
    noise_ceiling,
    perpendicular_heights,
    replacing,
    require_species,
)


def test_fields_have_the_documented_types(make_glass):
    glass = make_glass()
    assert glass.positions.dtype == glass.cell.dtype == glass.barrier.dtype == np.float64
    assert glass.pbc.dtype == bool and glass.pbc.shape == (3,)
    assert glass.n_atoms == 5
    assert glass.atomic_numbers.dtype == np.int32
    assert glass.atomic_numbers.tolist() == [40, 29, 29, 40, 47]
    assert glass.volume == pytest.approx(8.0 * 9.0 * 10.0)
    assert glass.name == "glass"
    assert make_glass(frame=3).name == "glass-3"


def test_left_handed_cell_has_positive_volume(make_glass):
    assert make_glass(cell=[[0, 2, 0], [3, 0, 0], [0, 0, 4]]).volume == pytest.approx(24.0)


def test_arrays_are_read_only_copies(make_glass):
    positions = np.zeros((5, 3))
    glass = make_glass(positions=positions)
    positions[0] = 1.0
    assert not glass.positions.any()
    for field in ("positions", "cell", "pbc", "species", "barrier"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(glass, field)[...] = 0
    with pytest.raises(dataclasses.FrozenInstanceError):
        glass.barrier = None


BAD_FIELDS = {
    "nan position": ("positions", np.full((5, 3), np.nan), r"positions: found nan at \[0, 0\], expected finite"),
    "infinite position": ("positions", np.full((5, 3), -np.inf), "positions: found"),
    "two coordinates": ("positions", np.zeros((5, 2)), r"positions: found shape \(5, 2\)"),
    "flat positions": ("positions", np.zeros(15), r"positions: found shape \(15,\)"),
    "no atom": ("positions", np.zeros((0, 3)), "N at least 1"),
    "ragged positions": ("positions", [[0, 0, 0], [1]], "positions: found"),
    "text positions": ("positions", [["a", "b", "c"]] * 5, "real numbers"),
    "complex positions": ("positions", np.zeros((5, 3), complex), "real numbers"),
    "lengths for a cell": ("cell", [8.0, 8.0, 8.0], r"cell: found shape \(3,\)"),
    "flat cell": ("cell", [[1, 0, 0], [0, 1, 0], [1, 1, 0]], "cell: found volume 0 A"),
    "cell flat but for rounding": ("cell", [[0.1, 0.2, 0.3], [0.4, 0.5, 0.6], [0.7, 0.8, 0.9]], "cell: found volume"),
    "zero cell": ("cell", np.zeros((3, 3)), "cell: found volume"),
    "overflowing cell": ("cell", np.eye(3) * 1e300, "cell: found volume"),
    "nan cell": ("cell", np.full((3, 3), np.nan), "cell: found nan"),
    "two flags": ("pbc", [True, True], "pbc: found"),
    "text flags": ("pbc", ["False", "False", "False"], "pbc: found"),
    "unknown species": ("species", ["Cu", "Cu", "Cu", "Zr", "Zq"], "species: found 'Zq', expected chemical symbols"),
    "placeholder species": ("species", ["X"] * 5, "species: found 'X'"),
    "too few species": ("species", ["Cu"] * 4, r"species: found shape \(4,\)"),
    "numbers for species": ("species", [29] * 5, "species: found"),
    "too few labels": ("barrier", [1.0] * 4, r"energy_barrier: found shape \(4,\), expected shape \(5,\)"),
    "infinite label": ("barrier", [1, 1, 1, 1, np.inf], r"energy_barrier: found inf at \[4\]"),
    "two origins": ("origin", np.zeros(6), r"origin: found shape \(6,\), expected shape \(3,\)"),
    "an id twice": ("ids", [1, 2, 3, 4, 2], "ids: found 2 twice, expected each once"),
    "ids with fractions": ("ids", np.arange(5.0), "ids: found shape .* of float64, expected 5 whole numbers"),
    "half a step": ("step", 0.5, "step: found 0.5, expected a whole number"),
    "too few spreads": ("spread", [0.1] * 4, "spread: found shape"),
    "a negative spread": ("spread", [0.1, 0.1, -0.2, 0.1, 0.1], "spread: found -0.2, expected standard deviations"),
    "too few events": ("events", [4] * 4, "events: found shape"),
    "a short column": ("columns", {"q": np.zeros(4)}, r"q: found shape \(4,\), expected shape \(5,\) or \(N, K\)"),
    "negative frame": ("frame", -1, "frame: found -1, expected a whole number of at least 0"),
    "column of labels": ("barrier", np.zeros((5, 1)), "energy_barrier: found shape"),
}


@pytest.mark.parametrize(("field", "value", "message"), BAD_FIELDS.values(), ids=BAD_FIELDS)
def test_invalid_fields_are_refused_by_name(make_glass, field, value, message):
    with pytest.raises(InputError, match=message) as caught:
        make_glass(**{field: value})
    assert str(caught.value).startswith("glass.xyz: ")
    assert "\n" not in str(caught.value)


def test_a_source_is_a_path(make_glass):
    with pytest.raises(InputError, match="glass: source: found None, expected a path"):
        make_glass(source=None)


@pytest.mark.parametrize("cell", [np.eye(2), np.ones(3), np.ones((3, 3)), np.diag([1.0, 1.0, 0.0])])
def test_heights_need_three_vectors_that_span_a_volume(cell):
    with pytest.raises(InputError, match="cell: found shape"):
        perpendicular_heights(cell)


def test_errors_name_the_frame(make_glass):
    with pytest.raises(InputError, match="^glass.xyz@7: pbc"):
        make_glass(frame=7, pbc=[True])


def test_input_error_is_one_line():
    error = InputError("a.xyz", "cell", "two\nlines", "one")
    assert isinstance(error, ValueError)
    assert str(error) == "a.xyz: cell: found two lines, expected one"
    assert len(str(InputError("a", "b", "c" * 10_000, "d"))) < 250


def test_require_species(make_glass):
    require_species([make_glass()], [29, 40, 47])
    expected = "only species of the training glasses: Cu, Zr"
    with pytest.raises(InputError, match=f"glass.xyz: species: found Ag, expected {expected}"):
        require_species([make_glass()], [40, 29])


def _labeled(values) -> Glass:
    n = len(values)
    return Glass(np.zeros((n, 3)), np.eye(3), [True] * 3, ["Cu"] * n, values, "a.xyz")


def test_label_scaling_is_over_all_atoms():
    # Pooled labels 1, 2, 3, 6: mean 3, squared deviations 4, 1, 0, 9.
    assert label_scaling([_labeled([1.0]), _labeled([2.0, 3.0, 6.0])]) == LabelScaling(3.0, np.sqrt(3.5))


def test_label_scaling_of_equal_labels_is_one():
    scaling = label_scaling([_labeled([0.1] * 7)])
    assert (scaling.mean, scaling.std) == (pytest.approx(0.1), 1.0)


@pytest.mark.parametrize(("mean", "std"), [(float("nan"), 1.0), (1.6, 0.0), (1.6, -0.3), (None, 1.0)])
def test_label_scaling_is_checked(mean, std):
    with pytest.raises(InputError, match="label scaling: (mean|std): found"):
        LabelScaling(mean, std)


def test_label_weights_are_the_share_of_variance_that_is_no_noise():
    """Of labels of 2 and 6 events and of infinitely many, with six times the variance within atoms: 1/4, 1/2 and 1."""
    of_events = dataclasses.replace(_labeled([1.0, 2.0, np.nan]), events=[2, 6, 0])
    first, second = label_weights([of_events, _labeled([1.5, np.nan])])
    np.testing.assert_allclose(first * 1.75 / 3, [0.25, 0.5, 0], rtol=1e-6)
    np.testing.assert_allclose(second * 1.75 / 3, [1, 0], rtol=1e-6)
    assert first.dtype == np.float32


def test_labels_of_equally_many_events_have_weight_one():
    for events in (None, [4] * 7):
        (weights,) = label_weights([dataclasses.replace(_labeled(np.arange(7.0)), events=events)])
        np.testing.assert_array_equal(weights, np.ones(7, np.float32))


def _with_events(barrier: np.ndarray, spread: np.ndarray, events: np.ndarray) -> Glass:
    labeled = _labeled(barrier)
    return dataclasses.replace(labeled, events=events, spread=spread)


def test_the_noise_ceiling_is_the_correlation_of_exact_barriers_with_labels():
    """Atoms' barriers of variance 0.09, whose events scatter by a standard deviation of 0.5, of 2 to 6 events."""
    rng = np.random.default_rng(0)
    exact, events = 2 + 0.3 * rng.normal(size=4000), rng.integers(2, 7, size=4000)
    found = [barrier + 0.5 * rng.normal(size=number) for barrier, number in zip(exact, events, strict=True)]
    labels, spread = np.array([x.mean() for x in found]), np.array([x.std(ddof=1) for x in found])
    halves = [_with_events(labels[k::2], spread[k::2], events[k::2]) for k in (0, 1)]
    expected = np.sqrt(0.09 / (0.09 + 0.25 * np.mean(1 / events)))
    assert noise_ceiling(halves) == pytest.approx(expected, abs=0.015)
    assert noise_ceiling(halves) == pytest.approx(np.corrcoef(exact, labels)[0, 1], abs=0.02)


def test_a_noise_ceiling_by_hand():
    """Two atoms of two events each, with variances 0.02 and 0.06: 0.04, halved by the mean; the labels have 0.25."""
    barrier, spread, events = [1.0, 2.0, np.nan], np.sqrt([0.02, 0.06, 0]), [2, 2, 0]
    assert noise_ceiling([_with_events(barrier, spread, events)]) == pytest.approx(np.sqrt(1 - 0.02 / 0.25))


def test_there_is_no_noise_ceiling_without_the_spread_of_events():
    barrier, spread = np.array([1.0, 2.0, 3.0]), np.array([0.1, 0.2, 0.1])
    complete = _with_events(barrier, spread, [2, 3, 2])
    assert noise_ceiling([complete]) > 0.9
    for glass in (
        _labeled(barrier),
        dataclasses.replace(complete, events=None),
        dataclasses.replace(complete, spread=None),
        dataclasses.replace(complete, barrier=None),
        _with_events(barrier, 0 * spread, [1, 1, 1]),
        _with_events([1.0, 1.0, 1.0], spread, [2, 2, 2]),
    ):
        assert noise_ceiling([glass]) is None
        if glass.spread is None:
            assert noise_ceiling([complete, glass]) is None
    assert noise_ceiling([_with_events(barrier, 10 * spread + 5, [2, 2, 2])]) == 0.0


def test_label_scaling_needs_labels(make_glass):
    with pytest.raises(InputError, match="glass.xyz: energy_barrier: found no labels"):
        label_scaling([make_glass(), make_glass(barrier=None)])
    with pytest.raises(InputError, match="at least one"):
        label_scaling([])


def test_replacing_moves_a_complete_file(tmp_path):
    path = tmp_path / "new" / "folder" / "file.txt"
    with replacing(path) as temporary:
        assert temporary.suffix == ".txt" and temporary.parent == path.parent
        temporary.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


def test_errors_of_replacing_name_the_file_and_not_the_temporary_one(tmp_path):
    path = tmp_path / "file.txt"
    with pytest.raises(PermissionError) as caught, replacing(path) as temporary:
        raise PermissionError(13, "Permission denied", str(temporary))
    assert caught.value.filename == str(path)
    (tmp_path / "folder.txt").mkdir()
    with pytest.raises(IsADirectoryError) as caught, replacing(tmp_path / "folder.txt") as temporary:
        temporary.write_text("whole")
    assert str(caught.value) == f"[Errno 21] Is a directory: '{tmp_path / 'folder.txt'}'"
    with pytest.raises(OSError) as caught, replacing(path) as temporary:
        raise OSError(28, "No space left on device")
    assert str(caught.value) == f"[Errno 28] No space left on device: '{path}'"


def test_replacing_removes_the_file_of_a_failed_block(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_package_imports_numpy_and_ase_and_what_comes_before_it_only():
    before = {"tf_symgnn.names", "tf_symgnn.errors", "tf_symgnn.config"}
    allowed = {"numpy", "ase", "zstandard", "tf_symgnn.data", *before}
    for file in Path(tf_symgnn.data.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                modules = [f"tf_symgnn.{a.name}" for a in node.names] if node.module == "tf_symgnn" else [node.module]
            for module in modules:
                standard = module.split(".")[0] in sys.stdlib_module_names
                assert standard or any(module == m or module.startswith(m + ".") for m in allowed), (file, module)
