"""Returns the pages of the console as HTML."""

from __future__ import annotations

import asyncio
import time
from functools import cache
from typing import Annotated, Any
from urllib.parse import parse_qs, urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined

from dmad.drawing.page import page_style, text_of
from dmad.files import size_text
from dmad.serve.bodies import Number
from dmad.serve.camera_watch import recent_scores, status_of
from dmad.serve.console import Console
from dmad.serve.event_rows import MARKS, PAGE, EventFilter
from dmad.serve.page_data import shown_event, shown_part, timeline_of
from dmad.serve.rest import found, histogram_for, station_of, today
from dmad.serve.security import COOKIE, SESSION, Sessions
from dmad.serve.texts import PACKAGE, text, texts
from dmad.watch.event_media import CLIPS

SCRIPTS = ("common.js", "live.js", "cameras.js", "camera.js", "events.js", "event.js", "inspect.js")
KINDS = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
LOGIN_PAUSE = 0.5  # seconds until the answer to a wrong token
MOST_PARTS = 300  # parts on the page of inspection
Short = Annotated[str, Query(max_length=200)]


@cache
def environment() -> Environment:
    """Return the templates of all pages. The templates escape HTML in every value."""
    made = Environment(
        loader=PackageLoader("dmad", "serve/page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals |= {"t": text, "size": size_text}
    of_scripts = {name: one for name, one in texts().items() if name.startswith("js.")}
    made.globals["script_texts"] = of_scripts
    return made


def render(console: Console, name: str, **values: Any) -> HTMLResponse:
    """Return the page of the template `name`, filled with `values`."""
    shared = {
        "watches": console.watches,
        "inspects": bool(console.stations),
        "signed_in": bool(console.token),
    }
    page = environment().get_template(name).render(shared | values)
    return HTMLResponse(page)


@cache
def static_file(name: str) -> tuple[str, str] | None:
    """Return the text and the type of a static file. None: there is no file with this name."""
    if name == "console.css":
        return page_style() + text_of(PACKAGE, "page/console.css"), KINDS["css"]
    if name in SCRIPTS or name == "icon.svg":
        return text_of(PACKAGE, f"page/{name}"), KINDS[name.rpartition(".")[2]]
    return None


def page_routes(console: Console, sessions: Sessions) -> APIRouter:
    """Return the routes of the pages."""
    router = APIRouter(include_in_schema=False)
    add_entrance(router, console, sessions)
    add_camera_pages(router, console)
    add_event_pages(router, console)
    add_other_pages(router, console)
    return router


def add_entrance(router: APIRouter, console: Console, sessions: Sessions) -> None:
    """Add the pages for signing in and out, and the static files."""

    @router.get("/static/{name}")
    def static(name: str) -> Response:
        file = static_file(name) if len(name) < 40 else None
        if file is None:
            return Response("no such file", 404)
        return Response(file[0], media_type=file[1])

    @router.get("/login")
    def login() -> HTMLResponse:
        return render(console, "login.html", wrong=False)

    @router.post("/login")
    async def sign_in(request: Request) -> Response:
        body = (await request.body())[:1000].decode(errors="replace")
        (token,) = parse_qs(body).get("token", [""])[:1]
        if not sessions.is_token(token.strip()):
            await asyncio.sleep(LOGIN_PAUSE)
            page = render(console, "login.html", wrong=True)
            page.status_code = 401
            return page
        answer = RedirectResponse("/", 303)
        answer.set_cookie(
            COOKIE,
            sessions.cookie(),
            max_age=SESSION,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return answer

    @router.post("/logout")
    def sign_out() -> Response:
        answer = RedirectResponse("/login", 303)
        answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return answer


def add_camera_pages(router: APIRouter, console: Console) -> None:
    """Add the pages of all cameras, of one camera, and of a new camera."""

    @router.get("/")
    def home() -> Response:
        if not console.watches:
            return RedirectResponse("/inspect", 303)
        recent = [shown_event(one) for one in console.events.find(EventFilter(limit=6))]
        today_by_camera = console.events.today()
        cameras = [
            status_of(one, today_by_camera) | {"recent": recent_scores(one)}
            for one in console.watch.all()
        ]
        return render(console, "cameras.html", page="cameras", cameras=cameras, events=recent)

    @router.get("/cameras/new")
    def new_camera() -> HTMLResponse:
        return render(
            console, "camera.html", page="cameras", camera=None, models=list(console.watch.models)
        )

    @router.get("/cameras/{number}")
    def camera(number: Number) -> HTMLResponse:
        watched = found(console.watch.get(number), "camera", number)
        status = status_of(watched, console.events.today()) | {"recent": recent_scores(watched)}
        recent = console.events.find(EventFilter(camera=status["name"], limit=8))
        return render(
            console,
            "camera.html",
            page="cameras",
            camera=status,
            events=[shown_event(one) for one in recent],
            models=list(console.watch.models),
        )


def add_event_pages(router: APIRouter, console: Console) -> None:
    """Add the pages: the list of events, one event, and the table of marks."""

    @router.get("/events")
    def events(
        camera: Short = "",
        day: Short = "",
        mark: Short = "",
        before: Annotated[int, Query(ge=0, le=2**53)] = 0,
    ) -> HTMLResponse:
        wanted = EventFilter(camera, day, mark, before, PAGE + 1)
        rows = console.events.find(wanted)
        chosen = {"camera": camera, "day": day, "mark": mark}
        older = ""
        if len(rows) > PAGE:
            rows = rows[:PAGE]
            query = {key: value for key, value in chosen.items() if value}
            older = "/events?" + urlencode({**query, "before": rows[-1]["number"]})
        return render(
            console,
            "events.html",
            page="events",
            events=[shown_event(one) for one in rows],
            total=console.events.count(EventFilter(camera, day, mark)),
            chosen=chosen,
            first=not before,
            older=older,
            cameras=console.events.cameras(),
            days=console.events.days(),
            marks=["unmarked", *MARKS[1:], "open"],
        )

    @router.get("/events/{number}")
    def event(number: Number) -> HTMLResponse:
        row = found(console.events.get(number), "event", number)
        newer, older = console.events.neighbours(number)
        watched = console.watch.named(row["camera"])
        return render(
            console,
            "event.html",
            page="events",
            event=shown_event(row),
            timeline=timeline_of(row),
            newer=newer,
            older=older,
            camera=watched.stored.number if watched else None,
            has_film=bool(row["film"]) and (console.folder / CLIPS / row["film"]).is_file(),
        )

    @router.get("/weeks")
    def weeks() -> HTMLResponse:
        return render(console, "weeks.html", page="events", weeks=console.events.weeks())


def add_other_pages(router: APIRouter, console: Console) -> None:
    """Add the pages of inspection, of the system, and of the REST interface."""

    @router.get("/inspect")
    def inspect(model: Short = "") -> Response:
        if not console.stations:
            return RedirectResponse("/", 303)
        station = station_of(console, model)
        rows = console.parts.find(station.model.name, today(), MOST_PARTS)
        return render(
            console,
            "inspect.html",
            page="inspect",
            model=station.model.name,
            models=list(console.stations),
            parts=[shown_part(row) for row in rows],
            histogram=histogram_for(console, station, today()),
            can_undo=station.threshold.can_undo,
        )

    @router.get("/system")
    def system() -> HTMLResponse:
        usage = console.retention.usage()
        models = [
            {
                "name": model.name,
                "judges": model.detector.form.judges,
                "age": max(0.0, time.time() - model.files.weights.stat().st_mtime) / 86400,
                "calibration": model.detector.calibration,
            }
            for model in console.models
        ]
        return render(
            console,
            "system.html",
            page="system",
            health=console.health(),
            cameras=console.watch.status(),
            usage=usage,
            full_in=usage.full_in(console.settings.keep_gigabytes),
            settings=console.settings,
            models=models,
        )

    @router.get("/api")
    def documentation(request: Request) -> HTMLResponse:
        schema = request.app.openapi()
        operations = [
            {
                "method": method.upper(),
                "path": path,
                "about": entry.get("description") or entry.get("summary", ""),
                "example": _example_of(entry),
                "body": _body_of(entry, schema),
            }
            for path, methods in schema["paths"].items()
            for method, entry in methods.items()
        ]
        base = str(request.base_url).rstrip("/")
        return render(console, "api.html", page="api", operations=operations, base=base)


def _example_of(entry: dict[str, Any]) -> Any:
    answer = entry.get("responses", {}).get("200", {}).get("content", {})
    return answer.get("application/json", {}).get("example")


def _body_of(entry: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any] | None:
    """Return an example of the JSON body of a request; None if the request has no such body.

    `entry` describes the request. It is a part of `schema`, the OpenAPI document of the console.
    """
    content = entry.get("requestBody", {}).get("content", {}).get("application/json", {})
    name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
    if not name:
        return None
    properties = schema["components"]["schemas"][name]["properties"]
    return {key: value.get("examples", [None])[0] for key, value in properties.items()}
