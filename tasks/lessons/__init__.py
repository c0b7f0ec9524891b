"""Lessons: what optimization does, measured on problems whose answer is known, and checked against theory."""
