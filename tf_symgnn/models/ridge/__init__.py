"""Ridge regression on power spectra: principal components, neighborhood averages, solver and model."""
