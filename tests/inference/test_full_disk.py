"""A full disk under `predict --memory`: one line that names the file, and nothing that a later run takes for whole."""

import numpy as np
import pytest

from tests.conftest import random_glass, room_for
from tf_symgnn.cli import main
from tf_symgnn.data import locked, read_glass, write_glasses
from tf_symgnn.inference import files


@pytest.mark.parametrize("suffix", [".xyz", ".dump", ".npz"])
def test_ends_in_a_line_and_goes_on_once_there_is_room(suffix, finished_run, tmp_path, capsys):
    write_glasses(tmp_path / "in.npz", [random_glass(0, 400)])
    output, unfinished = tmp_path / f"out{suffix}", tmp_path / f".out{suffix}.partial"
    argv = ["predict", str(finished_run.path), str(tmp_path / "in.npz"), "--memory", "1TB", "--output"]
    assert main([*argv, str(tmp_path / "undisturbed.npz")]) == 0
    # In the partial prediction's first line, and in its records of 16 bytes an atom; last, in the output.
    for room, full in ((50, unfinished / "0"), (3000, unfinished / "0"), (10_000, unfinished / f"output{suffix}")):
        with room_for(room):
            assert main([*argv, str(output)]) == 2
        *_, told = capsys.readouterr().err.splitlines()
        assert told.startswith("tf-symgnn: [Errno ") and told.endswith(f": '{full}'")
        assert {path.name for path in tmp_path.iterdir()} == {"in.npz", "undisturbed.npz", unfinished.name}
    assert main([*argv, str(output)]) == 0
    expected = read_glass(tmp_path / "undisturbed.npz").barrier
    np.testing.assert_allclose(read_glass(output, species=("Cu", "Zr")).barrier, expected, atol=1e-6)
    assert not unfinished.exists()


@pytest.mark.parametrize("suffix", [".xyz", ".npz"])
def test_killed_after_the_output_is_written_the_same_command_ends_well(suffix, finished_run, tmp_path, monkeypatch):
    write_glasses(tmp_path / "in.npz", [random_glass(0, 60)])
    output, unfinished = tmp_path / f"out{suffix}", tmp_path / f".out{suffix}.partial"
    argv = ["predict", str(finished_run.path), str(tmp_path / "in.npz"), "--memory", "1TB", "--output", str(output)]

    def killed(path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(files.shutil, "rmtree", killed)
        assert main(argv) == 130
    written = read_glass(output).barrier
    assert output.exists() and unfinished.exists()
    assert main(argv) == 0
    np.testing.assert_array_equal(read_glass(output).barrier, written)
    assert not unfinished.exists()
    assert main(argv) == 2  # a second prediction would replace the first


def test_what_a_killed_prediction_left_is_removed_by_the_next(finished_run, tmp_path):
    write_glasses(tmp_path / "in.npz", [random_glass(0, 20)])
    left, running, other = (tmp_path / f".{stem}-{'0' * 31}{k}.xyz" for k, stem in enumerate(("out", "out", "other")))
    for path in (left, running, other):
        path.touch()
    with locked(running):
        argv = ["predict", str(finished_run.path), str(tmp_path / "in.npz"), "--output", str(tmp_path / "out.xyz")]
        assert main(argv) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"in.npz", "out.xyz", running.name, other.name}
