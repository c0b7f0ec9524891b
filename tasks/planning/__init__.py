"""From spec to plan: recipes, what is searched in them, their trials, how these are divided into stacks."""
