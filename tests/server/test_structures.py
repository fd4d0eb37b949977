"""The endpoint `/structures`: a structure file in, its barriers out."""

from dataclasses import replace

import numpy as np

from tests.conftest import fcc_copper, random_glass
from tests.server.servers import direct
from tf_symgnn import names
from tf_symgnn.data import DATA_SET, read_glasses, write_glasses


def test_the_response_has_the_barriers_of_a_structure_file(client, saved_model, tmp_path):
    glass = random_glass(65, 30)
    for suffix in (".xyz", ".npz", ".dump"):
        file = tmp_path / f"glass{suffix}"
        write_glasses(file, [glass])
        status, answer = client.ask("POST", f"/structures?name=mine{suffix}", file.read_bytes())
        assert status == 200, answer
        assert (answer["name"], answer["frames"], len(answer["radii"])) == (f"mine{suffix}", 1, 30)
        assert answer["symbols"] == glass.species.tolist()
        np.testing.assert_allclose(answer["energy_barrier"], direct(saved_model, glass), atol=2e-5)
    assert "energy_barrier" in answer["extxyz"].splitlines()[1]


def test_a_structure_outside_the_training_data_has_a_warning(client, data, tmp_path):
    """The small model's barriers are outside the range of labels in any case."""
    (glass, *_) = read_glasses(data)[names.TRAIN]
    stretched = replace(glass, positions=1.05 * glass.positions, cell=1.05 * glass.cell)
    for member, outside in ((glass, False), (stretched, True)):
        write_glasses(tmp_path / "a.xyz", [member], overwrite=True)
        status, answer = client.ask("POST", "/structures?name=a.xyz", (tmp_path / "a.xyz").read_bytes())
        assert status == 200 and answer["extrapolation"] > 1, answer
        assert answer["warning"].startswith("This structure is outside the training data (extrapolation ")
        assert ("number density" in answer["warning"]) == outside


def test_the_last_frame_is_used_and_wrapped_into_the_cell(client, tmp_path):
    first, last = random_glass(66, 10), random_glass(67, 20)
    outside = type(last)(last.positions - 100 * last.cell.sum(0), last.cell, last.pbc, last.species, None, "out")
    write_glasses(tmp_path / "two.xyz", [first, outside])
    status, answer = client.ask("POST", "/structures?name=two.xyz", (tmp_path / "two.xyz").read_bytes())
    assert status == 200 and answer["frames"] == 2
    np.testing.assert_allclose(answer["positions"], last.positions, atol=1e-4)


def test_the_species_of_lammps_types_are_asked_for_and_never_guessed(client):
    data = "a title\n\n2 atoms\n2 atom types\n0 9 xlo xhi\n0 9 ylo yhi\n0 9 zlo zhi\n"
    data += "\nMasses\n\n1 1\n2 1\n\nAtoms\n\n1 1 1 1 1\n2 2 3 3 3\n"
    for species, expected in (("Cu,Zr", ["Cu", "Zr"]), ("Zr,%20Cu", ["Zr", "Cu"])):
        status, answer = client.ask("POST", f"/structures?name=a.data&species={species}", data.encode())
        assert status == 200, answer
        assert answer["symbols"] == expected
        assert answer["notices"] == ["a.data: Masses: found 1 for every type; they are ignored"]
        assert answer["species_colors"].keys() == {"Cu", "Zr"}
        np.testing.assert_allclose(answer["species_colors"]["Cu"], [0.784, 0.502, 0.2], atol=0.001)
    status, answer = client.ask("POST", "/structures?name=a.data", data.encode())
    assert status == 400 and "a.data: species: found types [1, 2] without names" in answer["error"]


def test_an_example_is_offered_and_accepted(client):
    status, about = client.ask("GET", "/about")
    assert status == 200 and about["example"] == "cu64zr36-1e12-1.xyz.xz"
    content = client.fetch("/example")
    assert content == (DATA_SET / about["example"]).read_bytes()
    status, answer = client.ask("POST", f"/structures?name={about['example']}", content)
    assert status == 200 and len(answer["symbols"]) == 500 and answer["notices"] == []


def test_invalid_structure_files_are_bad_requests(client, tmp_path):
    write_glasses(tmp_path / "a.xyz", [fcc_copper(1)])
    good = (tmp_path / "a.xyz").read_bytes()
    for name, content, words in (
        ("a.pickle", good, "a.pickle: suffix: found .pickle"),
        ("a.xyz", b"", "a.xyz: file: found nothing in it"),
        ("a.xyz", good.rsplit(b"\n", 2)[0], "a.xyz: atoms: found 3 rows"),
        ("a.xyz", good.replace(b"Cu ", b"Au "), "a.xyz: species: found Au"),
        ("a.npz", good, "a.npz: archive"),
        ("a.dump", good, "a.dump: line 1: found 4, expected ITEM: TIMESTEP"),
        ("", good, "name"),
        ("%00.xyz", good, "name"),
        ("a.data&species=%00", good, "species"),
    ):
        status, answer = client.ask("POST", f"/structures?name={name}", content)
        assert status == 400 and words in answer["error"], answer
        assert "/tmp" not in answer["error"] and "structure." not in answer["error"]
