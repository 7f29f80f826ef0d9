"""What generates data: tokens, activations, interaction matrices, noise, and the attention model."""

from pairint.model.activations import (
    Activation,
    Cosine,
    Exponential,
    ReLU,
    RoughActivation,
    Tanh,
    spline_activation,
)
from pairint.model.attention import AttentionModel, pair_average, pair_scores
from pairint.model.distance import distance_matrix, distance_rank, distance_tokens
from pairint.model.flow import sphere_flow, tangent_weights, tangential_velocity
from pairint.model.matrices import interaction_matrix, query_key_matrix
from pairint.model.noise import GaussianNoise, Noise, RademacherNoise, UniformNoise
from pairint.model.polynomial import (
    feature_count,
    linear_attention,
    monomial_features,
    polynomial_attention,
)
from pairint.model.splines import Spline, SplineSpace
from pairint.model.tokens import (
    Equicorrelated,
    PermutedPoints,
    Sphere,
    TokenLaw,
    TruncatedGaussian,
    UniformCube,
    score_bound,
)

__all__ = [
    "Activation",
    "AttentionModel",
    "Cosine",
    "Equicorrelated",
    "Exponential",
    "GaussianNoise",
    "Noise",
    "PermutedPoints",
    "RademacherNoise",
    "ReLU",
    "RoughActivation",
    "Sphere",
    "Spline",
    "SplineSpace",
    "Tanh",
    "TokenLaw",
    "TruncatedGaussian",
    "UniformCube",
    "UniformNoise",
    "distance_matrix",
    "distance_rank",
    "distance_tokens",
    "feature_count",
    "interaction_matrix",
    "linear_attention",
    "monomial_features",
    "pair_average",
    "pair_scores",
    "polynomial_attention",
    "query_key_matrix",
    "score_bound",
    "sphere_flow",
    "spline_activation",
    "tangent_weights",
    "tangential_velocity",
]
