"""
The start: the checks before the config is read, and the last line that is printed. Makes no files.

BASE is the project's folder, ENDING prints the last line.
"""

import sys
import time
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger
from snakemake.utils import min_version

STARTED = time.time()
try:
    min_version("9.17")
except WorkflowError as error:
    sys.exit(f"error: {error}; `pip install -r requirements.txt` installs one")

BASE = Path(workflow.current_basedir).parents[1]
sys.path.insert(0, str(BASE / "workflow" / "scripts"))

from diffbench.system.printing import print_anywhere
from diffbench.terminal import last_line
from diffbench.terminal.project_checks import check_configs, check_project, exit_with_reason, remove_variables

with exit_with_reason():
    check_project(BASE, workflow.main_snakefile)

print_anywhere()
ENDING = last_line.watch(
    logger,
    verbose=workflow.output_settings.verbose,
    main=workflow.is_main_process or workflow.remote_exec,
    rules=lambda: [rule.name for rule in workflow.rules],
)
if workflow.is_main_process:
    last_line.interruptible()

remove_variables()
with exit_with_reason():
    check_configs(BASE, workflow.config_settings.configfiles)
