"""Early exit for real: texts that go on from what a gate's exit says, and deeper layers that know what a policy gives.

In come a model, prompts, a rule (`Rule`) and a policy; out come the tokens of every text with the layer that each left
at. `on_generate` runs in batches with a cache, `without_cache` alone and without one; the second is what the first is
held against, at load, by `proof`; `decode` chooses between them. It must not know how texts are scored.
"""
