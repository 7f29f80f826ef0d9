"""Runs cells of computation so that nothing is lost; knows no experiment by name."""
