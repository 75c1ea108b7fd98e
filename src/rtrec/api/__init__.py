"""The HTTP API: one file per resource, over what a host serves; shapes are the contract's."""
