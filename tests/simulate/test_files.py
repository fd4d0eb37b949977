"""Files of glasses to label: what they state beside positions is kept."""

import gzip

import ase.io
import numpy as np
import pytest

from tf_symgnn.data import InputError, ReadOptions
from tf_symgnn.simulate.files import read_to_label, write_glass

HEADER = (
    'Lattice="9 0 0 0 9 0 0 0 9" Origin="-1 2 3" Properties=species:S:1:pos:R:3:id:I:1 quench_rate=1e12 Timestep=7 '
    'made_by="a program" pbc="T T T"'
)
TEXT = f"2\n{HEADER}\nCu 0 0 0 12\nZr 2.5 0 0 7\n"


@pytest.mark.parametrize("name", ["a.xyz", "a.xyz.gz"])
def test_ids_origin_step_and_how_a_glass_was_made_are_kept(tmp_path, name):
    content = ("\ufeff" + TEXT).encode()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    glass = read_to_label(tmp_path / name, ReadOptions())
    write_glass(tmp_path / "b.xyz", glass)
    written = ase.io.read(tmp_path / "b.xyz")
    assert written.arrays["id"].tolist() == [12, 7]
    np.testing.assert_array_equal(written.info["Origin"], [-1, 2, 3])
    assert written.info["Timestep"] == 7
    assert written.info["quench_rate"] == 1e12 and written.info["made_by"] == "a program"


def test_a_glass_that_is_not_periodic_is_refused(tmp_path):
    (tmp_path / "a.xyz").write_text(TEXT.replace("T T T", "T T F"))
    with pytest.raises(InputError, match="pbc: found .*expected a glass that is periodic in all directions"):
        read_to_label(tmp_path / "a.xyz", ReadOptions())
    assert read_to_label(tmp_path / "a.xyz", ReadOptions(pbc=(True, True, True))).pbc.all()
