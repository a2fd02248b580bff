"""A prompt: what is put to a model, and what a good answer would be."""

import hashlib
import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from benchmark.inputs.fields import Stop
from benchmark.inputs.yaml_reader import Strict

Role = Literal["system", "user", "assistant"]


class Turn(Strict):
    """One message of a conversation."""

    role: Role
    content: str


class Continuation(Strict):
    """A text that was given behind a prompt, as letters, as token ids of the model, or as both, which then agree."""

    text: Annotated[str, Field(min_length=1)] | None = None
    token_ids: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _has_something(self) -> Self:
        if self.text is None and self.token_ids is None:
            raise ValueError("a given text needs letters or token ids")
        return self


class Prompt(Strict):
    """One prompt, as plain data."""

    id: str
    """Tells it from the other prompts of its workload."""
    messages: str | tuple[Turn, ...]
    """A text, or the turns of a conversation."""
    targets: tuple[str, ...] = ()
    """Reference answers; none where an answer is not scored. Of code, the tests that it has to pass, all of them."""
    stop: tuple[Stop, ...] = ()
    """Strings that end the answer, as an end of text does."""
    given: Continuation | None = None
    """The text behind it, where it is not the model that writes one."""

    @model_validator(mode="after")
    def _has_text(self) -> Self:
        texts = [self.messages] if isinstance(self.messages, str) else [turn.content for turn in self.messages]
        # A text may be given with nothing before it.
        if not texts or not (texts[-1].strip() or (self.messages == "" and self.given)):
            raise ValueError("a prompt must end with a text that is not empty")
        return self

    @property
    def text(self) -> str:
        """The text for people to read; of a conversation, its turns one below the other."""
        return self.messages if isinstance(self.messages, str) else "\n".join(turn.content for turn in self.messages)

    @property
    def turns(self) -> list[dict[str, str]]:
        """The conversation as chat templates take it; a text is one turn of the user."""
        if isinstance(self.messages, str):
            return [{"role": "user", "content": self.messages}]
        return [{"role": turn.role, "content": turn.content} for turn in self.messages]


def prompts_sha256(prompts: Sequence[Prompt]) -> str:
    """Return the SHA-256 of what prompts put to a model: texts or turns, and what ends an answer.

    Reference answers are no part of it, because they change nothing that is captured.
    """
    return hashlib.sha256(json.dumps([_put(prompt) for prompt in prompts]).encode()).hexdigest()


def targets_sha256(prompts: Sequence[Prompt]) -> str | None:
    """Return the SHA-256 of the reference answers of prompts; None where no prompt has one."""
    targets = [prompt.targets for prompt in prompts]
    return hashlib.sha256(json.dumps(targets).encode()).hexdigest() if any(targets) else None


def texts_sha256(prompts: Sequence[Prompt]) -> str | None:
    """Return the SHA-256 of the texts that were given behind prompts; None where none was."""
    given = [prompt.given and (prompt.given.token_ids or prompt.given.text) for prompt in prompts]
    return hashlib.sha256(json.dumps(given).encode()).hexdigest() if any(given) else None


def _put(prompt: Prompt) -> Any:
    messages = prompt.messages if isinstance(prompt.messages, str) else prompt.turns
    return {"messages": messages, "stop": prompt.stop} if prompt.stop else messages
