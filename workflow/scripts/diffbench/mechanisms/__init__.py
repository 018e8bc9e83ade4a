"""The optimizations that variants consist of, one file each. Imports neither torch nor Diffusers at the top; Python 3.8."""
