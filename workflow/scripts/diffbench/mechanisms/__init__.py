"""The optimizations that a variant is made of, one file each. Imports neither torch nor Diffusers at the top; Python 3.8."""
