"""Structure files and glasses: reading, checking, splitting and writing."""

from tf_symgnn.data.boxes import perpendicular_heights, reduced_cell
from tf_symgnn.data.files import file_digest, is_unfinished, locked, naming, remove_unfinished, replacing, sync
from tf_symgnn.data.formats import stem_of
from tf_symgnn.data.glass import Glass, require_species
from tf_symgnn.data.notices import InputNotice, notice
from tf_symgnn.data.options import ReadOptions, parse_pbc
from tf_symgnn.data.readers import iter_glasses, read_frames, read_glass, read_last_frame
from tf_symgnn.data.scaling import LabelScaling, label_scaling, label_weights, noise_ceiling
from tf_symgnn.data.splits import (
    DATA_SET,
    SPLITS_FILE,
    all_structure_files,
    read_glasses,
    read_splits,
    split_files,
    structure_files,
)
from tf_symgnn.data.writers import check_output, write_frames, write_glasses
from tf_symgnn.errors import InputError, as_input_error

__all__ = [
    "DATA_SET",
    "SPLITS_FILE",
    "Glass",
    "InputError",
    "InputNotice",
    "LabelScaling",
    "ReadOptions",
    "all_structure_files",
    "as_input_error",
    "check_output",
    "file_digest",
    "is_unfinished",
    "iter_glasses",
    "label_scaling",
    "label_weights",
    "locked",
    "naming",
    "noise_ceiling",
    "notice",
    "parse_pbc",
    "perpendicular_heights",
    "read_frames",
    "read_glass",
    "read_glasses",
    "read_last_frame",
    "read_splits",
    "reduced_cell",
    "remove_unfinished",
    "replacing",
    "require_species",
    "split_files",
    "stem_of",
    "structure_files",
    "sync",
    "write_frames",
    "write_glasses",
]
