"""A controlled zoo: small models of one size, one tokenizer, one text and one number of steps, trained and measured.

`zoo.yaml` lists them. `corpus` finds the text and `excerpts` cuts prompts and instructions out of it, `tokens` makes
numbers of it, `architectures` builds models of equal size, `training` trains one (`layerskip` has the exit loss),
`measuring` hands what has learned to the benchmark, `seeds` holds variants against each other, and
`python -m examples.zoo` does it all.
"""
