"""Where the layers of a model are, and what each costs, found by watching it run.

In goes a model of transformers, out come its layers, the states between them, and costs. Knows no
list of class names."""
