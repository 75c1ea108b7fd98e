"""The stage label on Faust: `faust -A streams.label worker --without-web`, which is `rtrec stage label`."""

from rtrec.runtime.cluster.app import stage_app

app = stage_app("label")
