"""The tester's side of a connection: it sends what a step says, and answers what it is asked."""
