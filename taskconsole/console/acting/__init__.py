"""From a key to a command: what it is done to, what it would do, the question, the answer, and the way back."""
