"""A model as it was run: what rows must have in common to be of one line, and what is paired when two are compared."""

from typing import NamedTuple

from benchmark.results.row import Row


class Setting(NamedTuple):
    """What was loaded, and where it ran."""

    model: str
    dtype: str | None
    quantization: str | None
    device: str | None
    revision: str | None
    source: str | None

    @property
    def run(self) -> tuple[str | None, str | None, str | None]:
        """How it was run, whatever the model is."""
        return self.dtype, self.quantization, self.device

    def __str__(self) -> str:
        """The model, and how it was run."""
        how = ", ".join(filter(None, self.run))
        return f"{self.model} ({how})" if how else self.model


def setting_of(row: Row) -> Setting:
    """Return the setting of a row."""
    return Setting(row.model, row.dtype, row.quantization, row.device, row.revision, row.source)
