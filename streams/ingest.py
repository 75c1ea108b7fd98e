"""The stage ingest on Faust: `faust -A streams.ingest worker --without-web`, which is `rtrec stage ingest`."""

from rtrec.runtime.cluster.app import stage_app

app = stage_app("ingest")
