"""A platform that does not exist: viewers with tastes, anchors with charm, and an app between them.

`world` and `crowd` are pure and seeded, and read no clock; `simulation` makes a stream of them for
`rtrec simulate`; `platform`, `incidents` and `screen` are the shell around them for `rtrec demo`.
"""
