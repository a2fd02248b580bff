"""What the card of a line says: where its weights came from, what they are stored in, what measured them, and when."""

from collections.abc import Iterator

from benchmark.report.board.lines import Line
from benchmark.report.leaderboard.columns import billions
from benchmark.results.row import Row

TITLES = (
    *("model", "source", "revision", "made from", "family", "released", "kind", "parameters", "layers", "vocabulary"),
    *("computed in", "stored as", "quantization", "device", "accelerator", "measured", "harness", "software", "alpha"),
)
"""What a card tells, in its order."""


def card(line: Line) -> tuple[str, ...]:
    """Return what there is to say under each of `TITLES`; empty where it is not known."""
    row = line.newest
    return (
        row.model,
        row.source or "",
        row.revision or "",
        row.base_model or "",
        row.family or "",
        row.released or "",
        f"{row.architecture or ''} {row.stage or ''}".strip(),
        _parameters(row),
        str(row.num_layers or ""),
        str(row.vocab_size or ""),
        row.dtype or "",
        row.stored_as or "",
        row.quantization or "",
        row.device or "",
        row.accelerator or "",
        row.started,
        _harness(row),
        f"torch {row.torch_version}, transformers {row.transformers_version}, Python {row.python_version}, "
        f"{row.platform}",
        f"{row.alpha:g}",
    )


def summary(line: Line) -> str:
    """Return in a few words what a model is, such as `dense instruct, 0.135 B, 30 layers, float32`."""
    return ", ".join(_few_words(line.newest))


def _few_words(row: Row) -> Iterator[str]:
    kind = f"{row.architecture or ''} {row.stage or ''}".strip()
    if kind:
        yield kind
    if row.parameters is not None:
        yield billions(row.parameters)
    if row.num_layers is not None:
        yield f"{row.num_layers} layers"
    if row.precision is not None:
        yield row.precision
    if row.limited:
        yield "limited"


def _parameters(row: Row) -> str:
    if row.parameters is None:
        return ""
    active = row.active_parameters
    return billions(row.parameters) + ("" if active in (None, row.parameters) else f", {billions(active)} active")


def _harness(row: Row) -> str:
    commit = f", commit {row.harness_commit[:12]}" if row.harness_commit else ""
    return f"ExitBench {row.harness_version}{commit}" + (", changed" if row.harness_dirty else "")
