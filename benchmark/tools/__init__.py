"""A shed: tiny random models, the survey of architectures, what measuring costs."""
