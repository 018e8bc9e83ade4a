"""Figures of a summary, drawn with matplotlib and seaborn. Never torch."""
