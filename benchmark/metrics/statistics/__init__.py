"""From values of tokens to numbers of a case: means over groups, intervals over prompts, halves that judge each other,
what is there by chance.

In go arrays of tokens, out come numbers. Knows no trace."""
