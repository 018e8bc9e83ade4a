"""Rule `environment`: check the environment of a torch build, or build it with uv."""

import sys

from diffbench.commands.environment import main

if __name__ == "__main__":
    sys.exit(main())
