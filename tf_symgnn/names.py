"""Every set and feature name of a graph, with its shape, unit and meaning.

A graph holds one glass, one patch of a glass, or several of them as components. N atoms, E directed pairs.
"""

# Node set: one node an atom.
ATOMS = "atoms"
SPECIES = "species"  # i32[N]     atomic number; 0 marks padding, never an atom
POSITION = "position"  # f32[N, 3]  A
BASELINE_BARRIER = "baseline/energy_barrier"  # f32[N]     optional, eV: prediction of a hybrid model's baseline
HIDDEN_STATE = "hidden_state"  # f[N, F] and f[E, F] between the stages of a model

# Edge set: one edge per directed pair within the cutoff, through every periodic image, sorted by TARGET.
# SOURCE is the neighbour (sender), TARGET the atom that receives.
NEIGHBORS = "neighbors"
DISPLACEMENT = "displacement"  # f32[E, 3]  A, x[source] - x[target] + periodic shift
PAIR_WEIGHT = "pair_weight"  # f32[E]     optional, in [0, 1]: scales every use the model makes of the pair

# Context: one row a component.
CELL = "cell"  # f32[3, 3]  A, rows are cell vectors

# Readout: kept in records beside the graph, taken off before the model sees it.
ENERGY_BARRIER = "energy_barrier"  # f32[N]     eV
LOSS_WEIGHT = "loss_weight"  # f32[N]     1 for atoms that carry the loss, 0 for halo and padding

# Splits of a data set, by glass.
TRAIN = "train"
VALIDATION = "validation"
TEST = "test"
SPLITS = (TRAIN, VALIDATION, TEST)
