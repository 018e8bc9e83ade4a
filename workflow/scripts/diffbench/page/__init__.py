"""The reader's page: one HTML file of a dataset. Never torch."""
