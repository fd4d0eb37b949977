"""Limits of what is accepted as a glass; each is defined here once.

The command line and an export accept the same structures. They differ in size only: an export predicts in the memory of
a server, so that the server accepts `MAX_ATOMS_A_REQUEST` atoms, and a file may hold `MAX_ATOMS`.
"""

from __future__ import annotations

import math

# Above the largest simulated glasses. A file that declares more atoms is damaged or malicious.
MAX_ATOMS = 100_000_000

# Of text and of what a compressed file inflates to. Coordinates compress to a tenth; a file of zeros to a thousandth.
MAX_LINE = 2**20  # characters
MAX_BLANK_LINES = 1000  # after one another
MAX_COLUMNS = 1000
MAX_INFLATION = 100
FREE_INFLATION = 2**26  # bytes, whatever the size of the file
MAX_CONTENT = 2**31  # bytes that are held in memory to be searched

# Of one request to a server.
MAX_ATOMS_A_REQUEST = 50_000
MAX_GLASSES_A_REQUEST = 1000
# Pairs that a neighbor search in bins of one cutoff may have to test. `MAX_ATOMS_A_REQUEST` atoms of a glass stay below
# it at a cutoff of 5 A.
MAX_CANDIDATES = 40_000_000

# Of any coordinate, for atoms in the cell along its periodic vectors. Single precision, which an export computes its
# input in, resolves 0.001 A there.
MAX_EXTENT = 1e4  # A

# One and a half times the density of diamond. A metal in nanometers by mistake is two hundred times denser.
MAX_DENSITY = 0.25  # atoms / A^3

# Atoms of a solid are thousands of times further apart, and rounding errors are much smaller.
COINCIDENT = 1e-3  # A

# Volume of a cell over the product of its edge lengths. Rounding to single precision, in which an export takes cells,
# leaves a flat cell a tenth of this.
FLAT_CELL = 1e-6

# The search of an export divides the cell into bins of at least half a cutoff, where the cell is as wide.
BINS_PER_CUTOFF = 2
# Bins along one cell vector, so that the index of a bin fits in 64 bits.
MAX_BINS = 2**20


def max_neighbors(cutoff: float) -> int:
    """Return the most neighbors that an atom may have within a cutoff (A), self-loops not counted.

    They are those at `MAX_DENSITY`. The least is 12, the number of spheres that touch one of the same size.
    """
    return max(12, int(MAX_DENSITY * 4 / 3 * math.pi * cutoff**3))


def max_bins_in_reach(cutoff: float) -> float:
    """Return the most bins, with their periodic images, that may lie within a cutoff (A) of one bin.

    A cell as wide as a cutoff has 5 of them along each vector; a crystal's primitive cell may have twice as many.
    """
    return max(5.0, 2.0 * cutoff) ** 3


# eV/A, the largest force on an atom of a glass after a relaxation. Published glasses have 0.002.
RELAXED_FORCE = 0.005
