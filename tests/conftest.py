"""Small structures with difficult geometries, made from seeds, that the tests of all packages share."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Results must not depend on whether the machine has a GPU.
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import ctypes
import gc
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk

from tf_symgnn import runtime
from tf_symgnn.data import Glass

# Memory that a test has freed is of use to other programs, and its return costs little here.
runtime._keep_freed_memory = lambda: None

SAMPLE = Path(__file__).parent / "sample"  # four glasses that this program made; see its README
PUBLISHED = Path(__file__).resolve().parents[2] / "shared" / "data" / "cu64zr36"
SPECIES = (29, 40)


def random_glass(
    seed: int,
    n_atoms: int,
    *,
    cell: np.ndarray | None = None,
    pbc: tuple[bool, bool, bool] = (True, True, True),
    density: float = 0.063,
    name: str = "random",
) -> Glass:
    """Return Cu and Zr atoms at random positions at least 1.2 A apart, by default in a cube at the density of Cu64Zr36.

    Labels are a smooth function of the distances to an atom's neighbors, 1.2 to 2 eV.
    """
    rng = np.random.default_rng(seed)
    cell = np.eye(3) * (n_atoms / density) ** (1 / 3) if cell is None else np.asarray(cell, float)
    fractional = []
    while len(fractional) < n_atoms:
        trial = rng.random(3)
        delta = np.array(fractional).reshape(-1, 3) - trial
        delta -= np.round(delta) * np.array(pbc)
        if not len(fractional) or np.linalg.norm(delta @ cell, axis=1).min() > 1.2:
            fractional.append(trial)
    positions = np.array(fractional) @ cell
    species = np.where(rng.random(n_atoms) < 0.64, "Cu", "Zr")
    delta = positions[:, None] - positions[None]
    shift = np.round(delta @ np.linalg.inv(cell)) * np.array(pbc)
    distance = np.linalg.norm(delta - shift @ cell, axis=-1)
    crowding = (np.exp(-((distance / 2.5) ** 2)) * np.where(species == "Zr", 1.5, 1.0)).sum(1)
    barrier = 1.6 + 0.4 * np.tanh(crowding - crowding.mean())
    return Glass(positions=positions, cell=cell, pbc=pbc, species=species, barrier=barrier, source=f"{name}.xyz")


def fcc_copper(repeat: int = 3) -> Glass:
    """Return an fcc Cu crystal, a = 3.61 A: 12 neighbors at one distance."""
    atoms = bulk("Cu", "fcc", a=3.61, cubic=True).repeat(repeat)
    return Glass(
        positions=atoms.positions,
        cell=atoms.cell.array,
        pbc=(True, True, True),
        species=np.array(atoms.get_chemical_symbols()),
        barrier=None,
        source="fcc.xyz",
    )


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """Let no file grow beyond a size in bytes, as if the disk were full in the middle of a write."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


TRICLINIC = np.array([[9.0, 0.0, 0.0], [6.5, 7.0, 0.0], [-5.0, 4.0, 8.0]])

ZOO = {
    "orthorhombic": lambda: random_glass(0, 60, cell=np.diag([9.0, 10.0, 11.0])),
    "triclinic": lambda: random_glass(1, 40, cell=TRICLINIC),
    "left-handed": lambda: random_glass(2, 40, cell=TRICLINIC[[1, 0, 2]]),
    "slab": lambda: random_glass(3, 40, cell=np.diag([9.0, 10.0, 12.0]), pbc=(True, True, False)),
    "wire": lambda: random_glass(4, 30, cell=np.diag([9.0, 9.0, 7.0]), pbc=(False, False, True)),
    "cluster": lambda: random_glass(5, 30, cell=np.diag([9.0, 9.0, 9.0]), pbc=(False, False, False)),
    "box smaller than the cutoff": lambda: random_glass(6, 3, cell=np.diag([3.7, 4.1, 3.9])),
    "isolated atom": lambda: random_glass(7, 1, cell=np.diag([30.0, 30.0, 30.0])),
    "fcc": fcc_copper,
}


@pytest.fixture(params=list(ZOO))
def zoo_glass(request) -> Glass:
    """Return each structure of `ZOO` in turn."""
    return ZOO[request.param]()


@pytest.fixture(scope="module", autouse=True)
def memory_of_a_module(request) -> Iterator[None]:
    """Return freed memory after each module, and append the memory in use to the file that `MEMORY_LOG` names."""
    yield
    gc.collect()
    with suppress(AttributeError):  # other C libraries than GNU's
        ctypes.CDLL(None).malloc_trim(0)
    if log := os.environ.get("MEMORY_LOG"):
        resident = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
        with open(log, "a") as file:
            file.write(f"{os.getpid()} {resident / 1e9:.2f} GB after {request.module.__name__}\n")


@pytest.fixture
def refuses(capsys, tmp_path) -> Callable[..., None]:
    """Return a check that a command ends with status 2, prints one line with the given words and writes nothing."""
    from tf_symgnn.cli import main

    def files() -> set[str]:
        return {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")}

    def check(argv: list, *words: str) -> None:
        before = files()
        assert main([str(argument) for argument in argv]) == 2
        message = capsys.readouterr().err
        assert message.count("\n") == 1 and message.startswith("tf-symgnn: ")
        assert "Traceback" not in message
        for word in words:
            assert word in message
        assert files() == before

    return check


@pytest.fixture(scope="session")
def published_data() -> Path:
    """Return the folder of published Cu64Zr36 glasses, which is not part of this repository."""
    if not PUBLISHED.is_dir():
        pytest.skip("the published Cu64Zr36 glasses are not beside this checkout")
    return PUBLISHED


pytest_plugins = ["tests.small_runs", "tests.browser"]
