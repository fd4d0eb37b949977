"""Structure files and glasses: reading, checking, splitting and writing."""

from tf_symgnn.data.files import is_unfinished, locked, naming, remove_unfinished, replacing, sync
from tf_symgnn.data.glass import Glass, perpendicular_heights, require_species
from tf_symgnn.data.readers import iter_glasses, read_glass
from tf_symgnn.data.scaling import LabelScaling, label_scaling
from tf_symgnn.data.splits import SAMPLE, read_glasses, split_files, structure_files
from tf_symgnn.data.writers import check_output, write_frames, write_glasses
from tf_symgnn.errors import InputError, as_input_error

__all__ = [
    "SAMPLE",
    "Glass",
    "InputError",
    "LabelScaling",
    "as_input_error",
    "check_output",
    "is_unfinished",
    "iter_glasses",
    "label_scaling",
    "locked",
    "naming",
    "perpendicular_heights",
    "read_glass",
    "read_glasses",
    "remove_unfinished",
    "replacing",
    "require_species",
    "split_files",
    "structure_files",
    "sync",
    "write_frames",
    "write_glasses",
]
