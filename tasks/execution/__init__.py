"""What a plan says is done here: stacks are trained and recorded, a search goes on round by round."""
