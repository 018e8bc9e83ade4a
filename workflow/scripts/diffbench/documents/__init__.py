"""The marked sections of Markdown files, filled from the data. Never torch."""
