"""The command line: Docker's verbs with Docker's words, and Ligan's own."""
