"""SavedModel export and what predicts by it, prediction on files, and a server, which needs nothing of the others."""
