"""Files, folders, streams, signals, the environment and NVIDIA's driver. Standard library, Python 3.8."""
