"""The experiments of the part beyond both papers."""
