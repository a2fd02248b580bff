"""From the states of layers to what the model's own readout says of them, exactly and cheaply, with the proof.

In go states, out come readings of tokens × layers. Knows nothing of how tokens were decoded."""
