"""Whole trainings from a table to a folder, and tags taught by examples."""
