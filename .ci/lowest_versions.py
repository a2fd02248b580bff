"""Print the lowest version of every dependency that pyproject.toml declares, as constraints for pip.

Names given as arguments are left out, and so keep whatever version pip takes.
"""

import re
import sys
import tomllib
from pathlib import Path

_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)\s*>=\s*([0-9][0-9a-z.]*)")


def lowest(pyproject: Path) -> dict[str, str]:
    """Return the lowest version of each dependency by its name, the development ones too."""
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    declared = [*project["dependencies"], *(one for more in project["optional-dependencies"].values() for one in more)]
    found = {}
    for requirement in declared:
        match = _REQUIREMENT.match(requirement)
        if match is None:
            raise SystemExit(f"{pyproject}: {requirement}: declares no lowest version; write name>=version")
        found[match[1]] = match[2]
    return found


if __name__ == "__main__":
    for name, version in lowest(Path(__file__).parents[1] / "pyproject.toml").items():
        if name not in sys.argv[1:]:
            print(f"{name}=={version}")
