"""The experiments on learning pairwise interactions: rates, smoothness, dimension, trained networks."""
