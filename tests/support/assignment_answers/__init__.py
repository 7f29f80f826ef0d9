"""Answers to the assignments: for each, plausible mistakes, unusual right ones, and a wrong submission."""

from assignment_answers import (
    coercivity,
    exploration_measure,
    honest_rate,
    least_squares,
    lower_bound,
    read_a_head,
    recovery_threshold,
)

__all__ = ["ANSWERS"]

ANSWERS = {
    "coercivity": coercivity,
    "exploration_measure": exploration_measure,
    "honest_rate": honest_rate,
    "least_squares": least_squares,
    "lower_bound": lower_bound,
    "read_a_head": read_a_head,
    "recovery_threshold": recovery_threshold,
}
