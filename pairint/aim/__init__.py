"""Attention-indexed models: what the labels of a wide layer reveal, and the algorithms that read it."""

from pairint.aim.amp import AMPResult, amp
from pairint.aim.channels import Channel, HardmaxChannel, LinearChannel, SoftmaxChannel, make_channel
from pairint.aim.checks import check_channel, check_prior
from pairint.aim.composed import NoisyChannel, SampledChannel, ScaledChannel, ThresholdChannel
from pairint.aim.fixed_points import FixedPoint, HardPhaseWarning
from pairint.aim.gradient_descent import GradientDescentResult, gradient_descent
from pairint.aim.mismatch import (
    MismatchedStateEvolution,
    StudentError,
    mismatched_state_evolution,
    student_error,
)
from pairint.aim.priors import Prior, WishartPrior
from pairint.aim.spectral import (
    AtomicPrior,
    NoisyLaw,
    PowerLawPrior,
    SemicirclePrior,
    SpectralPrior,
    haar_rotation,
)
from pairint.aim.spectrum import NoisySpectrum
from pairint.aim.state_evolution import (
    StateEvolution,
    exact_recovery_threshold,
    fixed_points,
    large_alpha_error,
    small_width_limit,
    state_evolution,
    weak_recovery_threshold,
)
from pairint.aim.teacher import AIMTeacher
from pairint.aim.trace_penalty import (
    TracePenalised,
    WeightDecay,
    trace_penalised,
    weight_decay,
    weight_decay_threshold,
)
from pairint.aim.untied import (
    UntiedLinearChannel,
    UntiedPrior,
    UntiedSoftmaxChannel,
    untied_amp,
    untied_channel,
)

__all__ = [
    "AIMTeacher",
    "AMPResult",
    "AtomicPrior",
    "Channel",
    "FixedPoint",
    "GradientDescentResult",
    "HardPhaseWarning",
    "HardmaxChannel",
    "LinearChannel",
    "MismatchedStateEvolution",
    "NoisyChannel",
    "NoisyLaw",
    "NoisySpectrum",
    "PowerLawPrior",
    "Prior",
    "SampledChannel",
    "ScaledChannel",
    "SemicirclePrior",
    "SoftmaxChannel",
    "SpectralPrior",
    "StateEvolution",
    "StudentError",
    "ThresholdChannel",
    "TracePenalised",
    "UntiedLinearChannel",
    "UntiedPrior",
    "UntiedSoftmaxChannel",
    "WeightDecay",
    "WishartPrior",
    "amp",
    "check_channel",
    "check_prior",
    "exact_recovery_threshold",
    "fixed_points",
    "gradient_descent",
    "haar_rotation",
    "large_alpha_error",
    "make_channel",
    "mismatched_state_evolution",
    "small_width_limit",
    "state_evolution",
    "student_error",
    "trace_penalised",
    "untied_amp",
    "untied_channel",
    "weak_recovery_threshold",
    "weight_decay",
    "weight_decay_threshold",
]
