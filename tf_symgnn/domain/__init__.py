"""The training domain of a model: ranges of structures and labels, and how far a glass is outside them."""
