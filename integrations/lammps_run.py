"""Predict energy barriers during a LAMMPS run, each time at the nearest minimum of energy; README.md describes it.

python integrations/lammps_run.py MODEL in.lammps --species Cu,Zr --steps 10000 --every 1000 --output barriers.dump
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

import tf_symgnn
from tf_symgnn.simulate.engine import load_lammps

PROPERTY = "d_energy_barrier"  # how LAMMPS names a number per atom that a user adds


def run(lmp: Any, predictor: tf_symgnn.Predictor, species: list[str], steps: int, every: int, output: str) -> None:
    """Continue a simulation, and append a frame with barriers to a dump every so many steps.

    A model is trained on glasses at rest, so that each frame is the minimum below the state. The simulation continues
    from the state itself.

    Args:
        lmp: LAMMPS on one process, with atoms, a potential in units of A and eV, and fixes.
        predictor: the model.
        species: chemical symbols of types 1, 2, ...
        steps: of the simulation.
        every: steps between two frames.
        output: the dump. Its column `d_energy_barrier` is in eV.

    Raises:
        InputError: the output exists, a number is invalid, or the model refuses a structure.
    """
    for name, number in (("steps", steps), ("every", every)):
        if number < 1:
            raise tf_symgnn.InputError("lammps_run", name, number, "a whole number of at least 1")
    if Path(output).exists():
        raise tf_symgnn.InputError(output, "output", "an existing file", "a new file")
    columns = f"id type element x y z {PROPERTY} modify element {' '.join(species)} sort id append yes"
    lmp.command(f"fix barriers all property/atom {PROPERTY}")
    for _ in range(steps // every):
        lmp.command(f"run {every}")
        with at_minimum(lmp):
            lmp.numpy.extract_atom(PROPERTY)[: lmp.extract_global("nlocal")] = predictor.predict(to_glass(lmp, species))
            lmp.command(f'write_dump all custom "{output}" {columns}')
    if steps % every:
        lmp.command(f"run {steps % every}")


@contextmanager
def at_minimum(lmp: Any) -> Iterator[None]:
    """Move the atoms to the minimum of energy, and at the end back to where they were; velocities stay."""
    step = lmp.extract_global("ntimestep")
    ids, positions, images = (np.array(array) for array in per_atom(lmp, "id", "x", "image"))
    lmp.command("minimize 0 1e-4 10000 100000")
    lmp.command(f"reset_timestep {step}")  # each iteration counts as a step
    try:
        yield
    finally:
        new_ids, new_positions, new_images = per_atom(lmp, "id", "x", "image")
        order = np.argsort(ids)[np.argsort(np.argsort(new_ids))]  # LAMMPS sorts atoms by their place
        new_positions[:], new_images[:] = positions[order], images[order]


def per_atom(lmp: Any, *names: str) -> list[np.ndarray]:
    """Return views of some of the numbers that LAMMPS stores per atom."""
    return [lmp.numpy.extract_atom(name)[: lmp.extract_global("nlocal")] for name in names]


def to_glass(lmp: Any, species: list[str]) -> tf_symgnn.Glass:
    """Return the atoms in the order in which LAMMPS stores them."""
    low, high, xy, yz, xz, periodicity, _ = lmp.extract_box()
    x, y, z = np.subtract(high, low)
    types, positions = per_atom(lmp, "type", "x")
    return tf_symgnn.Glass(
        positions=positions,
        cell=[[x, 0, 0], [xy, y, 0], [xz, yz, z]],
        origin=low,
        pbc=periodicity,
        species=np.array(species)[types - 1],
        barrier=None,
        source="LAMMPS",
    )


def main() -> None:
    """Run an input script of LAMMPS, which sets up the simulation, and then `run`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="run folder or export")
    parser.add_argument("script", help="LAMMPS input that sets up atoms, potential and fixes")
    parser.add_argument(
        "--species", required=True, type=lambda text: text.split(","), help="symbols of types 1, 2, ..."
    )
    parser.add_argument("--steps", type=int, required=True, help="of the simulation")
    parser.add_argument("--every", type=int, required=True, help="steps between two frames")
    parser.add_argument("--output", required=True, help="dump to write")
    args = parser.parse_args()
    predictor = tf_symgnn.load_model(args.model)
    lmp = load_lammps().lammps(cmdargs=["-log", "none"])
    lmp.file(args.script)
    run(lmp, predictor, args.species, args.steps, args.every, args.output)


if __name__ == "__main__":
    main()
