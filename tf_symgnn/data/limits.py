"""Every bound on what is taken for a glass, once."""

# Above any glass that has been simulated; what a file declares beyond this is taken for damage or malice.
MAX_ATOMS = 100_000_000

# What a server takes at a time.
MAX_ATOMS_A_REQUEST = 50_000
MAX_GLASSES_A_REQUEST = 1000
# Pairs that a search in boxes of one cutoff may have to look at; glasses of `MAX_ATOMS_A_REQUEST` stay below at 5 A.
MAX_CANDIDATES = 40_000_000

# A micrometre: beyond what is simulated, and single precision is not fit for more. What takes memory or time by extent
# refuses it.
MAX_EXTENT = 1e4  # A

# Half as dense again as diamond. A metal given in nanometres by mistake is two hundred times denser.
MAX_DENSITY = 0.25  # atoms / A^3

# Of one atom. At 5 A a hundred times the density of diamond: beyond what is simulated.
MAX_NEIGHBORS = 10_000

# Closer than any two atoms of a solid by three orders of magnitude, and far above rounding.
COINCIDENT = 1e-3  # A

# Volume over the product of edge lengths. Rounding leaves a flat cell a sliver of volume: about a tenth of the second
# where cells are f32, as an export takes them.
FLAT_CELL = 1e-9
FLAT_CELL_F32 = 1e-6
