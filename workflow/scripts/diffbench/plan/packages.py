"""The packages that the scripts of rules need in the Python that runs Snakemake, if conda makes no environment for them."""

import sys

from diffbench.catalogue.yaml_file import read_yaml
from diffbench.libraries.versions import package_version
from diffbench.vocabulary.errors import SetupError

MISSING = (
    "{first}{more} not installed in {python}, and tables and figures need {them}; "
    "`pip install -r requirements.txt` installs {them}, or add --use-conda"
)


def check_packages(environment, version_of=package_version):
    """Raises SetupError if a package of an environment file is not installed here."""
    names = [pin.partition("==")[0] for pin in read_yaml(environment)["dependencies"][-1]["pip"]]
    missing = [name for name in names if not version_of(name)]
    if missing:
        more = f" and {len(missing) - 1} other packages are" if missing[1:] else " is"
        them = "them" if missing[1:] else "it"
        raise SetupError(MISSING.format(first=missing[0], more=more, python=sys.executable, them=them))
