"""The process tree: a supervisor that holds the project, its roles, their locks, and the socket jobs are sent through."""
