"""The commands that need the extra `lm-eval`: its own command line with our models, and what layers say of choices."""
