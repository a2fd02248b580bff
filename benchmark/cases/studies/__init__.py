"""What a case runs on a model, a file a study, and what studies share: feeding prompts, scoring answers.

In come a loaded model and what is asked of it; out come a record and the columns that are known once the model has run.
"""
