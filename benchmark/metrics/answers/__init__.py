"""How good an answer is: scorers, each a function of the answer's text and the reference texts.

In go texts, out comes a number from 0 to 1. Knows neither models nor traces."""
