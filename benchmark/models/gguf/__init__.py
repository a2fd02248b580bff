"""GGUF files: where packages carry them, what is in them, and their conversion, refused where it is another model."""
