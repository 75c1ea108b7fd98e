"""The stage heat on Faust: `faust -A streams.heat worker --without-web`, which is `rtrec stage heat`."""

from rtrec.runtime.cluster.app import stage_app

app = stage_app("heat")
