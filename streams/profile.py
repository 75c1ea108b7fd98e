"""The stage profile on Faust: `faust -A streams.profile worker --without-web`, which is `rtrec stage profile`."""

from rtrec.runtime.cluster.app import stage_app

app = stage_app("profile")
