"""The modifier in OVITO itself, which is too large for CI: `pip install ".[ovito]"`, then

pytest tests/integrations/ovito_by_hand.py
"""

import numpy as np
import pytest

import tf_symgnn
from tests.conftest import random_glass
from tests.integrations.test_ovito import load_modifier
from tf_symgnn.data import InputError, write_glasses

pytestmark = pytest.mark.filterwarnings("ignore::tf_symgnn.ExtrapolationWarning")


@pytest.mark.parametrize("suffix", [".xyz", ".dump"])
def test_a_file_is_colored_by_its_barriers(suffix, finished_run, tmp_path):
    from ovito.io import export_file, import_file
    from ovito.modifiers import PythonModifier

    glasses = [random_glass(seed, 40) for seed in (70, 71)]
    write_glasses(tmp_path / f"in{suffix}", glasses)
    pipeline = import_file(str(tmp_path / f"in{suffix}"))
    modifier = load_modifier().EnergyBarrierModifier(model=str(finished_run.path))
    pipeline.modifiers.append(PythonModifier(delegate=modifier))
    predictor = tf_symgnn.load_model(finished_run.path)
    for frame, glass in enumerate(glasses):
        found = pipeline.compute(frame).particles
        barrier, colors = found["Energy Barrier"][...], found["Color"][...]
        np.testing.assert_allclose(barrier, predictor.predict(glass), atol=1e-5)
        order = np.argsort(barrier)
        # The ends of OVITO's default gradient, from blue to red.
        np.testing.assert_allclose(colors[order[[0, -1]]], [[0.2, 0, 1], [1, 0, 0]], atol=0.01)
    export_file(
        pipeline,
        str(tmp_path / "out.dump"),
        "lammps/dump",
        columns=["Particle Identifier", "Particle Type", "Position.X", "Position.Y", "Position.Z", "Energy Barrier"],
    )
    assert "Energy" in (tmp_path / "out.dump").read_text()


def test_types_of_lammps_are_asked_for(finished_run, tmp_path):
    from ovito.io import import_file
    from ovito.modifiers import PythonModifier

    glass = random_glass(70, 40)
    write_glasses(tmp_path / "in.dump", [glass])
    rows = (tmp_path / "in.dump").read_text()
    for symbol in ("Cu ", "Zr ", "element "):
        rows = rows.replace(symbol, "")
    (tmp_path / "in.dump").write_text(rows)
    pipeline = import_file(str(tmp_path / "in.dump"))
    modifier = load_modifier().EnergyBarrierModifier(model=str(finished_run.path))
    pipeline.modifiers.append(PythonModifier(delegate=modifier))
    with pytest.raises(InputError, match=r"types \[1, 2\] without a chemical symbol"):
        pipeline.compute()
    modifier.species = "Cu,Zr"
    barrier = pipeline.compute().particles["Energy Barrier"][...]
    np.testing.assert_allclose(barrier, tf_symgnn.load_model(finished_run.path).predict(glass), atol=1e-5)
