"""The application over a fake host, asked without a network."""

import asyncio
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from rtrec.adapters.prometheus import registry
from rtrec.api.app import create_app
from rtrec.settings import Settings
from tests.unit.api.fake import FakeHost, FakeServing


class AppClient:
    """Requests to an application in this process, one at a time."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    def request(self, method: str, path: str, **given: Any) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                return await client.request(method, path, **given)

        return asyncio.run(ask())

    def get(self, path: str, **given: Any) -> httpx.Response:
        return self.request("GET", path, **given)

    def post(self, path: str, **given: Any) -> httpx.Response:
        return self.request("POST", path, **given)

    def put(self, path: str, **given: Any) -> httpx.Response:
        return self.request("PUT", path, **given)

    def delete(self, path: str) -> httpx.Response:
        return self.request("DELETE", path)


@pytest.fixture
def host() -> FakeHost:
    return FakeHost()


@pytest.fixture
def serving(host: FakeHost) -> FakeServing:
    return host.serving


@pytest.fixture
def client(host: FakeHost) -> AppClient:
    return AppClient(create_app(host, registry(CollectorRegistry()), Settings()))
