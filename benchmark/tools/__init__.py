"""A shed: tiny random models, the survey of architectures, what measuring costs, what has to be seen on a GPU."""
