"""The application: every resource's routes over one host."""

from importlib.metadata import version
from typing import Final

from fastapi import FastAPI
from fastapi.responses import HTMLResponse

from rtrec.adapters.prometheus import Collector
from rtrec.api import anchors, events, health, hot, metrics, models, openapi, page, problems, recommend, score, users
from rtrec.api.middleware import Observed
from rtrec.api.serving import Host
from rtrec.settings import Settings

ABOUT = """\
Events in, scores out: producers post what happens, apps ask for scores and recommendations, operators look and decide.

Times are Unix epoch milliseconds, money is integer minor units, ids are strings of 1 to 128 characters (an integer is
taken as its decimal string). Every error is an `application/problem+json` document (RFC 9457); every answer carries
`x-request-id`, yours if you send one.
"""

RESOURCES: Final = (events, score, recommend, hot, anchors, users, models, health, metrics)


def create_app(host: Host, collectors: dict[str, Collector], settings: Settings) -> FastAPI:
    """Make the application.

    Parameters
    ----------
    host: runs the stages, and serves what they know.
    collectors: `adapters.prometheus.registry(…)`, as `/metrics` shows them.
    settings: how far in the future an event may lie.
    """
    app = FastAPI(
        title="rtrec",
        version=version("rtrec-live"),
        description=ABOUT,
        redirect_slashes=False,
        redoc_url=None,
        docs_url=None,
    )
    app.state.host, app.state.metrics, app.state.settings = host, collectors, settings
    for resource in RESOURCES:
        app.include_router(resource.router)
    problems.install(app)
    app.add_middleware(Observed, metrics=collectors)
    described = [route for resource in RESOURCES for route in resource.router.routes]
    app.openapi = lambda: openapi.document(app, described)  # type: ignore[method-assign] # FastAPI's documented way
    app.add_api_route("/docs", lambda: HTMLResponse(page.page(app.openapi())), include_in_schema=False)
    return app
