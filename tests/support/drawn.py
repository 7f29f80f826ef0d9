"""Models and data as users have them, drawn from a seed."""

import numpy as np

from pairint.model import AttentionModel, GaussianNoise, Tanh, UniformCube, interaction_matrix


def draw(seed=0, d=5, rank=1, n_tokens=3, n_samples=600, noise=0.2, activation=None, law=None):
    """Return a model, its tokens and its outputs."""
    rng = np.random.default_rng(seed)
    matrix = interaction_matrix(d, rank, rng)
    model = AttentionModel(activation or Tanh(2.0), matrix, law or UniformCube(d), GaussianNoise(noise))
    return model, *model.sample(n_samples, n_tokens, rng)
