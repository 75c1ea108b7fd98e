"""The shells of a cluster: workers of owners, the Faust host that feeds them, what scorers follow."""
