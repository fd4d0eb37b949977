"""SavedModel export, prediction on files, and a server of exports, which needs nothing of the other two."""
