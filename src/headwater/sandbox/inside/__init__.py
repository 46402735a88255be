"""What runs inside a sandbox, and the process that starts them. It imports nothing of ours but itself: the less is in there, the better."""
