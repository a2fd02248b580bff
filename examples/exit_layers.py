"""Where could each token have exited? A table of the tokens of a few prompts, and what it comes to.

Run it with `python examples/exit_layers.py`, with prompts of your own behind it if you like.
"""

import sys

import pandas as pd

from benchmark import load

PROMPTS = ["The capital of France is", "def fibonacci(n):"]
SHOWN = {
    "exit_layer_mean": "mean exit layer: the token is there",
    "exit_layer_settled_mean": "mean settled exit layer: it is there to stay",
    "skip_ratio": "share of the layers a perfect rule skips",
    "skip_ratio_chance": "the same by chance, of a shuffled text",
    "eas": "EAS, how early the layers approach the output",
    "speedup_bound_layers": "upper bound of the speedup: layers alone",
    "speedup_bound_head": "… with the output head",
    "speedup_bound_kv": "… and with what skipped layers owe the cache",
}


def main(prompts: list[str]) -> None:
    """Measure the embedded model and print what comes of it."""
    model = load("SmolLM2-135M-Instruct")
    trace = model.trace(prompts, max_new_tokens=16)
    columns, tokens = trace.columns(), trace.tokens()
    layers = columns["num_layers"]

    # A bar as long as the token is deep: full where the first match is, light up to where it has settled.
    for number, some in tokens.groupby("prompt"):
        print(f"\n{prompts[number]!r}\n")
        for token in some.itertuples():
            bar = "█" * token.exit_layer + "░" * (token.exit_layer_settled - token.exit_layer)
            print(f"  {token.text!r:>14} {token.exit_layer:>3} {token.exit_layer_settled:>3}  {bar:{layers}}|")

    print(f"\n{columns['model']}: {layers} layers, {columns['tokens']} tokens, {columns['dtype']}\n")
    print(pd.Series({text: columns[name] for name, text in SHOWN.items()}, dtype=float).round(3).to_string())


if __name__ == "__main__":
    main(sys.argv[1:] or PROMPTS)
