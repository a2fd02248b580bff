"""lm-evaluation-harness meets a model of ours: our decoding under its tasks, and what each layer says of its choices.

In go a loaded model and a task's requests, out come texts and log-likelihoods; their worth is the task's doing.
Needs the extra `lm-eval`. Knows no command line."""
