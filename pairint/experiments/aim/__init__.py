"""The experiments on attention-indexed models: Bayes-optimal error, message passing, gradient descent."""
