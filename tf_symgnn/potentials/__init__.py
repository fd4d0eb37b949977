"""Embedded-atom potentials from LAMMPS tables: energies, forces, stress and Hessians, without LAMMPS."""
