"""Between texts and token ids: prompts are encoded, words are found in what is generated, stop strings end it.

In go prompts and ids, out come ids and texts. Runs no model."""
