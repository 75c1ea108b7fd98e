"""The stages of a cluster as Faust applications, one a file."""
