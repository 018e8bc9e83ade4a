"""Rule `ceiling`: measure the ceilings of the device."""

import os
import sys

sys.path.insert(0, __file__.rpartition(os.sep)[0])

from diffbench.system import search_path  # noqa: F401, I001

if __name__ == "__main__":
    from diffbench.system import program_start

    program_start.begin()

from diffbench.commands.ceiling import main
from diffbench.system.program_end import leave

if __name__ == "__main__":
    leave(main())
