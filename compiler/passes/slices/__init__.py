"""Which slices of which axes matter: zeros found forward, demand found backward, and the smaller graph built from both."""
