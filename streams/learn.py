"""The stage learn on Faust: `faust -A streams.learn worker --without-web`, which is `rtrec stage learn`."""

from rtrec.runtime.cluster.app import stage_app

app = stage_app("learn")
