"""Melt and quench: a metallic glass from its composition alone."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import ase
import numpy as np
from ase.data import atomic_numbers, covalent_radii
from tqdm import tqdm

from tf_symgnn.data import InputError
from tf_symgnn.errors import require_integer, require_number
from tf_symgnn.progress import progress_bar
from tf_symgnn.simulate.checkpoint import load_state, read_checkpoint, save_state, write_checkpoint
from tf_symgnn.simulate.engine import (
    QUENCH_POINTS,
    Potential,
    create_atoms,
    lammps_input_errors,
    lammps_instance,
    program,
    set_potential,
)

QUENCH_RATE = "quench_rate"  # K/s, in the comment line of a simulated glass

TIMESTEP = 0.004  # ps; the fastest vibration of a metallic glass takes 0.1 ps
SKIN = 0.5  # A, of the neighbor list: hot atoms move far
MELTING_TIME = 50.0  # ps at the highest temperature: atoms forget where they were put
THERMOSTAT_TIME, BAROSTAT_TIME = 0.2, 2.0  # ps
CHECKPOINT_STEPS = 100_000  # between two restart files; at most two minutes of work for a thousand atoms
MIN_COOLING_STEPS = 10  # of cooling from the melt; with fewer, no temperature between the two is reached
STEPS_AT_ONCE = 2000  # between two updates of the progress bar
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
        final_temperature: K, where cooling ends and the minimum is sought; a glass that is minimized while warm
            lies in a minimum so shallow that hardly any saddle point leads back to it.
        potential: between the atoms.

    Raises:
        InputError: a number is invalid, or cooling would take less than `MIN_COOLING_STEPS` time steps.
    """

    composition: dict[str, int]
    rate: float = 1e12
    seed: int = 0
    melt_temperature: float = 2000.0
    final_temperature: float = 10.0
    potential: Potential = Potential()

    def __post_init__(self) -> None:
        require_number("quench", "rate", self.rate, above=0)
        require_number("quench", "final_temperature", self.final_temperature, above=0)
        require_number("quench", "melt_temperature", self.melt_temperature, above=self.final_temperature)
        require_integer("quench", "seed", self.seed, least=0)
        if self.steps[1] < MIN_COOLING_STEPS:
            fastest = (self.melt_temperature - self.final_temperature) / (MIN_COOLING_STEPS * TIMESTEP * 1e-12)
            raise InputError("quench", "rate", f"{self.rate:g} K/s", f"at most {fastest:.2g} K/s from this temperature")

    @property
    def steps(self) -> tuple[int, int]:
        """The number of time steps of melting and of cooling."""
        cooling = (self.melt_temperature - self.final_temperature) / (self.rate * 1e-12)  # ps
        return round(MELTING_TIME / TIMESTEP), round(cooling / TIMESTEP)

    def settings(self) -> dict:
        """Return the settings as a checkpoint stores them; the potential is identified by its content."""
        return asdict(self) | {"potential": [self.potential.style, self.potential.digest()]}

    @property
    def velocity_seed(self) -> int:
        """The seed of velocities: a positive integer of 32 bits, as LAMMPS requires."""
        return 1 + self.seed % (2**31 - 2)


def parse_composition(formula: str, n_atoms: int) -> dict[str, int]:
    """Return the number of atoms of each species for a formula such as `Cu64Zr36`, rounded to `n_atoms` in all.

    Raises:
        InputError: `formula` is not a formula, or a species would get no atom.
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


def quench_glass(quench: Quench, checkpoint: Path | None = None) -> ase.Atoms:
    """Melt a random packing, cool it at zero pressure, and relax it to a minimum at zero pressure.

    Args:
        quench: composition, rate, seed, temperatures and potential.
        checkpoint: restart file. It is replaced every `CHECKPOINT_STEPS` steps. If it exists, the quench continues from
            it and ends with the same glass, to the last bit on the same machine type.

    Returns:
        The glass, periodic in a cube; its largest force is below 1e-4 eV/A. Its `info` holds `energy_per_atom`, eV, and
        how it was made.

    Raises:
        InputError: LAMMPS is not installed, cannot use the potential or loses the atoms, the restart file is damaged
            or of another quench, or the glass found no minimum.
    """
    symbols = sorted(quench.composition)
    state = _run_stages(quench, symbols, checkpoint)
    with lammps_instance() as lmp:
        load_state(lmp, state)
        set_potential(lmp, symbols, quench.potential)
        _relax(lmp)
        glass = _glass(lmp, symbols)
    glass.info |= {
        QUENCH_RATE: quench.rate,
        "melt_temperature": quench.melt_temperature,
        "final_temperature": quench.final_temperature,
        "quench_seed": quench.seed,
        "potential": quench.potential.name,
        "made_by": program(),
    }
    return glass


def _random_packing(quench: Quench) -> ase.Atoms:
    """Return random species on random sites of a cubic grid; spheres of covalent radius fill two thirds of it."""
    rng = np.random.default_rng(quench.seed)
    symbols = rng.permutation([symbol for symbol, count in quench.composition.items() for _ in range(count)])
    radii = np.array([covalent_radii[atomic_numbers[symbol]] for symbol in symbols])
    edge = (4 / 3 * np.pi * (radii**3).sum() / 0.66) ** (1 / 3)
    rows = int(np.ceil(round(len(symbols) ** (1 / 3), 9)))
    sites = rng.permutation(rows**3)[: len(symbols)]
    positions = np.stack(np.unravel_index(sites, (rows, rows, rows)), axis=1) * (edge / rows)
    return ase.Atoms(symbols, positions=positions, cell=[edge] * 3, pbc=True)


def _run_stages(quench: Quench, symbols: list[str], checkpoint: Path | None) -> bytes:
    """Melt and cool in blocks, and return LAMMPS' restart data of the end.

    Each block starts a new LAMMPS from the restart data of the last one. A quench that was killed therefore computes
    the same numbers as one that was not: LAMMPS itself continues slightly differently from memory and from a file.
    """
    settings = quench.settings()
    melting, cooling = quench.steps
    hot, cold = quench.melt_temperature, quench.final_temperature
    step, state = 0, None
    if checkpoint is not None and checkpoint.exists():
        step, state = read_checkpoint(checkpoint, settings)
    with progress_bar(total=(melting + cooling) * TIMESTEP, initial=step * TIMESTEP, unit="ps", scaled=True) as bar:
        while step < melting + cooling:
            if step < melting:
                stage, end, first, last = "melting", hot, 0, melting
            else:
                stage, end, first, last = "cooling", cold, melting, melting + cooling
            bar.set_description(stage)
            n_steps = min(CHECKPOINT_STEPS, last - step)
            with lammps_instance() as lmp, lammps_input_errors("quench", stage, "atoms that stay together"):
                _load_or_start(lmp, quench, symbols, state)
                # Named after its stage: LAMMPS restores a thermostat from restart data by its name.
                lmp.command(f"fix {stage} all npt temp {hot} {end} {THERMOSTAT_TIME} iso 0.0 0.0 {BAROSTAT_TIME}")
                _run_block(lmp, bar, n_steps, f"start {first} stop {last}")
                state = save_state(lmp)
            step += n_steps
            if checkpoint is not None:
                write_checkpoint(checkpoint, settings, step, state)
    return state


def _load_or_start(lmp: Any, quench: Quench, symbols: list[str], state: bytes | None) -> None:
    if state is None:
        create_atoms(lmp, _random_packing(quench), symbols, quench.potential, table_points=QUENCH_POINTS)
        lmp.command(f"velocity all create {quench.melt_temperature} {quench.velocity_seed} loop geom")
    else:
        load_state(lmp, state)
        set_potential(lmp, symbols, quench.potential, table_points=QUENCH_POINTS)
    lmp.command(f"neighbor {SKIN} bin")
    lmp.command(f"timestep {TIMESTEP}")


def _run_block(lmp: Any, bar: tqdm, steps: int, span: str) -> None:
    for done in range(0, steps, STEPS_AT_ONCE):
        now = min(STEPS_AT_ONCE, steps - done)
        lmp.command(f"run {now} {span} pre {'no' if done else 'yes'} post no")
        bar.update(now * TIMESTEP)


def _relax(lmp: Any) -> None:
    """Relax box and atoms in turn until force and pressure vanish.

    Raises:
        InputError: they do not.
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


def _glass(lmp: Any, symbols: list[str]) -> ase.Atoms:
    low, high, *_ = lmp.extract_box()
    n_atoms = lmp.get_natoms()
    order = np.argsort(lmp.numpy.extract_atom("id")[:n_atoms])
    species = [symbols[number - 1] for number in lmp.numpy.extract_atom("type")[:n_atoms][order]]
    positions = lmp.numpy.extract_atom("x")[:n_atoms][order] - low
    glass = ase.Atoms(species, positions=positions, cell=np.subtract(high, low), pbc=True)
    glass.wrap()
    glass.info["energy_per_atom"] = lmp.get_thermo("pe") / n_atoms
    return glass
