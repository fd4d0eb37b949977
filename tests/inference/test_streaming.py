"""Prediction slab by slab: as of the whole glass, for any number of slabs, also after a kill."""

import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import SPECIES, ZOO, random_glass
from tests.models.test_baselines import STRUCTURAL
from tests.small_runs import small_config
from tf_symgnn.config import GraphConfig, NetworkConfig, RunConfig
from tf_symgnn.data import Glass, InputError, LabelScaling, read_glass, write_glasses
from tf_symgnn.graph import build_graph
from tf_symgnn.graph.slabs import SlabbedGlass
from tf_symgnn.graph.tensors import to_graph_tensor
from tf_symgnn.inference import CompiledModel, stage_functions
from tf_symgnn.inference.files import predict_in_slabs, write_predictions
from tf_symgnn.inference.memory import (
    _FUNCTION_BYTES,
    _ONEDNN_BYTES,
    _START_BYTES,
    cut_to_fit,
    parse_memory,
    peak_resident,
)
from tf_symgnn.inference.partial import PartialPrediction, identity_of
from tf_symgnn.inference.schedule import Sweep, needed_levels
from tf_symgnn.inference.stage_functions import StageFunctions
from tf_symgnn.runs import DatasetStatistics, RunFolder, State, configured_model, package_versions

ROOT = Path(__file__).resolve().parents[2]
CONFIG = RunConfig(
    model="symgnn",
    graph=GraphConfig(cutoff=4.0),
    network=NetworkConfig(width=8, heads=(4, 2, 1), transforms=2),
)
GRAPH = {"cutoff": 4.0, "self_loops": True}


def slabbed(config: RunConfig, glass: Glass, number: int) -> SlabbedGlass:
    return SlabbedGlass(glass, cutoff=config.graph.cutoff, self_loops=config.graph.self_loops, number=number)


def with_lively_weights(config: RunConfig) -> tf.keras.Model:
    """Return a model with random batch statistics, whose predictions have a standard deviation of about 1 eV."""
    tf.keras.utils.set_random_seed(0)
    model = configured_model(config, SPECIES, LabelScaling(1.6, 30.0))
    rng = np.random.default_rng(0)
    for variable in model.variables:
        if "moving_variance" in variable.name:
            variable.assign(rng.uniform(0.5, 2.0, variable.shape))
        elif "moving_mean" in variable.name:
            variable.assign(rng.normal(0, 0.1, variable.shape))
    return model


@pytest.fixture(scope="module")
def model():
    return with_lively_weights(CONFIG)


@pytest.fixture(scope="module")
def stages(model):
    return StageFunctions(model)


@pytest.fixture(scope="module")
def whole(model):
    predict = CompiledModel(model)
    return lambda glass: predict(build_graph(glass, **GRAPH))


@pytest.fixture
def streamed(model, stages, tmp_path):
    """Return a function that predicts a glass in a number of slabs, and continues a named partial prediction."""

    def streamed(glass, number: int, together: int = 1, name: str = "partial") -> np.ndarray:
        identity = identity_of(glass, model, GRAPH)
        partial = PartialPrediction(tmp_path / name, identity, glass.n_atoms, overwrite=False)
        try:
            return predict_in_slabs(stages, slabbed(CONFIG, glass, number), partial, slabs_per_search=together)
        finally:
            partial.close()

    return streamed


def test_predictions_do_not_depend_on_the_number_of_slabs(zoo_glass, streamed, whole):
    expected = whole(zoo_glass)
    for number, together in ((1, 1), (3, 2), (40, 7)):
        found = streamed(zoo_glass, number, together, name=f"{number}")
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_glass_of_many_slabs_is_predicted_as_the_whole(streamed, whole):
    glass = random_glass(0, 400, cell=np.array([[9.0, 0, 0], [4.0, 8.0, 0], [-3.0, 20.0, 90.0]]))
    expected = whole(glass)
    assert expected.std() > 0.1  # a thousand times the tolerance
    for number in (5, 30):
        np.testing.assert_allclose(streamed(glass, number, name=f"{number}"), expected, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(STRUCTURAL) - {"symgnn", "symgnn_spectral", "faenet"}))
def test_every_model_with_stages_is_predicted_in_slabs(name, tmp_path):
    config = RunConfig(model=name, graph=CONFIG.graph, network=CONFIG.network)
    model, glass = with_lively_weights(config), ZOO["triclinic"]()
    partial = PartialPrediction(tmp_path / "partial", "", glass.n_atoms, overwrite=False)
    found = predict_in_slabs(StageFunctions(model), slabbed(config, glass, 4), partial, slabs_per_search=1)
    # With these weights some models predict hundreds of eV, which single precision rounds to about 1e-5 of the value.
    np.testing.assert_allclose(found, CompiledModel(model)(build_graph(glass, **GRAPH)), atol=1e-4, rtol=2e-5)


def test_the_exact_symmetrization_in_slabs(tmp_path):
    config = replace(CONFIG, network=replace(CONFIG.network, distribution="haar"))
    model, glass = with_lively_weights(config), ZOO["triclinic"]()
    partial = PartialPrediction(tmp_path / "partial", "", glass.n_atoms, overwrite=False)
    found = predict_in_slabs(StageFunctions(model), slabbed(config, glass, 4), partial, slabs_per_search=1)
    np.testing.assert_allclose(found, CompiledModel(model)(build_graph(glass, **GRAPH)), atol=1e-4)


def test_a_single_layer_in_slabs(tmp_path):
    config = replace(CONFIG, network=NetworkConfig(width=8, heads=(2,)))
    model, glass = with_lively_weights(config), ZOO["slab"]()
    partial = PartialPrediction(tmp_path / "partial", "", glass.n_atoms, overwrite=False)
    found = predict_in_slabs(StageFunctions(model), slabbed(config, glass, 3), partial, slabs_per_search=1)
    np.testing.assert_allclose(found, CompiledModel(model)(build_graph(glass, **GRAPH)), atol=1e-4)


@pytest.mark.parametrize(
    "heads", [(2,), pytest.param((4, 2), marks=pytest.mark.slow), pytest.param((2, 2, 2, 1), marks=pytest.mark.slow)]
)
def test_the_default_model_in_slabs(heads, tmp_path):
    network = NetworkConfig(width=8, heads=heads, transforms=2)
    config = replace(CONFIG, model="symgnn_spectral", network=network)
    model = with_lively_weights(config)
    glass = random_glass(0, 400, cell=np.array([[9.0, 0, 0], [4.0, 8.0, 0], [-3.0, 20.0, 90.0]]))
    graph = build_graph(glass, **GRAPH)
    whole = to_graph_tensor(graph)
    model.prepare([whole], [np.random.default_rng(0).normal(1.6, 30.0, glass.n_atoms)])
    expected = CompiledModel(model)(graph)
    terms = model.contributions(whole)
    assert all(np.std(term) > 0.1 for term in terms.values())  # a thousand times the tolerance
    for number in (1, 6, 30):
        partial = PartialPrediction(tmp_path / f"{number}", "", glass.n_atoms, overwrite=False)
        found = predict_in_slabs(StageFunctions(model), slabbed(config, glass, number), partial, slabs_per_search=2)
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_the_first_stage_is_applied_to_a_few_atoms_at_a_time(monkeypatch, tmp_path):
    config = replace(CONFIG, model="symgnn_spectral", network=NetworkConfig(width=4, heads=(1,), transforms=2))
    model, glass = with_lively_weights(config), ZOO["triclinic"]()
    graph = build_graph(glass, **GRAPH)
    model.prepare([to_graph_tensor(graph)], [np.random.default_rng(0).normal(1.6, 30.0, glass.n_atoms)])
    monkeypatch.setattr(stage_functions, "ATOMS_AT_ONCE", 7)
    partial = PartialPrediction(tmp_path / "partial", "", glass.n_atoms, overwrite=False)
    found = predict_in_slabs(StageFunctions(model), slabbed(config, glass, 2), partial, slabs_per_search=1)
    np.testing.assert_allclose(found, CompiledModel(model)(graph), atol=1e-4)


def test_a_model_without_stages_is_refused():
    config = RunConfig(model="faenet", network=NetworkConfig(width=4, heads=(1,)))
    with pytest.raises(InputError, match="--memory: found model faenet, expected a model whose forward pass"):
        StageFunctions(configured_model(config, SPECIES, LabelScaling(1.6, 1.0)))


def ring(number: int) -> list[list[int]]:
    return [sorted({(k - 1) % number, k, (k + 1) % number}) for k in range(number)]


@pytest.mark.parametrize("number", [1, 2, 3, 10])
def test_a_slab_advances_after_all_slabs_around_it_have_reached_its_level(number):
    neighbors, depth = ring(number), 4
    sweep, level = Sweep(neighbors, [depth] * number), [0] * number
    kept = set()
    for slab, reached in sweep:
        assert reached == level[slab] + 1
        read = {(other, reached - 1) for other in neighbors[slab]} if reached > 1 else set()
        assert read <= kept  # no state is dropped before its last use
        level[slab] = reached
        kept |= {(slab, reached)} if reached < depth else set()
        kept -= set(sweep.outdated(slab))
    assert level == [depth] * number and not kept


def test_the_depth_of_the_wave_does_not_depend_on_the_number_of_slabs():
    def most_in_progress(number: int) -> int:
        level, most = [0] * number, 0
        chain = [[k for k in (j - 1, j, j + 1) if 0 <= k < number] for j in range(number)]
        for slab, reached in Sweep(chain, [4] * number):
            level[slab] = reached
            most = max(most, sum(0 < x < 4 for x in level))
        return most

    assert most_in_progress(20) == most_in_progress(200) <= 5


def test_needed_levels_fall_with_the_distance_from_unfinished_slabs():
    unfinished = [k == 5 for k in range(12)]
    assert needed_levels(ring(12), unfinished, 4) == [0, 0, 1, 2, 3, 4, 3, 2, 1, 0, 0, 0]
    assert needed_levels(ring(12), [False] * 12, 4) == [0] * 12


def test_a_partial_prediction_continues_with_another_number_of_slabs(stages, streamed, whole, tmp_path, monkeypatch):
    glass = random_glass(0, 200, cell=np.diag([9.0, 9.0, 40.0]))
    expected, steps = whole(glass), []
    first = stages.first
    monkeypatch.setattr(stages, "first", lambda atoms: steps.append(len(atoms.positions)) or first(atoms))
    add = PartialPrediction.add

    def add_or_interrupt(self, atoms, barrier):
        if self.done.sum() > 50:
            raise KeyboardInterrupt
        add(self, atoms, barrier)

    monkeypatch.setattr(PartialPrediction, "add", add_or_interrupt)
    with pytest.raises(KeyboardInterrupt):
        streamed(glass, 20)
    monkeypatch.setattr(PartialPrediction, "add", add)
    with (tmp_path / "partial").open("ab") as file:
        file.write(b"cut sho")  # an incomplete record, as after a kill
    for number in (13, 20):
        steps.clear()
        np.testing.assert_allclose(streamed(glass, number), expected, atol=1e-4)
    assert not steps  # the first of the two finished the prediction


def test_the_partial_prediction_of_another_glass_is_refused(tmp_path, model):
    glass, other = random_glass(0, 20), random_glass(1, 20)
    one, two = (identity_of(g, model, GRAPH) for g in (glass, other))
    partial = PartialPrediction(tmp_path / "partial", one, 20, overwrite=False)
    partial.add(np.arange(5), np.ones(5))
    partial.close()
    with pytest.raises(InputError, match="partial prediction: found one of another glass or model"):
        PartialPrediction(tmp_path / "partial", two, 20, overwrite=False)
    assert PartialPrediction(tmp_path / "partial", one, 20, overwrite=False).done.sum() == 5
    assert PartialPrediction(tmp_path / "partial", two, 20, overwrite=True).done.sum() == 0


def test_less_memory_gives_thinner_slabs(stages):
    glass = random_glass(0, 500, cell=np.diag([20.0, 20.0, 60.0]), density=0.02)
    taken = peak_resident()
    room = cut_to_fit(glass, stages, 10**12, taken=taken, **GRAPH)
    assert room.n_slabs == 1
    of_slabs = room.peak_bytes - taken - _START_BYTES - _FUNCTION_BYTES * stages.depth - _ONEDNN_BYTES
    tight = cut_to_fit(glass, stages, int(room.peak_bytes - 0.3 * of_slabs), taken=taken, **GRAPH)
    assert tight.n_slabs > 1 and tight.peak_bytes < room.peak_bytes
    expected = r"500 atoms: --memory: found 0.01 GB, expected at least \d+\.\d\d GB"
    with pytest.raises(InputError, match=expected) as error:
        cut_to_fit(glass, stages, 1000, taken=taken, **GRAPH)
    would_fit = parse_memory(re.search(r"at least (\S+ GB)", str(error.value))[1])
    assert cut_to_fit(glass, stages, would_fit, taken=taken, **GRAPH).peak_bytes <= would_fit


@pytest.mark.parametrize(
    ("text", "size"), [("6GB", 6 * 10**9), ("1.5GiB", 1.5 * 2**30), ("500m", 5 * 10**8), ("7", 7), (".5 kb", 500)]
)
def test_sizes_are_parsed(text, size):
    assert parse_memory(text) == size


@pytest.mark.parametrize("text", ["", "six", "6XB", "-1GB", "0GB", "I"])
def test_invalid_sizes_are_refused(text):
    with pytest.raises(InputError, match="--memory"):
        parse_memory(text)


@pytest.fixture(scope="module", params=["symgnn", "symgnn_spectral"])
def run(request, tmp_path_factory) -> RunFolder:
    """Return a run folder with the default network and random weights."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    config = replace(small_config(Path("data"), folder, network=NetworkConfig()), model=request.param)
    folder = RunFolder.create(config, {}, DatasetStatistics(SPECIES, 1.6, 30.0, package_versions()), overwrite=False)
    model = with_lively_weights(config)
    glass = random_glass(2, 300)
    rng = np.random.default_rng(0)
    model.prepare([to_graph_tensor(build_graph(glass, **GRAPH))], [rng.normal(1.6, 30.0, glass.n_atoms)])
    folder.checkpoints.save_final(State(), model)
    return folder


def test_predictions_of_files_do_not_depend_on_the_memory(run, tmp_path):
    glasses = [random_glass(k, 60) for k in range(2)]
    write_glasses(tmp_path / "in.xyz", glasses)
    for name, memory in (("whole", None), ("within", 10**12)):
        assert len(write_predictions(run, [tmp_path / "in.xyz"], tmp_path / f"{name}.xyz", memory=memory)) == 2
    np.testing.assert_allclose(
        read_glass(tmp_path / "within.xyz").barrier, read_glass(tmp_path / "whole.xyz").barrier, atol=1e-4
    )
    assert {path.name for path in tmp_path.iterdir()} == {"in.xyz", "whole.xyz", "within.xyz"}


def test_a_file_too_large_for_the_memory_is_refused_before_it_is_read(run, tmp_path):
    (tmp_path / "in.xyz").write_text("not a structure")
    with pytest.raises(InputError, match="in.xyz: --memory: found 0.01 GB, expected at least .* to read it"):
        write_predictions(run, [tmp_path / "in.xyz"], tmp_path / "out.xyz", memory=10**7)


def grid(*shape: int) -> Glass:
    """Return atoms near the points of a grid, at the density of Cu64Zr36."""
    rng = np.random.default_rng(0)
    points = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1).reshape(-1, 3)
    positions = 2.5 * (points + rng.uniform(-0.2, 0.2, points.shape))
    species = np.where(rng.random(len(points)) < 0.64, "Cu", "Zr")
    return Glass(positions, 2.5 * np.diag(shape), (True, True, True), species, None, "grid.xyz")


COMMAND = [sys.executable, "-m", "tf_symgnn.cli", "predict"]
# Kills itself after the third slab.
KILLED_AFTER_THREE_SLABS = """
import os, signal, sys
from tf_symgnn.cli import main
from tf_symgnn.inference import memory, partial, stage_functions

memory._MAX_SLAB_ATOMS = 2000  # several slabs, to be killed between two of them
stage_functions.ATOMS_AT_ONCE = 300

add, count = partial.PartialPrediction.add, []

def add_or_die(self, *record):
    add(self, *record)
    count.append(1)
    if len(count) == 3:
        os.kill(os.getpid(), signal.SIGKILL)

partial.PartialPrediction.add = add_or_die
main(sys.argv[1:])
"""


@pytest.mark.slow
def test_a_killed_prediction_continues_within_the_memory(run, tmp_path):
    large = grid(12, 12, 120)
    write_glasses(tmp_path / "in.xyz", [large])
    options = [str(run.path), str(tmp_path / "in.xyz"), "--output", str(tmp_path / "out.xyz")]
    least = 0.2  # first too little to read the file, then to predict
    for _ in range(2):
        refused = [*COMMAND, *options, "--memory", f"{least}GB"]
        refused = subprocess.run(refused, cwd=ROOT, capture_output=True, text=True)
        assert refused.returncode == 2 and refused.stderr.count("\n") == 1
        least = float(re.search(r"at least (\S+) GB", refused.stderr)[1])
    budget = ["--memory", f"{least + 0.03:.2f}GB"]
    killed = [sys.executable, "-c", KILLED_AFTER_THREE_SLABS, "predict", *options, *budget]
    # The script imports TensorFlow before the command line can turn oneDNN off.
    killed = subprocess.run(killed, cwd=ROOT, env=os.environ | {"TF_ENABLE_ONEDNN_OPTS": "0"})
    assert killed.returncode == -signal.SIGKILL and not (tmp_path / "out.xyz").exists()
    ended = subprocess.run([*COMMAND, *options, *budget], cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    peak = float(re.search(r"([0-9.]+) GB of memory at most", ended.stdout)[1])
    assert peak <= least + 0.03
    expected = CompiledModel(run.load_model())(build_graph(large, **GRAPH))
    assert expected.std() > 0.1  # a thousand times the tolerance
    np.testing.assert_allclose(read_glass(tmp_path / "out.xyz").barrier, expected, atol=1e-4)
