"""The pictures of the chapters, a module for each chapter or two, and the look they share.

Each function computes what it shows and returns a figure, drawn in the style of
:mod:`pairint.figures.style`.
"""
