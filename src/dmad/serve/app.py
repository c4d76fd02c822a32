"""The web application of the console."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp

from dmad.errors import DmadError
from dmad.serve.console import Console
from dmad.serve.inspection import BusyError
from dmad.serve.pages import page_routes, render
from dmad.serve.rest import NotFoundError, rest_routes
from dmad.serve.security import Guard, Sessions
from dmad.serve.uploads import UploadError

logger = logging.getLogger(__name__)

STATUS_PERIOD = 0.5  # seconds between two live messages about all cameras
ABOUT = (
    "Cameras, events and inspected parts. Answers are JSON, except where a path names another "
    'format. An error is `{"error": "what is wrong, and what to do"}`.'
)


def create_app(console: Console) -> ASGIApp:
    """Return the web application of a console. `Guard` refuses requests that are not allowed."""
    sessions = Sessions(console.token)
    app = FastAPI(
        title="dmad serve",
        description=ABOUT,
        version="1",
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
        lifespan=_lifespan(console),
    )
    app.include_router(rest_routes(console))
    app.include_router(page_routes(console, sessions))
    _add_error_handlers(app, console)
    local_only = console.settings.is_local and not console.token
    return Guard(app, sessions, local_only)


def _lifespan(
    console: Console,
) -> Callable[[FastAPI], contextlib.AbstractAsyncContextManager[None]]:
    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        task = asyncio.create_task(_send_status(console))
        try:
            yield
        finally:
            console.hub.close()
            task.cancel()

    return lifespan


async def _send_status(console: Console) -> None:
    """Send the state of all cameras to all open pages, once per `STATUS_PERIOD`.

    Nothing is sent while no page is open.
    """
    while True:
        await asyncio.sleep(STATUS_PERIOD)
        if console.hub.clients and console.watches:
            try:
                console.hub.publish("status", await run_in_threadpool(console.watch.status))
            except Exception:
                logger.exception("the state of the cameras could not be sent")


def _add_error_handlers(app: FastAPI, console: Console) -> None:
    def answer(request: Request, status: int, message: str) -> Response:
        wants_page = "text/html" in request.headers.get("accept", "")
        if wants_page and not request.url.path.startswith("/api/"):
            page: HTMLResponse = render(
                console, "error.html", page="", status=status, message=message
            )
            page.status_code = status
            return page
        body = json.dumps({"error": message}).encode()
        return Response(body, status, media_type="application/json")

    async def refused(request: Request, error: Exception) -> Response:
        status = 400
        if isinstance(error, UploadError):
            status = error.status
        elif isinstance(error, NotFoundError):
            status = 404
        elif isinstance(error, BusyError):
            status = 503
        response = answer(request, status, str(error))
        if status == 503:
            response.headers["retry-after"] = "1"
        return response

    async def wrong_request(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        parts = []
        for one in error.errors()[:3]:
            in_body = one["loc"][1:] if one["type"] != "json_invalid" else ()
            place = ".".join(str(part)[:40] for part in in_body) or "the body"
            parts.append(f"{place}: {one['msg'][:120]}")
        return answer(request, 422, f"{'; '.join(parts)}; see /api")

    async def http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        texts = {
            404: "there is nothing at this address; see /api",
            405: "this method is not allowed at this address; see /api",
        }
        response = answer(request, error.status_code, texts.get(error.status_code, error.detail))
        response.headers.update(error.headers or {})
        return response

    async def gone(request: Request, error: Exception) -> Response:
        return Response(status_code=400)

    async def failed(request: Request, error: Exception) -> Response:
        return JSONResponse(
            {"error": "the request has failed; the log of dmad serve says why"}, 500
        )

    handlers: dict[type[Exception], Callable[[Request, Exception], Awaitable[Response]]] = {
        DmadError: refused,
        RequestValidationError: wrong_request,
        HTTPException: http_error,
        ClientDisconnect: gone,
        Exception: failed,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)
