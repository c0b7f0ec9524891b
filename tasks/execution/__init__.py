"""Carries out a plan: trains and records its stacks, and runs a search round by round."""
