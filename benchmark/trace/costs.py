"""What kind of model it is, and what one decoded token costs in each of its layers.

A token is one text of batch 1; everything is bytes of weights and FLOPs of products with weights. What depends on the
length of the text, such as the attention scores, is not counted. `benchmark.anatomy.token_costs` reads it off a model.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, cast

Task = Literal["causal", "encoder-decoder", "masked"]
"""How a language model is run: it continues its input, reads it and writes, or fills in masked positions."""
Architecture = Literal["dense", "moe", "ssm", "hybrid", "encoder-decoder", "encoder"]
Mixer = Literal["attention", "recurrent", "attention+recurrent", "none"]


@dataclass(frozen=True)
class LayerCost:
    """What one layer is, and what one decoded token costs in it."""

    mixer: Mixer
    """How positions see each other: keys and values that grow, a state of constant size, both, or not at all."""
    experts: bool
    """Whether a token uses only some of the weights, by a router's choice."""
    weight_bytes: int
    """Parameter bytes read; of experts, those of the active ones."""
    flops: int
    """2 × elements of the weight matrices read: one multiplication and one addition each."""
    owed_bytes: int | None
    """Parameter bytes that the layer's cache needs even if the layer is skipped: key and value projections with the
    norm before them, or what updates a recurrent state. 0 without a cache; None where a kernel shows no gradient."""
    owed_flops: int | None
    """2 × elements of the weight matrices among them."""
    active_expert_bytes: int = 0
    """Of `weight_bytes`, those of the experts that the token's router chose; several tokens at once read more."""
    expert_bytes: int = 0
    """Parameter bytes of all experts that a router chooses among; no number of tokens reads more."""

    def bytes_of(self, tokens: int) -> int:
        """Return the parameter bytes read for so many tokens in one pass, none of whose experts are the same.

        Of experts that is the most there can be: min(all of them, `tokens` times the active ones).
        """
        return self.weight_bytes - self.active_expert_bytes + min(self.expert_bytes, tokens * self.active_expert_bytes)

    @property
    def kind(self) -> str:
        """In one word: attention, recurrent or both, mlp; `+moe` if it has experts, moe if that is all it has."""
        if self.mixer == "none":
            return "moe" if self.experts else "mlp"
        return f"{self.mixer}+moe" if self.experts else self.mixer


@dataclass(frozen=True)
class Costs:
    """What a model is made of, and what one decoded token costs."""

    layers: tuple[LayerCost, ...]
    """In the order in which they run."""
    head_bytes: int
    """Parameter bytes read behind the stack: final norm, projections, output head."""
    head_flops: int
    """2 × elements of the weight matrices among them."""
    embedding_bytes: int
    """Parameter bytes read before the stack: of a table one row, of anything else all."""
    embedding_flops: int
    """2 × elements of the weight matrices among them; 0 if there are only tables and norms."""
    parameters: int
    """Elements of all parameters, tied ones once."""
    active_parameters: int
    """The same without the experts that one token does not use."""
    vocab_size: int
    """Length of a logit vector."""
    task: Task = "causal"
    """How the model is run."""

    @property
    def token_bytes(self) -> int:
        """Parameter bytes read for one decoded token: embedding, all layers, head."""
        return self.embedding_bytes + sum(layer.weight_bytes for layer in self.layers) + self.head_bytes

    @property
    def recurrent(self) -> bool:
        """Whether some layer carries a state from token to token; such a model must never see padding."""
        return any("recurrent" in layer.mixer for layer in self.layers)


def architecture(task: Task, costs: Costs) -> Architecture:
    """What family of models this is: by its task, then by its state, then by its experts."""
    if task != "causal":
        return "encoder" if task == "masked" else task
    if costs.recurrent:
        return "hybrid" if any("attention" in layer.mixer for layer in costs.layers) else "ssm"
    return "moe" if any(layer.experts for layer in costs.layers) else "dense"


def cost_columns(costs: Costs | None) -> dict[str, Any]:
    """What a token costs, layer by layer; nothing without costs. What is owed is None unless every layer shows it."""
    if costs is None:
        return {}
    layers = costs.layers
    observed = all(layer.owed_bytes is not None for layer in layers)
    return {
        "layer_kind": [layer.kind for layer in layers],
        "layer_bytes": [layer.weight_bytes for layer in layers],
        "layer_flops": [layer.flops for layer in layers],
        "layer_owed_bytes": [layer.owed_bytes for layer in layers] if observed else None,
        "layer_owed_flops": [layer.owed_flops for layer in layers] if observed else None,
        "layer_active_expert_bytes": [layer.active_expert_bytes for layer in layers],
        "layer_expert_bytes": [layer.expert_bytes for layer in layers],
        "head_bytes": costs.head_bytes,
        "head_flops": costs.head_flops,
        "embedding_bytes": costs.embedding_bytes,
        "embedding_flops": costs.embedding_flops,
    }


def costs_of_columns(known: Mapping[str, Any]) -> Costs | None:
    """The costs that `cost_columns` gave; None if there are none.

    Args:
        known: columns of a row, these among them.
    """
    if known["layer_bytes"] is None:
        return None
    unknown = [None] * len(known["layer_bytes"])
    layers = zip(
        known["layer_kind"],
        known["layer_bytes"],
        known["layer_flops"],
        known["layer_owed_bytes"] or unknown,
        known["layer_owed_flops"] or unknown,
        known["layer_active_expert_bytes"],
        known["layer_expert_bytes"],
        strict=True,
    )
    return Costs(
        layers=tuple(LayerCost(*_mixer_and_experts(kind), *costs) for kind, *costs in layers),
        **{field.name: known[field.name] for field in fields(Costs) if field.name not in ("layers", "task")},
        task=_TASKS.get(known["architecture"], "causal"),
    )


_TASKS: dict[str | None, Task] = {"encoder": "masked", "encoder-decoder": "encoder-decoder"}
"""Of the families that are named by their task."""


def _mixer_and_experts(kind: str) -> tuple[Mixer, bool]:
    """What `LayerCost.kind` was made of."""
    mixer = kind.removesuffix("moe").removesuffix("+")
    return "none" if mixer in ("", "mlp") else cast(Mixer, mixer), kind.endswith("moe")
