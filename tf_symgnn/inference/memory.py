"""A budget of memory: how it is written, what is taken already, and how a glass is cut so that it suffices."""

from __future__ import annotations

import re
import resource
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tf_symgnn.data import Glass, InputError
from tf_symgnn.graph.slabs import SlabbedGlass
from tf_symgnn.inference.schedule import Sweep, needed_levels
from tf_symgnn.inference.stage_functions import StageFunctions

_UNITS = {"": 1, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "KI": 2**10, "MI": 2**20, "GI": 2**30, "TI": 2**40}
# Bytes of memory that reading takes for each byte of a file, measured with ASE's text and NumPy's archives.
_READING = {".npz": 8}
_READING_TEXT = 12
_WRITING_ATOM = 200  # bytes an atom while the output is written
_TRACED_LEVEL = 10_000_000  # bytes that a level's function takes: 55 to 70 MB were measured for four and seven levels
_ENDS = 8  # bytes of a pair's sender and receiver
_SEARCHED_PAIR = 80  # bytes a pair while neighbours are searched for
_MOST_ATOMS = 50_000  # a slab: more would be no faster, and a run that is killed loses slabs


def parse_memory(text: str) -> int:
    """Bytes, from a number with a unit: `6GB`, `500M`, `1.5GiB`.

    Raises:
        InputError: it is none.
    """
    match = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*([KMGT]?I?)B?\s*", text.upper())
    size = float(match[1]) * _UNITS[match[2]] if match and match[2] in _UNITS else 0.0
    if not 0 < size < float("inf"):
        raise InputError("command line", "--memory", text[:40], "a size, as in 6GB or 1.5GiB")
    return int(size)


def peak_resident() -> int:
    """Bytes of memory that this process has held at most so far."""
    status = Path("/proc/self/status")
    if status.exists():  # what `getrusage` says there includes the process that started this one
        return 1024 * int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def require_room_to_read(files: Sequence[str | Path], memory: int) -> None:
    """Checks that files fit a budget before they are read.

    Raises:
        InputError: they do not.
    """
    needed = peak_resident()
    for path in map(Path, files):
        if path.is_file():
            needed += path.stat().st_size * _READING.get(path.suffix.lower(), _READING_TEXT)
    if needed > memory:
        names = ", ".join(str(file) for file in files)
        raise InputError(names, "--memory", _in_words(memory), f"at least {_in_words(needed)} to read it")


class Cut(NamedTuple):
    """How a glass is cut: the number of slabs, how many are searched for neighbours at once, and the bytes it takes."""

    number: int
    together: int
    peak: int


def cut_to_fit(
    glass: Glass, stages: StageFunctions, memory: int, *, taken: int, cutoff: float, self_loops: bool
) -> Cut:
    """The thickest slabs by which a prediction of the glass stays within a budget in bytes, those `taken` included.

    Raises:
        InputError: no cutting does; it says what the thinnest slabs take.
    """
    extent = _extent(glass, cutoff)
    pairs = _pairs_an_atom(glass, extent, cutoff=cutoff, self_loops=self_loops)
    taken += _WRITING_ATOM * glass.n_atoms + _TRACED_LEVEL * stages.depth
    least = None
    number = max(1, -(-glass.n_atoms // _MOST_ATOMS))
    while True:
        slabbed = SlabbedGlass(glass, cutoff=cutoff, self_loops=self_loops, number=number)
        # Each search covers what lies within the cutoff round it as well: the thicker, the less is found in vain.
        together = max(1, int(4 * cutoff / (extent / number)))
        for searched in sorted({together, max(1, together // 4)}, reverse=True):
            cut = Cut(number, searched, taken + _stream_bytes(slabbed, stages, pairs, searched))
            if cut.peak <= memory:
                return cut
            least = cut if least is None or cut.peak < least.peak else least
        if extent / number < cutoff / 4:
            break
        number = int(np.ceil(1.3 * number))
    where = f"{glass.place}, {glass.n_atoms} atoms"
    raise InputError(where, "--memory", _in_words(memory), f"at least {_in_words(least.peak)}")


def _extent(glass: Glass, cutoff: float) -> float:
    """How far, A, the glass reaches in the direction that slabs are cut across."""
    one = SlabbedGlass(glass, cutoff=cutoff, self_loops=False, number=1)
    return max(one.thickness, 1e-9)


def _pairs_an_atom(glass: Glass, extent: float, *, cutoff: float, self_loops: bool) -> float:
    """Pairs that an atom receives, counted in the fullest slab of one cutoff's thickness."""
    number = max(1, int(extent / cutoff))
    slabbed = SlabbedGlass(glass, cutoff=cutoff, self_loops=self_loops, number=number)
    fullest = int(slabbed.sizes.argmax())
    (pairs,) = slabbed.pairs(fullest, fullest + 1)
    return len(pairs.source) / slabbed.sizes[fullest]


def _stream_bytes(slabbed: SlabbedGlass, stages: StageFunctions, pairs_an_atom: float, together: int) -> int:
    """Return the bytes that a `SlabStream` holds at most, by its own schedule."""
    sizes, neighbours = slabbed.sizes, slabbed.neighbors()
    around = np.array([sizes[near].sum() for near in neighbours])
    pairs = pairs_an_atom * sizes
    atom_bytes, pair_bytes = zip(*map(stages.state_bytes, range(stages.depth + 1)), strict=True)
    working = [stages.working_bytes(level, sizes, around, pairs) for level in range(1, stages.depth + 1)]
    searched = np.convolve(around, np.ones(together))[: len(sizes)].max()
    held, peak = 0.0, 0.0
    sweep = Sweep(neighbours, needed_levels(neighbours, [True] * len(sizes), stages.depth))
    for slab, level in sweep:
        new = sizes[slab] * atom_bytes[level] + pairs[slab] * pair_bytes[level]
        peak = max(peak, held + new + working[level - 1][slab])
        if level == 1:
            held += pairs[slab] * _ENDS
        else:
            held -= pairs[slab] * pair_bytes[level - 1]
        held += new
        if level == stages.depth:
            held -= new + pairs[slab] * _ENDS
        held -= sum(sizes[other] * atom_bytes[old] for other, old in sweep.outdated(slab))
    return int(peak + searched * pairs_an_atom * _SEARCHED_PAIR + 64 * sizes.sum())


def _in_words(size: int) -> str:
    return f"{np.ceil(size / 1e7) / 100:.2f} GB"
