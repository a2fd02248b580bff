"""How large the portions are in which tokens are read out: as large as the memory of a device makes cheap.

On a CPU what is computed has to stay in its caches. Elsewhere each portion costs launches and waits, so that sixteen
times as much at once took a fifth of the time, on an H100 (docs/performance.md). Memory is bounded either way.
"""

from dataclasses import dataclass

import torch

_MIB = 1024**2


@dataclass(frozen=True)
class Portions:
    """Sizes of what is held and computed at once."""

    waiting_bytes: int
    """States of tokens that wait to be read out."""
    waiting_tokens: int
    """Tokens that wait, at most."""
    logits_bytes: int
    """Logits of one product, in float32."""
    vocabulary: int
    """Tokens of the vocabulary in one product of a screen."""


_CPU = Portions(16 * _MIB, 512, 30 * _MIB, 4096)
_OTHER = Portions(256 * _MIB, 8192, 480 * _MIB, 65_536)


def portions_of(device: torch.device) -> Portions:
    """Return the sizes for a device."""
    return _CPU if device.type == "cpu" else _OTHER
