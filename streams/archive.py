"""The stage archive on Faust: `faust -A streams.archive worker --without-web`, which is `rtrec stage archive`."""

from rtrec.runtime.cluster.app import stage_app

app = stage_app("archive")
