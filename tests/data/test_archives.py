"""`.npz` archives: keys, and sizes that a header declares."""

import io
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from tf_symgnn.data import InputError, read_glass


def test_npz_with_symbols_and_cell(save_npz):
    glass = read_glass(save_npz(energy_barrier=[1, 2, 3], eb=[4, 5, 6]))
    np.testing.assert_array_equal(glass.positions, np.eye(3))
    assert glass.species.tolist() == ["Cu", "Zr", "Cu"]
    assert glass.pbc.all()
    assert glass.barrier.tolist() == [1, 2, 3]
    assert read_glass(save_npz(eb=[4, 5, 6]), label="eb").barrier.tolist() == [4, 5, 6]


def test_npz_with_atomic_numbers_and_box(save_npz):
    glass = read_glass(
        save_npz(species=None, cell=None, atomic_numbers=[29, 40, 29], box=[4.0, 5.0, 6.0], pbc=[1, 0, 1])
    )
    assert glass.species.tolist() == ["Cu", "Zr", "Cu"]
    np.testing.assert_array_equal(glass.cell, np.diag([4.0, 5.0, 6.0]))
    assert glass.pbc.tolist() == [True, False, True]
    assert glass.barrier is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"positions": None}, "positions: found no such key, expected one among species, cell"),
        ({"species": None}, "species or atomic_numbers: found no such key"),
        ({"cell": None}, "cell or box: found no such key"),
        ({"cell": [4.0, 5.0, 0.0]}, "cell: found .*expected three positive lengths"),
        ({"cell": [4.0, 5.0, np.nan]}, "cell: found .*expected three positive lengths"),
        ({"species": None, "atomic_numbers": [0, 29, 29]}, "atomic_numbers: found"),
        ({"species": None, "atomic_numbers": [29, 29, 400]}, "atomic_numbers: found"),
        ({"species": None, "atomic_numbers": [29.0, 29.0, 29.0]}, "atomic_numbers: found"),
        ({"species": np.array(["Cu", "Zr", None])}, "species: found values of type object, expected numbers or text"),
        ({"energy_barrier": [1.0]}, "energy_barrier: found shape"),
        ({"positions": np.full((3, 3), np.nan)}, "positions: found nan"),
    ],
)
def test_invalid_npz_is_refused(save_npz, changes, message):
    with pytest.raises(InputError, match=message):
        read_glass(save_npz(**changes))


def test_npz_missing_label_lists_the_keys(save_npz):
    with pytest.raises(InputError, match="eb: found no such column, expected one of cell, other, positions, species"):
        read_glass(save_npz(other=[1]), label="eb")


def _npz_with_positions(path, shape, content=b""):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("positions.npy", header.getvalue() + content)
    return path


@pytest.mark.parametrize("shape", [(10**9, 3), (10**12, 3), (10**30, 3), (2**62, 4)])
def test_npz_header_of_a_huge_array_is_refused(tmp_path, shape):
    with pytest.raises(InputError, match="positions: found [0-9]+ bytes declared"):
        read_glass(_npz_with_positions(tmp_path / "a.npz", shape))


def test_npz_negative_shape_is_refused(tmp_path):
    with pytest.raises(InputError, match="archive: found"):
        read_glass(_npz_with_positions(tmp_path / "a.npz", (-5, 3)))


def test_npz_of_a_huge_array_takes_little_memory(tmp_path):
    # Fifty kilobytes that inflate to fifty megabytes, under a header that declares 24 gigabytes.
    path = tmp_path / "a.npz"
    _npz_with_positions(path, (10**9, 3), bytes(5 * 10**7))
    code = f"""
import resource, tf_symgnn.data as data
used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try: data.read_glass({str(path)!r})
except data.InputError: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - used)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(result.stdout) < 20_000  # KiB
