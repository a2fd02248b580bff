"""The text of the smoke version, made once."""

from pathlib import Path

import pytest

from examples.zoo.__main__ import prepare
from examples.zoo.entries import read_zoo

SMOKE = Path(__file__).parents[2] / "examples" / "zoo" / "smoke.yaml"


@pytest.fixture(scope="session")
def zoo_text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the text, as `prepare` fills it. Shared by all tests: copy it before changing anything."""
    folder = tmp_path_factory.mktemp("zoo") / "text"
    prepare(read_zoo(SMOKE), folder)
    return folder
