"""Labelled glasses from a composition: melt and quench, then saddle searches, with LAMMPS."""
