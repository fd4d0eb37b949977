#!/usr/bin/env python3
"""Make the data set of labelled Cu-Zr glasses: quench and label what its configuration lists and the store lacks.

    python benchmarks/dataset.py status
    nice python benchmarks/dataset.py run --potential CuZr_2009.eam.fs --work runs/dataset
    python benchmarks/dataset.py pack --work runs/dataset
    python benchmarks/dataset.py release --work runs/dataset --output tf_symgnn/data/cuzr
    python benchmarks/dataset.py commands cu64zr36-1e12-0
    python benchmarks/dataset.py remake cu64zr36-1e14-3 --potential CuZr_2009.eam.fs --work runs/remade

`benchmarks/dataset/glasses.json` lists the glasses. `run` unpacks the store (`benchmarks/dataset/`) into the work
folder and continues: it labels the next quenched glass, or quenches the next one where none waits. Several may run at
once on one work folder; each takes a glass of its own. It continues where it was killed. `pack` compresses quenched
glasses, journals and checkpoints back into the store. `release` writes the labelled glasses, their splits and the
events of all labels to the folder that ships with the package. `commands` prints the commands that make a glass
without this script. `remake` makes glasses from their configuration alone, and compares them with the store.
"""

from __future__ import annotations

import argparse
import csv
import fcntl
import io
import json
import lzma
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import ase.io
import numpy as np

from tf_symgnn import names
from tf_symgnn.data import SPLITS_FILE, read_glass, replacing
from tf_symgnn.data.splits import EVENTS_FILE
from tf_symgnn.simulate.barriers import Labelling
from tf_symgnn.simulate.engine import Potential
from tf_symgnn.simulate.events import Distinction, Search, events_by_atom
from tf_symgnn.simulate.files import label_files, write_glass
from tf_symgnn.simulate.quench import Quench, parse_composition, quench_glass

STORE = Path(__file__).parent / "dataset"
USES = ("training", "validation", "testing")
SPLITS = {"train": names.TRAIN, "val": names.VALIDATION, "test": names.TEST}


@dataclass(frozen=True)
class Entry:
    """A glass of the data set.

    Args:
        name: of its files.
        split: `train`, `val` or `test`.
        composition: as in Cu64Zr36.
        atoms: their number.
        rate: of the quench, K/s.
        seed: of the quench.
        events: per label.
    """

    name: str
    split: str
    composition: str
    atoms: int
    rate: float
    seed: int
    events: int


def entries() -> list[Entry]:
    """Return the glasses of the data set, in the order in which they are made."""
    return [Entry(**entry) for entry in json.loads((STORE / "glasses.json").read_text())]


def unpack(work: Path) -> None:
    """Write to the work folder what the store has and it lacks."""
    for packed in sorted(STORE.glob("*/*.xz")):
        target = work / packed.parent.name / packed.stem
        if not target.exists():
            with replacing(target) as file:
                file.write_bytes(lzma.decompress(packed.read_bytes()))


def pack(work: Path) -> None:
    """Compress the files of the work folder into the store."""
    for folder, suffix in (("quenched", ".xyz"), ("quenched", ".checkpoint"), ("labelled", ".searches.jsonl")):
        for source in sorted((work / folder).glob(f"*{suffix}")):
            target = STORE / folder / f"{source.name}.xz"
            content = source.read_bytes()
            if not target.exists() or lzma.decompress(target.read_bytes()) != content:
                write_compressed(target, content)
    for checkpoint in (STORE / "quenched").glob("*.checkpoint.xz"):
        if (work / "quenched" / f"{checkpoint.name.removesuffix('.checkpoint.xz')}.xyz").exists():
            checkpoint.unlink()  # the quench is finished


@contextmanager
def claimed(path: Path) -> Iterator[bool]:
    """Whether this process alone works on a file; the claim ends with the process, even if it is killed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f".{path.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def run(work: Path, potential: Potential) -> None:
    """Label and quench until nothing is left that this process can take."""
    unpack(work)
    # After each step it starts again, so that a fresh quench is labelled next.
    while any(task(entry, work, potential) for task in (label, quench) for entry in entries()):
        pass


def quench(entry: Entry, work: Path, potential: Potential) -> bool:
    """Quench a glass, unless that is done or another process does it; return whether this one did."""
    path = work / "quenched" / f"{entry.name}.xyz"
    with claimed(path) as mine:
        if not mine or path.exists():
            return False
        composition = parse_composition(entry.composition, entry.atoms)
        print(f"{entry.name}: quenching", flush=True)
        settings = Quench(composition, rate=entry.rate, seed=entry.seed, potential=potential)
        write_glass(path, quench_glass(settings, path.with_suffix(".checkpoint")))
        path.with_suffix(".checkpoint").unlink()
    return True


def label(entry: Entry, work: Path, potential: Potential) -> bool:
    """Label a quenched glass, unless that is done or another process does it; return whether this one did."""
    source, path = work / "quenched" / f"{entry.name}.xyz", work / "labelled" / f"{entry.name}.xyz"
    with claimed(path) as mine:
        if not mine or path.exists() or not source.exists():
            return False
        print(f"{entry.name}: labelling", flush=True)
        label_files([str(source)], path.parent, Labelling(events=entry.events, potential=potential), processes=1)
    return True


def release(work: Path, output: Path) -> None:
    """Write the labelled glasses, their splits, and the events of all labels to a folder.

    Raises:
        ValueError: a label is not the mean of its events in the journal.
    """
    output.mkdir(parents=True, exist_ok=True)
    splits: dict[str, list[str]] = {split: [] for split in names.SPLITS}
    table = io.StringIO()
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow(("glass", "atom", "barrier", "connected", "atoms_moved"))
    for entry in entries():
        glass = work / "labelled" / f"{entry.name}.xyz"
        if not glass.exists():
            print(f"{entry.name}: not labelled")
            continue
        journal = glass.with_suffix(".searches.jsonl").read_text()
        searches = map(Search.from_json, journal.splitlines()[1:])
        events = events_by_atom(searches, Distinction(), entry.events)
        labels = ase.io.read(glass).arrays[names.ENERGY_BARRIER]
        means = [np.mean([event.barrier for event in events.get(atom, [])] or [np.nan]) for atom in range(entry.atoms)]
        if not np.allclose(labels, means, atol=1e-6, equal_nan=True):
            raise ValueError(f"{glass}: labels that are not the means of their events")
        for event in (event for atom in sorted(events) for event in events[atom]):
            connected = "unchecked" if event.energy is None else "yes"
            rows.writerow((entry.name, event.atom, event.barrier, connected, event.n_moved))
        splits[SPLITS[entry.split]].append(entry.name)
        write_compressed(output / f"{entry.name}.xyz.xz", glass.read_bytes())
    write_compressed(output / EVENTS_FILE, table.getvalue().encode())
    with replacing(output / SPLITS_FILE) as file:
        file.write_text(json.dumps(splits, indent=1) + "\n")
    written = {EVENTS_FILE, *(f"{name}.xyz.xz" for members in splits.values() for name in members)}
    for former in (path for path in output.glob("*.xz") if path.name not in written):
        former.unlink()
    write_card_table(output, splits)


def write_card_table(output: Path, splits: dict[str, list[str]]) -> None:
    """Replace the table of the data card: glasses of each kind, by use, and their mean barriers."""
    kinds: dict[str, list[Entry]] = {}
    for entry in sorted(entries(), key=lambda entry: (entry.composition != "Cu64Zr36", entry.composition, -entry.rate)):
        kinds.setdefault(entry.name.rpartition("-")[0], []).append(entry)
    heads = ["composition", "quench rate, K/s", "glasses", *(f"for {use}" for use in USES), "mean barrier, eV"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for kind, planned in kinds.items():
        released = {split: [name for name in splits[split] if name.startswith(f"{kind}-")] for split in names.SPLITS}
        means = [
            np.nanmean(read_glass(output / f"{name}.xyz.xz").barrier)
            for members in released.values()
            for name in members
        ]
        mean = f"{np.mean(means):.2f} ± {np.std(means, ddof=1) / np.sqrt(len(means)):.2f}"
        rate = "10" + f"{np.log10(planned[0].rate):.0f}".translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))
        cells = [planned[0].composition, rate, len(planned), *map(len, released.values()), mean]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    card = output / "README.md"
    before, _, after = re.split(r"(^\| composition(?:.*\n\|)+.*\n)", card.read_text(), flags=re.MULTILINE)
    with replacing(card) as file:
        file.write_text(before + "\n".join(lines) + "\n" + after)


def write_compressed(path: Path, content: bytes) -> None:
    """Write a file, compressed by `lzma`."""
    with replacing(path) as file:
        file.write_bytes(lzma.compress(content, preset=9))


def status() -> None:
    """Print what the store holds of each glass."""
    totals: Counter[str] = Counter()
    print("| glass | split | atoms | events wanted | quenched | searches | events found |\n" + "|---" * 7 + "|")
    for entry in entries():
        journal = STORE / "labelled" / f"{entry.name}.searches.jsonl.xz"
        lines = lzma.decompress(journal.read_bytes()).splitlines()[1:] if journal.exists() else []
        distinct = events_by_atom(map(Search.from_json, lines), Distinction(), entry.events)
        events = sum(map(len, distinct.values()))
        quenched = (STORE / "quenched" / f"{entry.name}.xyz.xz").exists()
        totals += Counter(glasses=1, quenched=quenched, searches=len(lines), events=events)
        totals["wanted"] += entry.events * entry.atoms
        wanted = f"{entry.events} x {entry.atoms}"
        print(f"| {entry.name} | {entry.split} | {entry.atoms} | {wanted} | {quenched} | {len(lines)} | {events} |")
    print(f"\n{dict(totals)}")


def commands(name: str) -> None:
    """Print the commands that make a glass of the data set."""
    (entry,) = [entry for entry in entries() if entry.name == name]
    potential = "--potential CuZr_2009.eam.fs"
    print(
        f"tf-symgnn simulate glass --composition {entry.composition} --atoms {entry.atoms} "
        f"--quench-rate {entry.rate:g} --seed {entry.seed} {potential} --output quenched/{name}.xyz\n"
        f"tf-symgnn simulate barriers quenched/{name}.xyz --events {entry.events} {potential} --output labelled"
    )


def remake(entry: Entry, work: Path, potential: Potential) -> None:
    """Make a glass from its configuration in a folder without the store, and print how far it is from the stored one.

    Prints the largest differences of positions, A, and of barriers, eV, and the mean barriers of both.
    """
    for task in (quench, label):
        task(entry, work, potential)
    made = ase.io.read(work / "labelled" / f"{entry.name}.xyz")
    packed = lzma.decompress((STORE / "quenched" / f"{entry.name}.xyz.xz").read_bytes()).decode()
    stored, labels = ase.io.read(io.StringIO(packed), format="extxyz"), stored_labels(entry)
    ours = made.arrays[names.ENERGY_BARRIER]
    moved, differences = np.abs(made.positions - stored.positions).max(), np.abs(ours - labels)
    print(
        f"{entry.name}: positions within {moved:.1e} A, barriers within {differences.max():.1e} eV, "
        f"{np.sum(differences > 1e-6)} of {entry.atoms} more than 1e-6 eV apart; "
        f"means {ours.mean():.4f}, {labels.mean():.4f} eV"
    )


def stored_labels(entry: Entry) -> np.ndarray:
    """Return the labels [N] eV of a glass from its journal in the store."""
    journal = lzma.decompress((STORE / "labelled" / f"{entry.name}.searches.jsonl.xz").read_bytes()).decode()
    events = events_by_atom(map(Search.from_json, journal.splitlines()[1:]), Distinction(), entry.events)
    return np.array([np.mean([event.barrier for event in events[atom]]) for atom in range(entry.atoms)])


def main() -> None:
    """Do one of the tasks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    tasks = parser.add_subparsers(dest="task", required=True)
    tasks.add_parser("status")
    running = tasks.add_parser("run")
    running.add_argument("--work", type=Path, required=True)
    running.add_argument("--potential", required=True, help="the 2009 Cu-Zr potential, in LAMMPS' format eam/fs")
    tasks.add_parser("pack").add_argument("--work", type=Path, required=True)
    releasing = tasks.add_parser("release")
    releasing.add_argument("--work", type=Path, required=True)
    releasing.add_argument("--output", type=Path, required=True)
    tasks.add_parser("commands").add_argument("name")
    remaking = tasks.add_parser("remake")
    remaking.add_argument("names", nargs="+", choices=[entry.name for entry in entries()], metavar="name")
    remaking.add_argument("--work", type=Path, required=True)
    remaking.add_argument("--potential", required=True)
    flags = parser.parse_args()
    if flags.task == "run":
        run(flags.work, Potential("eam/fs", flags.potential))
    elif flags.task == "pack":
        pack(flags.work)
    elif flags.task == "release":
        release(flags.work, flags.output)
    elif flags.task == "remake":
        for entry in (entry for entry in entries() if entry.name in flags.names):
            remake(entry, flags.work, Potential("eam/fs", flags.potential))
    elif flags.task == "commands":
        commands(flags.name)
    else:
        status()


if __name__ == "__main__":
    main()
