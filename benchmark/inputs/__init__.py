"""What a person asks for: entries of models and workloads, prompts, settings.

In go YAML and data files, out come plain frozen objects, or one line that says what is wrong.
Knows no model and no torch."""
