"""Melt and quench: a metallic glass from nothing but its composition."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ase
import numpy as np
from ase.data import atomic_numbers, covalent_radii
from tqdm import tqdm

from tf_symgnn.data import InputError
from tf_symgnn.simulation.engine import (
    Potential,
    lammps_instance,
    program,
    put_atoms,
    set_potential,
    telling_refusals,
)

QUENCH_RATE = "quench_rate"  # K/s, in the comment line of a simulated glass

TIMESTEP = 0.002  # ps
MELTING_TIME = 50.0  # ps at the highest temperature: atoms forget where they were put
THERMOSTAT_TIME, BAROSTAT_TIME = 0.2, 2.0  # ps
STEPS_AT_ONCE = 2000  # between two looks at the clock
LARGEST_FORCE = 1e-4  # eV/A, of a glass at its minimum
LARGEST_PRESSURE = 1.0  # bar
ROUNDS = 20  # of relaxing the box and then the atoms


@dataclass(frozen=True)
class Quench:
    """How a glass is made.

    Args:
        composition: how many atoms of each species, by chemical symbol.
        rate: of cooling, K/s.
        seed: of the first positions and velocities.
        melt_temperature: K, where atoms mix.
        final_temperature: K, where cooling ends and the minimum is sought; a glass that is minimised while warm
            lies in a hollow so shallow that hardly a saddle point leads back to it.
        potential: between the atoms.
    """

    composition: dict[str, int]
    rate: float = 1e12
    seed: int = 0
    melt_temperature: float = 2000.0
    final_temperature: float = 10.0
    potential: Potential = Potential()

    @property
    def steps(self) -> tuple[int, int]:
        """Time steps of melting and of cooling."""
        cooling = (self.melt_temperature - self.final_temperature) / (self.rate * 1e-12)  # ps
        return round(MELTING_TIME / TIMESTEP), max(round(cooling / TIMESTEP), 1)

    @property
    def velocity_seed(self) -> int:
        """What LAMMPS takes for the seed: a positive integer of 32 bits."""
        return 1 + self.seed % (2**31 - 2)


def parse_composition(formula: str, n_atoms: int) -> dict[str, int]:
    """How many of `n_atoms` atoms each species of a formula gets, as in `Cu64Zr36`: shares, rounded to whole atoms.

    Raises:
        InputError: it is no formula, or a species would get no atom.
    """
    parts = re.findall(r"([A-Z][a-z]?)([0-9]*\.?[0-9]*)", formula)
    if not parts or "".join(symbol + share for symbol, share in parts) != formula:
        raise InputError("command line", "composition", formula, "a formula, as in Cu64Zr36")
    shares: dict[str, float] = {}
    for symbol, share in parts:
        if symbol not in atomic_numbers or symbol == "X":
            raise InputError("command line", "composition", symbol, "chemical symbols, as in Cu64Zr36")
        shares[symbol] = shares.get(symbol, 0.0) + (1.0 if share in ("", ".") else float(share))
    ends = np.rint(np.cumsum(list(shares.values())) / max(sum(shares.values()), 1e-300) * n_atoms).astype(int)
    counts = dict(zip(shares, np.diff(ends, prepend=0).tolist(), strict=True))
    if min(counts.values()) < 1:
        raise InputError("command line", "composition", f"{formula} of {n_atoms} atoms", "an atom of each species")
    return counts


def quench_glass(quench: Quench) -> ase.Atoms:
    """Melts a random packing, cools it at zero pressure, and relaxes it to a minimum at zero pressure.

    Args:
        quench: composition, rate, seed, temperatures and potential.

    Returns:
        The glass, periodic in a cube; its largest force is below 1e-4 eV/A. Its `info` holds `energy_per_atom`, eV, and
        how it was made.

    Raises:
        InputError: LAMMPS is not installed, cannot use the potential or loses the atoms, or the glass found no minimum.
    """
    atoms = _random_packing(quench)
    melting, cooling = quench.steps
    with lammps_instance() as lmp:
        symbols = sorted(quench.composition)
        put_atoms(lmp, atoms, symbols, quench.potential, thinned=True)
        lmp.command("neighbor 1.0 bin")  # hot atoms move far
        lmp.command(f"velocity all create {quench.melt_temperature} {quench.velocity_seed} loop geom")
        lmp.command(f"timestep {TIMESTEP}")
        hot, cold = quench.melt_temperature, quench.final_temperature
        with tqdm(total=(melting + cooling) * TIMESTEP, unit="ps", unit_scale=True) as bar:
            _run(lmp, bar, "melting", hot, hot, melting)
            _run(lmp, bar, "cooling", hot, cold, cooling)
        set_potential(lmp, symbols, quench.potential, thinned=False)
        _relax(lmp)
        glass = _glass(lmp, atoms)
    glass.info |= {
        QUENCH_RATE: quench.rate,
        "melt_temperature": quench.melt_temperature,
        "quench_seed": quench.seed,
        "potential": f"{quench.potential.style} {Path(quench.potential.file).name}",
        "made_by": program(),
    }
    return glass


def _random_packing(quench: Quench) -> ase.Atoms:
    """Species at random on random sites of a cubic grid, as dense as balls with covalent radii that fill two thirds."""
    rng = np.random.default_rng(quench.seed)
    symbols = rng.permutation([symbol for symbol, count in quench.composition.items() for _ in range(count)])
    radii = np.array([covalent_radii[atomic_numbers[symbol]] for symbol in symbols])
    edge = (4 / 3 * np.pi * (radii**3).sum() / 0.66) ** (1 / 3)
    rows = int(np.ceil(round(len(symbols) ** (1 / 3), 9)))
    sites = rng.permutation(rows**3)[: len(symbols)]
    positions = np.stack(np.unravel_index(sites, (rows, rows, rows)), axis=1) * (edge / rows)
    return ase.Atoms(symbols, positions=positions, cell=[edge] * 3, pbc=True)


def _run(lmp: Any, bar: tqdm, stage: str, start: float, stop: float, steps: int) -> None:
    bar.set_description(stage)
    lmp.command(f"fix bath all npt temp {start} {stop} {THERMOSTAT_TIME} iso 0.0 0.0 {BAROSTAT_TIME}")
    first = int(lmp.get_thermo("step"))
    for done in range(0, steps, STEPS_AT_ONCE):
        now = min(STEPS_AT_ONCE, steps - done)
        with telling_refusals("quench", stage, "atoms that stay together at these temperatures"):
            lmp.command(f"run {now} start {first} stop {first + steps} pre {'no' if done else 'yes'} post no")
        bar.update(now * TIMESTEP)
    lmp.command("unfix bath")


def _relax(lmp: Any) -> None:
    """Box and atoms in turn, until both are at rest.

    Raises:
        InputError: they do not come to rest.
    """
    lmp.command("velocity all set 0 0 0")  # pressure counts motion, too
    lmp.command("thermo_style custom step pe press")
    for _ in range(ROUNDS):
        lmp.command("fix box all box/relax iso 0.0 vmax 0.001")
        lmp.command("minimize 0 1e-8 2000 20000")
        lmp.command("unfix box")
        lmp.command(f"minimize 0 {LARGEST_FORCE / 100} 5000 50000")
        force = np.abs(lmp.numpy.extract_atom("f")[: lmp.get_natoms()]).max()
        if force < LARGEST_FORCE / 10 and abs(lmp.get_thermo("press")) < LARGEST_PRESSURE:
            return
    found = f"a force of {force:.1e} eV/A, a pressure of {lmp.get_thermo('press'):.1f} bar"
    raise InputError("quench", "minimum", found, f"less than {LARGEST_FORCE} eV/A and {LARGEST_PRESSURE} bar")


def _glass(lmp: Any, atoms: ase.Atoms) -> ase.Atoms:
    low, high, *_ = lmp.extract_box()
    ids = lmp.numpy.extract_atom("id")[: len(atoms)]
    positions = np.empty((len(atoms), 3))
    positions[ids - 1] = lmp.numpy.extract_atom("x")[: len(atoms)] - low
    glass = ase.Atoms(atoms.symbols, positions=positions, cell=np.subtract(high, low), pbc=True)
    glass.wrap()
    glass.info["energy_per_atom"] = lmp.get_thermo("pe") / len(atoms)
    return glass
