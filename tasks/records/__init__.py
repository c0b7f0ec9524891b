"""What a run writes: its tables, plan.json and verdict.json, each with one writer and one reader."""
