"""Files -> Glass, and back."""

from tf_symgnn.data.errors import InputError
from tf_symgnn.data.files import replacing
from tf_symgnn.data.glass import Glass, require_species
from tf_symgnn.data.readers import iter_glasses, read_glass
from tf_symgnn.data.scaling import LabelScaling, label_scaling
from tf_symgnn.data.splits import read_glasses
from tf_symgnn.data.writers import write_glasses

__all__ = [
    "Glass",
    "InputError",
    "LabelScaling",
    "iter_glasses",
    "label_scaling",
    "read_glass",
    "read_glasses",
    "replacing",
    "require_species",
    "write_glasses",
]
