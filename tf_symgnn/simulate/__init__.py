"""Labelled glasses from nothing but a composition: melt and quench, then saddle searches, with LAMMPS."""
