"""Commands that make runs with a potential: comparison and fine-tuning."""

import json

import pytest

from tf_symgnn.cli import main
from tf_symgnn.runs import RunFolder


@pytest.mark.slow
def test_models_with_a_potential_are_compared_with_others(data, potential_file, other_potential_file, tmp_path, capsys):
    """The potential goes to the models that read it; another file of the same tables makes no other table."""
    command = ["compare", "--data", str(data), "--output", str(tmp_path), "--seeds", "0", "--budget", "0.01"]
    assert main([*command, "--models", "ridge", "ridge_physics", "--potential", str(potential_file)]) == 0
    assert RunFolder(tmp_path / "runs" / "ridge_physics-0").config().potential == str(potential_file)
    rows = {path.stem: json.loads(path.read_text()) for path in (tmp_path / "rows").iterdir()}
    assert rows["ridge-0"]["potential"] is None and len(rows["ridge_physics-0"]["potential"]) == 64
    assert rows["ridge_physics-0"]["test"]["pearson"] > 0.99
    table = capsys.readouterr().out
    assert "| Ridge on descriptors from the potential | 1 |" in table
    (tmp_path / "tables").write_bytes(potential_file.read_bytes())
    again = ["--models", "ridge_physics", "--potential", str(tmp_path / "tables"), "--pair-style", "eam/fs"]
    assert main([*command, *again]) == 0
    again[-3] = str(other_potential_file)
    assert main([*command, *again]) == 2
    assert "ridge_physics-0.json: potential: found" in capsys.readouterr().err
