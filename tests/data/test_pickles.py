"""The published pickles: their content is read, and nothing in them is executed."""

import contextlib
import os
import pickle
import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tf_symgnn.data import InputError, read_glass


def published(**changes) -> dict:
    content = {
        "__header__": b"MATLAB 5.0 MAT-file",
        "__version__": "1.0",
        "__globals__": [],
        "box": np.array([4.0, 5.0, 6.0], np.float32),
        "positions": np.arange(12, dtype=np.float64).reshape(4, 3) / 4.0,
        "pot": np.array([-3.0, -4.0, -5.0, -6.0], np.float32),
        "trajectory_start_velocities": np.array([1.0, 1.5, 2.0, 2.5], np.float32),
        "types": np.array([1, 2, 2, 1], np.int32),
    }
    return {key: value for key, value in (content | changes).items() if value is not None}


@pytest.fixture
def save(tmp_path):
    def save(content, protocol: int = 4):
        path = tmp_path / "train0.pickle"
        path.write_bytes(content if isinstance(content, bytes) else pickle.dumps(content, protocol=protocol))
        return path

    return save


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_published_keys(save, protocol):
    glass = read_glass(save(published(), protocol))
    np.testing.assert_array_equal(glass.positions, np.arange(12).reshape(4, 3) / 4.0)
    np.testing.assert_array_equal(glass.cell, np.diag([4.0, 5.0, 6.0]))
    assert glass.pbc.all()
    assert glass.species.tolist() == ["Cu", "Zr", "Zr", "Cu"]
    assert glass.barrier.tolist() == [1.0, 1.5, 2.0, 2.5]
    assert glass.name == "train0"


@pytest.mark.parametrize("protocol", [3, 4, 5])
@pytest.mark.parametrize("layout", [np.asfortranarray, lambda a: a.astype(">f4"), lambda a: np.repeat(a, 2, 0)[::2]])
def test_array_layouts(save, protocol, layout):
    positions = np.arange(12.0).reshape(4, 3)
    glass = read_glass(save(published(positions=layout(positions)), protocol))
    np.testing.assert_array_equal(glass.positions, positions)
    assert np.dtype(np.float32).isnative


def test_pickles_of_numpy_1_are_read(save):
    content = pickle.dumps(published(), protocol=3).replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    assert read_glass(save(content)).n_atoms == 4


def test_other_label_and_no_label(save):
    assert read_glass(save(published()), label="pot").barrier.tolist() == [-3.0, -4.0, -5.0, -6.0]
    assert read_glass(save(published(trajectory_start_velocities=None))).barrier is None
    with pytest.raises(InputError, match="nonsense: found no such column, expected one of .*positions"):
        read_glass(save(published()), label="nonsense")


@pytest.mark.parametrize("key", ["positions", "box", "types"])
def test_missing_keys_are_refused_by_name(save, key):
    with pytest.raises(InputError, match=f"train0.pickle: {key}: found no such key"):
        read_glass(save(published(**{key: None})))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"types": np.array([1, 2, 3, 1])}, "types"),
        ({"types": np.array([0, 1, 1, 1])}, "types"),
        ({"types": np.array([1.0, 2.0, 2.0, 1.0])}, "types"),
        ({"types": np.array([1, 2, 2])}, "species"),
        ({"box": np.array([4.0, 5.0, -6.0])}, "box"),
        ({"box": np.array([4.0, 5.0])}, "cell"),
        ({"positions": np.full((4, 3), np.nan)}, "positions"),
        ({"trajectory_start_velocities": np.zeros(3)}, "energy_barrier"),
        ({"extra": np.array([None, 1], object)}, "pickle"),
        ({"extra": np.array([1], "m8[s]")}, "pickle"),
        ({"extra": np.zeros(2, [("a", "f4")])}, "pickle"),
    ],
)
def test_invalid_content_is_refused_by_field(save, changes, field):
    with pytest.raises(InputError) as caught:
        read_glass(save(published(**changes)))
    assert caught.value.field == field


class _Touch:
    """An object that unpickles to a call that writes a file."""

    def __init__(self, call, *arguments):
        self.call, self.arguments = call, arguments

    def __reduce__(self):
        return self.call, self.arguments


@pytest.mark.parametrize("protocol", range(6))
def test_code_in_a_pickle_is_not_executed(save, tmp_path, protocol):
    marker = tmp_path / "marker"
    for hostile in (_Touch(os.system, f"touch {marker}"), _Touch(exec, f"open({str(marker)!r}, 'w')")):
        for content in (hostile, published(extra=hostile), published(positions=hostile)):
            path = save(content, protocol)
            with pytest.raises(InputError):
                read_glass(path)
            assert not marker.exists()
    pickle.loads(path.read_bytes())
    assert marker.exists(), "the pickle was harmless, so this test showed nothing"


def _global(name: str) -> bytes:
    module, attribute = name.split()
    return f"c{module}\n{attribute}\n".encode()


# Without the replacement of `numpy.dtype` this would make the float64 of the whole process big-endian.
_SHARED_DTYPE = (
    b"\x80\x03" + _global("numpy dtype") + b"X\x02\x00\x00\x00f8\x89\x89\x87R"
    b"(K\x03X\x01\x00\x00\x00>NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb."
)
_HUGE_RECONSTRUCT = (
    b"\x80\x03"
    + _global("numpy.core.multiarray _reconstruct")
    + _global("numpy ndarray")
    + b"\x8a\x06"
    + (10**12).to_bytes(6, "little")
    + b"\x85C\x01b\x87R."
)
HOSTILE = {
    "empty": b"",
    "text": b"not a pickle",
    "only stop": b".",
    "shared dtype": _SHARED_DTYPE,
    "huge reconstruct": _HUGE_RECONSTRUCT,
    "huge bytearray": b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b".",
    "huge bytes": b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b".",
    "huge frame": b"\x80\x04\x95" + struct.pack("<Q", 2**40) + b".",
    "huge memo index": b"\x80\x04}r" + struct.pack("<I", 2**32 - 1) + b".",
    "persistent id": b"\x80\x03X\x01\x00\x00\x00aQ.",
    "extension": b"\x80\x02\x82\x01.",
    "builtin": b"\x80\x03" + _global("builtins eval") + b".",
    "dotted name": b"\x80\x03" + _global("numpy ndarray.__class__") + b".",
    "numpy load": b"\x80\x03" + _global("numpy load") + b".",
    "patched stand-in": b"\x80\x03" + _global("numpy dtype") + b"N}X\x0c\x00\x00\x00__setstate__Ns\x86b.",
    "deep nesting": b"\x80\x03" + b"]" * 100_000 + b"a" * 99_999 + b".",
    "huge text dtype": b"\x80\x03" + _global("numpy dtype") + b"X\x0a\x00\x00\x00U999999999\x89\x88\x87R.",
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_hostile_pickles_are_refused(save, content):
    with pytest.raises(InputError):
        read_glass(save(content))
    assert np.dtype(np.float64).isnative
    assert read_glass(save(published())).n_atoms == 4


@pytest.mark.parametrize(
    ("name", "opcode"), [("huge memo index", "LONG_BINPUT"), ("persistent id", "BINPERSID"), ("extension", "EXT1")]
)
def test_opcodes_are_checked_before_objects_are_built(save, name, opcode):
    with pytest.raises(InputError, match=f"opcode {opcode} is not admitted"):
        read_glass(save(HOSTILE[name]))


def test_array_larger_than_its_bytes_is_refused(save):
    content = pickle.dumps(published(), protocol=3)
    shape = b"K\x04K\x03\x86"
    assert content.count(shape) == 1
    larger = content.replace(shape, b"J" + (2**31 - 1).to_bytes(4, "little") + b"K\x03\x86")
    with pytest.raises(InputError, match="cannot reshape"):
        read_glass(save(larger))


def test_every_truncation_is_refused(save):
    content = pickle.dumps(published(), protocol=4)
    for length in range(len(content)):
        with pytest.raises(InputError):
            read_glass(save(content[:length]))


@settings(
    derandomize=True, max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.binary(max_size=300), cut=st.integers(0, 900))
@example(data=b"\xff" * 40, cut=100)
def test_damaged_pickles_raise_input_error_or_nothing(save, data, cut):
    content = pickle.dumps(published(), protocol=4)
    for damaged in (data, content[:cut] + data + content[cut + len(data) :]):
        with contextlib.suppress(InputError):
            read_glass(save(damaged))


def test_published_glass_has_the_known_composition_and_mean_barrier(published_data):
    glass = read_glass(published_data / "train0.pickle")
    assert glass.n_atoms == 8000
    assert (glass.species == "Cu").sum() == 5120
    assert glass.barrier.mean() == pytest.approx(1.8216, abs=5e-5)
