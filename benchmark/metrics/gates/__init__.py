"""Real exit rules, judged on the full model's own text: each sees a signal at a layer, and leaves when it is sure.

In go signals of a trace, out come exits at every threshold, and the thresholds that keep enough tokens."""
