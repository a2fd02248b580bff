"""Where models and suites are: what ships with the package, unless the current folder or an option says otherwise."""

from pathlib import Path

PACKAGE = Path(__file__).parents[1]
MODELS = Path("models.yaml")
SUITES = PACKAGE / "suites"
"""The suites that ship with the package; in a checkout a link to `suites/` at its top."""
LOCAL_RESULTS = Path("results/local")
"""Where rows go, in the current folder."""


def model_file(asked: Path | None) -> Path:
    """Return the model file: the one that is asked for, else that of the current folder, else the packaged one."""
    if asked is not None:
        return asked
    return MODELS if MODELS.exists() else PACKAGE / "models.yaml"
