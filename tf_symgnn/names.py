"""Names of the sets and features of a graph, with their shapes, units and meanings.

A graph holds one glass, one patch of a glass, or several of them as components. It has N atoms and E directed pairs.
"""

# Node set: one node per atom.
ATOMS = "atoms"
SPECIES = "species"  # i32[N]     atomic number; 0 marks padding, never an atom
DESCRIPTORS = "descriptors"  # f32[N, D]  optional: descriptors from the potential, for models that read them
POSITION = "position"  # f32[N, 3]  A
BASELINE_BARRIER = "baseline/energy_barrier"  # f32[N]     optional, eV: prediction of a hybrid model's baseline
HIDDEN_STATE = "hidden_state"  # f[N, F] and f[E, F] between the stages of a model

# Edge set: one edge per directed pair within the cutoff, through every periodic image, sorted by TARGET.
# SOURCE is the neighbor (sender), TARGET the atom that receives.
NEIGHBORS = "neighbors"
DISPLACEMENT = "displacement"  # f32[E, 3]  A, x[source] - x[target] + periodic shift
PAIR_WEIGHT = "pair_weight"  # f32[E]     optional, in [0, 1]: scales every use of the pair by a model

# Context: one row per component.
CELL = "cell"  # f32[3, 3]  A, rows are cell vectors

# Readout: stored with the graph in records, and removed from the input of the model.
ENERGY_BARRIER = "energy_barrier"  # f32[N]     eV
LOSS_WEIGHT = "loss_weight"  # f32[N]     above 0 for atoms that carry the loss, 0 for halo and padding

# Splits of a data set, by glass.
TRAIN = "train"
VALIDATION = "validation"
TEST = "test"
SPLITS = (TRAIN, VALIDATION, TEST)
ALL_SPLITS = "all"  # in place of one of them
