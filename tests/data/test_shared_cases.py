"""Files that once failed, if the folder of the reports is beside the checkout. `test_cases.py` has their kinds."""

import warnings

import pytest

import tf_symgnn
from tests.conftest import PUBLISHED
from tf_symgnn.data import InputError, InputNotice, iter_glasses, parse_pbc, read_glasses

CASES = PUBLISHED.parents[1] / "cases"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="the reported files are not beside this checkout")

PERIODIC, SLAB, CLUSTER = (True, True, True), (True, True, False), (False, False, False)
THREE = (1, 3, PERIODIC, (0.0, 0.0, 0.0))  # frames, atoms, periodicity and origin of most of them


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("01_bom_first_frame_lost.dump", (2, 3, PERIODIC, (0.0, 0.0, 0.0))),
        ("02_origin_lost.dump", (1, 3, SLAB, (0.0, 0.0, 100.0))),
        ("05_typed_by_label.data", THREE),
        ("05b_labels_section_only.data", THREE),
        ("07_element_C_beside_type.dump", THREE),
        ("08_mtt_eb.xyz", THREE),
        ("09_cluster_no_cell.xyz", (1, 3, CLUSTER, (-0.5, -0.5, -0.5))),
        ("10_charge_no_hint.data", THREE),
        ("11_partly_labelled.xyz", THREE),
        ("12_old_box_bounds.dump", THREE),
        ("13_bom.xyz", THREE),
        ("14_glass.xyz.gz", THREE),
        ("15_glass.lammps", THREE),
        ("18_lower_case_element.dump", THREE),
        ("19_ovito_numeric_types.xyz", THREE),
        ("20_slab_ppf.data", (1, 300, PERIODIC, (-3.5, 7.25, 100.0))),  # such a file does not state it: see below
        ("20_slab_ppf.dump", (1, 300, SLAB, (-3.5, 7.25, 100.0))),
        ("21_ids_and_step.dump", THREE),
        ("25_stretched_3pct.xyz", (1, 300, PERIODIC, (0.0, 0.0, 0.0))),
        ("data.15_lammps_prefix", THREE),
        ("dump.15_lammps_prefix", THREE),
    ],
)
def test_what_is_valid_is_read_right(name, expected):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InputNotice)
        glasses = list(iter_glasses(CASES / name, species=("Cu", "Zr")))
    glass = glasses[0]
    assert (len(glasses), glass.n_atoms, tuple(glass.pbc.tolist()), tuple(glass.origin.tolist())) == expected
    if glass.n_atoms > 3:
        assert set(glass.species) == {"Cu", "Zr"}
        return
    above = expected[3][2] if name.startswith("02") else 0.0
    places = {tuple(x - [0, 0, above]): symbol for x, symbol in zip(glass.positions, glass.species, strict=True)}
    # The files that ASE wrote have the atom of zirconium on the second axis.
    zirconium = (0.5, 3.0, 0.5) if ".xyz" in name and not name.startswith("19") else (3.0, 0.5, 0.5)
    corners = ((0.5, 0.5, 0.5), (3.0, 0.5, 0.5), (0.5, 3.0, 0.5))
    assert places == {corner: "Zr" if corner == zirconium else "Cu" for corner in corners}


def test_a_stretched_glass_is_warned_about():
    """Its barriers were wrong by two eV, without a word."""
    with pytest.warns(tf_symgnn.ExtrapolationWarning, match="number density"):
        barriers = tf_symgnn.load_model("cuzr").predict(CASES / "25_stretched_3pct.xyz")
    assert barriers.mean() < 1.0  # the glass has 1.9 eV without strain


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("04_masses_say_Zr_Cu.data", "Masses: found 91.224 for type 1, as of Zr, expected 63.546, for Cu"),
        ("17_units_lj.dump", "units: found lj"),
        ("blanks.data", "Atoms: found no such section"),
        ("cols1e8.xyz", "Properties: found 100000004 columns declared"),
        ("laughs_key40.pickle", "pickle: found UnpicklingError tuples are nested over 10 deep"),
    ],
)
@pytest.mark.filterwarnings("ignore::tf_symgnn.data.InputNotice")
def test_what_is_not_is_refused_by_name(name, message):
    with pytest.raises(InputError, match=message):
        list(iter_glasses(CASES / name, species=("Cu", "Zr")))


def test_values_that_were_lost_are_there():
    """Time steps of both frames, ids and the step, a missing label, the periodicity that a user states."""
    first, second = iter_glasses(CASES / "01_bom_first_frame_lost.dump", species=("Cu", "Zr"))
    assert (first.step, second.step) == (100, 200)
    (glass,) = iter_glasses(CASES / "21_ids_and_step.dump", species=("Cu", "Zr"))
    assert glass.step == 4500 and glass.ids.tolist() == [1001, 1003, 1007]
    (glass,) = iter_glasses(CASES / "11_partly_labelled.xyz")
    assert glass.n_labeled == 2
    (slab,) = iter_glasses(CASES / "20_slab_ppf.data", species=("Cu", "Zr"), pbc=parse_pbc("p,p,f"))
    assert tuple(slab.pbc.tolist()) == SLAB
    splits = read_glasses(CASES / "16_folder_skips_gz")
    assert {split: len(glasses) for split, glasses in splits.items()} == {"train": 3, "validation": 1, "test": 0}
