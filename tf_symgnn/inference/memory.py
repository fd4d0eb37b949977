"""Memory limits: parse them, measure the memory in use, and cut a glass into slabs that fit."""

from __future__ import annotations

import re
import resource
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tf_symgnn import runtime
from tf_symgnn.data import Glass, InputError
from tf_symgnn.graph.slabs import SlabbedGlass
from tf_symgnn.inference.schedule import Sweep, needed_levels
from tf_symgnn.inference.stage_functions import StageFunctions
from tf_symgnn.potentials.glasses import peak_bytes
from tf_symgnn.potentials.response import PotentialDescriptors

_UNITS = {"": 1, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "KI": 2**10, "MI": 2**20, "GI": 2**30, "TI": 2**40}
# Memory that reading takes, in bytes per byte of the file. A text file of a million atoms took 3.4 to 5.4, one in gzip
# 8.3, and an archive of NumPy 7.4.
_READ_BYTES = {".npz": 8, ".gz": 12, ".bz2": 20, ".xz": 20, ".zst": 20}
_READ_BYTES_OF_TEXT = 6
_WRITE_BYTES = 100  # per atom, while the output is written
_ONEDNN_BYTES = 400_000_000  # of oneDNN's cache, which takes 310 MB after 600 steps
_START_BYTES = 30_000_000  # of the first step, whatever its size
_FUNCTION_BYTES = 10_000_000  # per compiled stage; four and seven stages took 55 to 70 MB in total
_ENDS_BYTES = 8  # per pair, of the indices of sender and receiver
_FRAGMENTATION = 1.15  # memory that the allocator takes over memory in use, for a million atoms
_SAMPLED_ATOMS = 5000  # in the slab whose pairs are counted, which takes memory, too
_SEARCH_BYTES = 80  # per pair, during the search for neighbors
_MAX_SLAB_ATOMS = 50_000  # larger slabs are no faster, and a killed run loses its unfinished slabs


def parse_memory(text: str) -> int:
    """Return the bytes of a size with a unit, such as `6GB`, `500M` or `1.5GiB`.

    Raises:
        InputError: the text is not a size.
    """
    match = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*([KMGT]?I?)B?\s*", text.upper())
    size = float(match[1]) * _UNITS[match[2]] if match and match[2] in _UNITS else 0.0
    if not 0 < size < float("inf"):
        raise InputError("command line", "--memory", text[:40], "a size, as in 6GB or 1.5GiB")
    return int(size)


def peak_resident() -> int:
    """Return the peak memory of this process so far, bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # on Linux, the peak of `getrusage` includes the parent process
        return 1024 * int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def require_room_to_read(files: Sequence[str | Path], memory: int) -> None:
    """Check that a memory in bytes suffices to read files.

    Raises:
        InputError: it does not.
    """
    needed = peak_resident()
    for path in map(Path, files):
        if path.is_file():
            needed += path.stat().st_size * _READ_BYTES.get(path.suffix.lower(), _READ_BYTES_OF_TEXT)
    if needed > memory:
        names = ", ".join(str(file) for file in files)
        raise InputError(names, "--memory", _as_text(memory), f"at least {_as_text(needed)} to read it")


class Cut(NamedTuple):
    """A division of a glass into slabs.

    Attributes:
        n_slabs: number of slabs.
        slabs_per_search: number of slabs whose neighbors are searched for at once.
        peak_bytes: estimated peak memory of the process, bytes.
    """

    n_slabs: int
    slabs_per_search: int
    peak_bytes: int


def cut_to_fit(
    glass: Glass, stages: StageFunctions, memory: int, *, taken: int, cutoff: float, self_loops: bool
) -> Cut:
    """Return the thickest slabs for which the prediction of a glass fits into a memory.

    Args:
        glass: the glass.
        stages: of the model.
        memory: largest memory of the process, bytes.
        taken: memory of the process before the prediction, bytes.
        cutoff: of the neighbor graph, A.
        self_loops: whether each atom is also a neighbor of itself.

    Raises:
        InputError: no slabs fit; the message has the memory that the thinnest ones need.
    """
    extent = _extent(glass, cutoff)
    pairs = _pairs_per_atom(glass, extent, cutoff=cutoff, self_loops=self_loops)
    taken += _START_BYTES + _FUNCTION_BYTES * stages.depth + _ONEDNN_BYTES * runtime.uses_onednn()
    written = _WRITE_BYTES * glass.n_atoms  # after the prediction has freed its memory
    smallest = None
    number = max(1, -(-glass.n_atoms // _MAX_SLAB_ATOMS))
    while True:
        slabbed = SlabbedGlass(glass, cutoff=cutoff, self_loops=self_loops, number=number)
        # A search also covers the atoms within the cutoff around its slabs, so few thick searches are faster.
        most = max(1, int(4 * cutoff / (extent / number)))
        for per_search in sorted({most, max(1, most // 4), 1}, reverse=True):
            predicted = _FRAGMENTATION * _stream_bytes(slabbed, stages, pairs, per_search)
            cut = Cut(number, per_search, taken + int(max(predicted, written)))
            if cut.peak_bytes <= memory:
                return cut
            smallest = cut if smallest is None or cut.peak_bytes < smallest.peak_bytes else smallest
        if extent / number < cutoff / 4:
            break
        number = int(np.ceil(1.3 * number))
    where = f"{glass.place}, {glass.n_atoms} atoms"
    raise InputError(where, "--memory", _as_text(memory), f"at least {_as_text(smallest.peak_bytes)}")


def require_room_for_descriptors(potential: PotentialDescriptors, glass: Glass, memory: int, *, taken: int) -> None:
    """Check that the descriptors of a glass from a potential can be computed within a memory.

    Args:
        potential: computes them.
        glass: the glass.
        memory: largest memory of the process, bytes.
        taken: memory of the process before, bytes.

    Raises:
        InputError: they cannot.
    """
    needed = taken + peak_bytes(potential, glass)
    if needed > memory:
        where = f"{glass.place}, {glass.n_atoms} atoms"
        raise InputError(where, "--memory", _as_text(memory), f"at least {_as_text(needed)} for the potential")


def _extent(glass: Glass, cutoff: float) -> float:
    """Return the extent of a glass, A, in the direction in which slabs are stacked."""
    one = SlabbedGlass(glass, cutoff=cutoff, self_loops=False, number=1)
    return max(one.thickness, 1e-9)


def _pairs_per_atom(glass: Glass, extent: float, *, cutoff: float, self_loops: bool) -> float:
    """Return the mean number of pairs that an atom receives, in the fullest slab of at most a cutoff's thickness."""
    number = max(1, int(extent / cutoff), glass.n_atoms // _SAMPLED_ATOMS)
    slabbed = SlabbedGlass(glass, cutoff=cutoff, self_loops=self_loops, number=number)
    fullest = int(slabbed.sizes.argmax())
    (pairs,) = slabbed.pairs(fullest, fullest + 1)
    return len(pairs.source) / slabbed.sizes[fullest]


def _stream_bytes(slabbed: SlabbedGlass, stages: StageFunctions, pairs_per_atom: float, slabs_per_search: int) -> int:
    """Return the peak memory of a `SlabStream`, bytes, by a simulation of its schedule."""
    sizes, neighbors = slabbed.sizes, slabbed.neighbors()
    around = np.array([sizes[near].sum() for near in neighbors])
    pairs = pairs_per_atom * sizes
    atom_bytes, pair_bytes = zip(*map(stages.state_bytes, range(stages.depth + 1)), strict=True)
    working = [stages.working_bytes(level, sizes, around, pairs) for level in range(1, stages.depth + 1)]
    searched = np.convolve(around, np.ones(slabs_per_search))[: len(sizes)].max()
    held, peak = 0.0, 0.0
    sweep = Sweep(neighbors, needed_levels(neighbors, [True] * len(sizes), stages.depth))
    for slab, level in sweep:
        new = sizes[slab] * atom_bytes[level] + pairs[slab] * pair_bytes[level]
        peak = max(peak, held + new + working[level - 1][slab])
        if level == 1:
            held += pairs[slab] * _ENDS_BYTES
        else:
            held -= pairs[slab] * pair_bytes[level - 1]
        held += new
        if level == stages.depth:
            held -= new + pairs[slab] * _ENDS_BYTES
        held -= sum(sizes[other] * atom_bytes[old] for other, old in sweep.outdated(slab))
    return int(peak + searched * pairs_per_atom * _SEARCH_BYTES + 64 * sizes.sum())


def _as_text(size: int) -> str:
    return f"{np.ceil(size / 1e7) / 100:.2f} GB"
