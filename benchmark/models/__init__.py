"""From an entry to weights on a device, or to the reason why it cannot run here.

In go entries and settings, out come files, then a model of transformers. Knows nothing of layers."""
