"""Write envs/*.yaml from envs/releases.yaml, every package pinned: `make environments`."""

import sys

from diffbench.commands.pin_environments import main

if __name__ == "__main__":
    sys.exit(main())
