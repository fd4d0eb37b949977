"""Predict the energy barriers of every frame of a LAMMPS dump; README.md describes it.

python integrations/lammps_trajectory.py MODEL trajectory.dump --species Cu,Zr --output barriers.dump
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import tf_symgnn


def predict_trajectory(model: str, trajectory: str, output: str, species: list[str] | None) -> list[tf_symgnn.Glass]:
    """Write the frames of a trajectory with their barriers, and return them.

    All frames are in memory at once. For more, divide the trajectory among files: `tf-symgnn predict --beam`.

    Args:
        model: a run folder, an export or the name of a model.
        trajectory: a dump with ids, types or elements, and positions.
        output: the dump to write. It has all columns of the trajectory, and `v_energy_barrier`, eV.
        species: chemical symbols of types 1, 2, ...; None if the dump has the column `element`.

    Raises:
        InputError: a file or the model cannot be used, or the output exists.
    """
    frames = list(tf_symgnn.iter_glasses(trajectory, label=None, species=species, keep_columns=True))
    barriers = tf_symgnn.load_model(model).predict(frames)
    predicted = [replace(frame, barrier=barrier) for frame, barrier in zip(frames, barriers, strict=True)]
    tf_symgnn.write_glasses(output, predicted)
    return predicted


def main() -> None:
    """Print the time step, mean and lowest barrier of each frame."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="run folder or export")
    parser.add_argument("trajectory", help="LAMMPS dump")
    parser.add_argument("--species", type=lambda text: text.split(","), help="symbols, as in Cu,Zr")
    parser.add_argument("--output", required=True, help="dump to write")
    args = parser.parse_args()
    print("step,mean_eV,lowest_eV")
    for glass in predict_trajectory(args.model, args.trajectory, args.output, args.species):
        print(f"{glass.step},{glass.barrier.mean():.4f},{glass.barrier.min():.4f}")


if __name__ == "__main__":
    main()
