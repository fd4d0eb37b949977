"""A ridge regression on power spectra: descriptors, regression, and the model made of them."""
