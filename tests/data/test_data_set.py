"""The data set of the package: what its card states, of every glass, from the files that ship."""

import csv
import io
import json
import lzma
import re
from collections import defaultdict
from pathlib import Path

import ase.io
import numpy as np
import pytest

from tf_symgnn import names
from tf_symgnn.data import DATA_SET, SPLITS_FILE, read_glass, read_glasses
from tf_symgnn.data.splits import EVENTS_FILE
from tf_symgnn.simulate.engine import Forces, Potential
from tf_symgnn.simulate.events import Distinction, Search, events_by_atom

ROOT = Path(__file__).resolve().parents[2]
STORE = ROOT / "benchmarks" / "dataset"
POTENTIAL = ROOT.parent / "shared" / "data" / "potentials" / "CuZr_2009.eam.fs"
ENTRIES = {entry["name"]: entry for entry in json.loads((STORE / "glasses.json").read_text())}
SPLITS = {"train": names.TRAIN, "val": names.VALIDATION, "test": names.TEST}
FILES = sorted(DATA_SET.glob("*.xyz.xz"))

every_glass = pytest.mark.parametrize("path", FILES, ids=lambda path: path.name.partition(".")[0])


def name_of(path: Path) -> str:
    return path.name.partition(".")[0]


@pytest.fixture(scope="module")
def events() -> dict[tuple[str, int], list[dict]]:
    """The rows of the file of events, by glass and atom."""
    rows = defaultdict(list)
    for row in csv.DictReader(io.StringIO(lzma.decompress((DATA_SET / EVENTS_FILE).read_bytes()).decode())):
        rows[row["glass"], int(row["atom"])].append(row)
    return rows


def test_it_is_split_by_glass_as_planned(recwarn):
    splits = read_glasses(DATA_SET)
    named = {split: [glass.name for glass in glasses] for split, glasses in splits.items()}
    assert named == json.loads((DATA_SET / SPLITS_FILE).read_text())
    assert sorted(sum(named.values(), [])) == sorted(map(name_of, FILES))
    for split, members in named.items():
        assert members and all(SPLITS[ENTRIES[name]["split"]] == split for name in members)
    for split in (names.VALIDATION, names.TEST):
        kinds = {name.rpartition("-")[0] for name in named[split]}
        rates = {f"cu64zr36-1e{power}" for power in (11, 12, 13, 14)}
        assert kinds == rates | {"cu50zr50-1e12", "cu80zr20-1e12"}
    assert not [warning for warning in recwarn if "cuzr" in str(warning.message)]


@every_glass
def test_a_glass_is_what_its_name_states(path):
    entry, atoms = ENTRIES[name_of(path)], ase.io.read(path)
    shares = dict(re.findall(r"([A-Z][a-z])(\d+)", entry["composition"]))
    assert {symbol: atoms.symbols.count(symbol) for symbol in shares} == {s: 5 * int(n) for s, n in shares.items()}
    assert (atoms.info["quench_rate"], atoms.info["quench_seed"]) == (entry["rate"], entry["seed"])
    assert atoms.info["potential"].endswith("CuZr_2009.eam.fs") and not atoms.info["require_connected"]


@every_glass
def test_labels_are_means_of_their_events(path, events):
    entry, glass = ENTRIES[name_of(path)], read_glass(path)
    assert glass.events.max() == entry["events"] and (glass.events == entry["events"]).mean() > 0.99
    for atom in range(glass.n_atoms):
        barriers = [float(row["barrier"]) for row in events[name_of(path), atom]]
        assert len(barriers) == glass.events[atom] and min(barriers, default=1) > 0
        if barriers:
            assert glass.barrier[atom] == pytest.approx(np.mean(barriers), abs=1e-6)
        if len(barriers) > 1:
            spread = np.std(barriers, ddof=1)
            assert glass.spread[atom] == pytest.approx(spread, abs=1e-6)


@every_glass
def test_labels_follow_from_the_journal_of_searches(path, events):
    """The first distinct events of an atom, in the order of its searches; the searches moved nothing."""
    name = name_of(path)
    journal = lzma.decompress((STORE / "labelled" / f"{name}.searches.jsonl.xz").read_bytes()).decode()
    searches = map(Search.from_json, journal.splitlines()[1:])
    for atom, found in events_by_atom(searches, Distinction(), ENTRIES[name]["events"]).items():
        assert [event.barrier for event in found] == [float(row["barrier"]) for row in events[name, atom]]
    quenched = ase.io.read(STORE / "quenched" / f"{name}.xyz.xz")
    np.testing.assert_array_equal(quenched.positions, ase.io.read(path).positions)


@pytest.mark.skipif(not POTENTIAL.exists(), reason="the potential of 2009 is not part of the repository")
@every_glass
def test_a_glass_is_at_rest(path):
    force_field = Forces(ase.io.read(path), Potential("eam/fs", str(POTENTIAL)))
    assert np.linalg.norm(force_field(ase.io.read(path).positions)[1], axis=1).max() < 1e-3
    force_field.close()


def test_it_is_small_and_its_card_counts_its_glasses():
    assert sum(path.stat().st_size for path in DATA_SET.iterdir()) < 4e6
    splits, powers = json.loads((DATA_SET / SPLITS_FILE).read_text()), dict(zip("⁰¹²³⁴", "01234", strict=True))
    card = re.findall(r"^\| (Cu\d+Zr\d+) \| 10(.*?) \|(.*)\|$", (DATA_SET / "README.md").read_text(), re.MULTILINE)
    total = 0
    for composition, exponent, cells in card:
        power = "".join(powers[digit] for digit in exponent)
        planned = [e for e in ENTRIES.values() if (e["composition"], e["rate"]) == (composition, float(f"1e{power}"))]
        kind = f"{composition.lower()}-1e{power}-"
        here = [[name for name in splits[split] if name.startswith(kind)] for split in names.SPLITS]
        *numbers, stated = map(str.strip, cells.split("|"))
        assert list(map(int, numbers)) == [len(planned), *map(len, here)]
        means = [
            np.mean(ase.io.read(DATA_SET / f"{name}.xyz.xz").arrays[names.ENERGY_BARRIER]) for name in sum(here, [])
        ]
        error = np.std(means, ddof=1) / np.sqrt(len(means))  # over glasses
        assert stated == f"{np.mean(means):.2f} ± {error:.2f}"
        total += len(planned)
    assert total == len(ENTRIES)
