"""Ridge regression on power spectra and their averages over the neighbourhood."""
