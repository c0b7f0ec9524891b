"""Lessons about optimization, measured on problems with a known answer and checked against theory."""
