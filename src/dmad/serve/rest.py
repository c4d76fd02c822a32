"""Answers the requests of the REST interface."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.concurrency import run_in_threadpool

from dmad.calibration.normal_places import NOWHERE
from dmad.drawing.pictures import encoded
from dmad.errors import DmadError, require
from dmad.files import csv_text
from dmad.serve.bodies import CameraBody, CameraThresholdBody, MarkBody, Number, ThresholdBody
from dmad.serve.camera_watch import Watched, status_of
from dmad.serve.console import Console
from dmad.serve.event_film import ADVICE
from dmad.serve.event_rows import EventFilter, day_of
from dmad.serve.inspection import BusyError, JudgedPart, Station
from dmad.serve.metrics import metrics_text
from dmad.serve.models import ThresholdChange
from dmad.serve.page_data import histogram_of, shown_event, shown_part
from dmad.serve.part_report import part_report
from dmad.serve.part_rows import PARTS, NewPart
from dmad.serve.places import places_picture, silent_events, words_of_change, words_of_mark
from dmad.serve.security import STREAM
from dmad.serve.uploads import Upload, decode_image, read_image
from dmad.watch.event_media import CLIPS, THUMBNAILS

COLUMNS = (
    "number", "time", "image", "score", "threshold", "verdict", "raw", "reconstruction",
    "deformation",
)  # fmt: skip
Short = Annotated[str, Query(max_length=200)]
LIVE_MESSAGES = "text/event-stream"
PRIVATE = {"cache-control": "private, max-age=86400, immutable"}
INSPECTED = {
    "number": 17,
    "name": "part.png",
    "verdict": "anomalous",
    "score": 7.31,
    "threshold": 4.02,
    "box": [0.41, 0.52, 0.55, 0.63],
    "raw": 1.27,
    "reconstruction": 1.19,
    "deformation": 0.04,
    "picture": "/api/parts/17/picture",
    "heat": "/api/parts/17/heat",
}
EVENT = {
    "number": 3,
    "id": "gate-1795963551.958",
    "camera": "gate",
    "state": "end",
    "day": "2026-11-29",
    "start": 1795963551.958,
    "peak": 1795963553.45,
    "end": 1795963556.2,
    "score": 8.2,
    "threshold": 4.1,
    "term": "deformation",
    "box": [0.31, 0.45, 0.52, 0.7],
    "mark": "",
    "words": "Something moves or bends in an unusual way, in the middle of the picture; clearly "
    "above the threshold",
    "film": "/api/events/3/film",
    "thumbnail": "/api/events/3/thumbnail",
}
CAMERA = {
    "number": 1,
    "name": "gate",
    "source": "192.0.2.10-stream",
    "state": "ok",
    "score": 0.8,
    "threshold": 4.1,
    "frames": 5120,
    "dropped": 3,
    "events_today": 2,
    "include": [],
    "exclude": [[[0.8, 0.0], [1.0, 0.0], [1.0, 0.3]]],
    "can_undo": True,
    "places": {
        "share": 0.12,
        "factor": 1.8,
        "words": "Less sensitive at the lower left of the picture: 12 % of the view. There, an "
        "anomaly must be up to 1.8 times stronger.",
        "picture": "/api/cameras/1/places.png?v=0123456789ab",
    },
}
MARKED = {
    "event": {"number": 3, "camera": "gate", "mark": "normal"},
    "old": 4.1,
    "new": 5.2,
    "words": "The threshold is now 5.20 (before: 4.10).",
    "silent": [{"number": 2, "camera": "gate", "score": 4.6}],
}
CHANGED = {"old": 4.1, "new": 5.2, "words": "The threshold is now 5.20 (before: 4.10)."}


class NotFoundError(DmadError):
    """There is no event, camera, part, model or file with this number or name."""


def example(content: Any, about: str = "The answer.") -> dict[int | str, dict[str, Any]]:
    """Return what the documentation shows for an answer: `about`, and `content` as an example."""
    return {200: {"description": about, "content": {"application/json": {"example": content}}}}


def rest_routes(console: Console) -> APIRouter:
    """Return the routes of the REST interface."""
    router = APIRouter()
    add_system(router, console)
    add_inspection(router, console)
    add_thresholds_of_parts(router, console)
    add_events(router, console)
    add_cameras(router, console)
    return router


def add_system(router: APIRouter, console: Console) -> None:
    """Add the addresses of health, metrics and live messages to the REST interface."""

    @router.get("/api/health", tags=["system"], responses=example(
        {"status": "ok", "cameras": [{"name": "gate", "state": "ok", "problem": ""}],
         "models": [{"name": "ped2", "judges": "frames"}]}
    ))  # fmt: skip
    def health() -> dict[str, Any]:
        """Return the state of the console: `ok`, or `degraded` if a camera does not work."""
        return console.health()

    @router.get("/metrics", tags=["system"], response_class=Response)
    def metrics() -> Response:
        """Return all numbers in the text format of Prometheus."""
        return Response(metrics_text(console), media_type="text/plain; version=0.0.4")

    @router.get(STREAM, tags=["system"], response_class=StreamingResponse)
    async def stream() -> StreamingResponse:
        """Send live messages as server-sent events.

        Their kinds are `status`, `event`, `mark`, `health` and `part`.
        """
        return StreamingResponse(console.hub.listen(), media_type=LIVE_MESSAGES)

    @router.head(STREAM, include_in_schema=False)
    def stream_without_messages() -> Response:
        return Response(media_type=LIVE_MESSAGES)


def add_inspection(router: APIRouter, console: Console) -> None:
    """Add the addresses of the inspection of parts."""

    @router.post("/api/inspect", tags=["inspection"], responses=example(INSPECTED),
                 openapi_extra={"requestBody": {"required": True, "content": {
                     "image/*": {"schema": {"type": "string", "format": "binary"}}}}})  # fmt: skip
    async def inspect(
        request: Request,
        name: Short = "",
        model: Short = "",
        keep: bool = False,
        heat: bool = False,
    ) -> Response:
        """Judge one image: send the file as the body, or as the field `image` of a form.

        With `keep`, two pictures are stored for the page: without and with the heat (scores in
        colour). With `heat`, the answer is a PNG picture with the heat. The headers `X-Verdict`
        and `X-Score` then contain the verdict and the score.

        Example: `curl --data-binary @part.png 'http://127.0.0.1:8420/api/inspect?name=part.png'`
        """
        station = station_of(console, model)
        body, shown_name = await read_image(request, console.settings.upload_megabytes)
        result = await run_in_threadpool(
            inspect_body, console, station, body, shown_name, keep=keep, heat=heat
        )
        if result.heat:
            part = result.part
            verdict = {"X-Verdict": part.verdict, "X-Score": f"{part.score:.6g}"}
            return Response(result.heat, media_type="image/png", headers=verdict)
        return JSONResponse(result.answer)

    @router.get("/api/parts", tags=["inspection"], responses=example({"parts": [INSPECTED]}))
    def parts(
        model: Short = "",
        day: Short = "",
        before: Annotated[int, Query(ge=0, le=2**53)] = 0,
        limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    ) -> dict[str, Any]:
        """Return the parts of a day (default: today), the newest first."""
        station = station_of(console, model)
        rows = console.parts.find(station.model.name, day or today(), limit, before)
        return {"parts": [shown_part(row) for row in rows]}

    @router.get("/api/parts/{number}", tags=["inspection"], responses=example(INSPECTED))
    def part(number: Number) -> dict[str, Any]:
        """Return the result of one part."""
        return shown_part(found(console.parts.get(number), "part", number))

    @router.get("/api/parts/{number}/{kind}", tags=["inspection"], response_class=FileResponse)
    def part_picture(number: Number, kind: str) -> FileResponse:
        """Return a picture of a part, if pictures of this part were stored.

        `kind` is `picture`, or `heat` for the picture with the scores in colour.
        """
        row = found(console.parts.get(number), "part", number)
        if kind not in ("picture", "heat"):
            raise NotFoundError("a part has only a `picture` and a `heat`")
        return stored_file(console.folder / PARTS, row[kind], "image/webp")

    @router.get("/api/histogram", tags=["inspection"], responses=example(
        {"low": 0.0, "high": 9.0, "good": [0, 4, 9], "today": [0, 1, 2], "scores": [3.2],
         "threshold": 4.02}
    ))  # fmt: skip
    def histogram(model: Short = "", day: Short = "") -> dict[str, Any]:
        """Return histograms of the good parts and of the parts of a day (default: today).

        `good` and `today` are numbers of parts per bin. `scores` are the scores of the day.
        """
        return histogram_for(console, station_of(console, model), day or today())

    @router.get("/api/export.csv", tags=["inspection"], response_class=Response)
    def export_csv(model: Short = "", day: Short = "") -> Response:
        """Return all parts of a day (default: today) as CSV."""
        station, chosen = station_of(console, model), day or today()
        rows = [
            [row["number"], _clock(row["time"]), row["name"], *(_number(row[c]) for c in
             ("score", "threshold")), row["verdict"],
             *(_number(row[c]) for c in ("raw", "reconstruction", "deformation"))]
            for row in console.parts.each(station.model.name, chosen)
        ]  # fmt: skip
        return attachment(csv_text(COLUMNS, rows), "text/csv; charset=utf-8", "parts.csv")

    @router.get("/api/export.html", tags=["inspection"], response_class=Response)
    def export_html(model: Short = "", day: Short = "") -> Response:
        """Return the parts of a day (default: today) as one HTML file.

        The file shows at most 500 parts: those with the highest scores.
        """
        station = station_of(console, model)
        page = part_report(console, station, day or today())
        return attachment(page, "text/html; charset=utf-8", "parts.html")


def add_thresholds_of_parts(router: APIRouter, console: Console) -> None:
    """Add the addresses that change the threshold of parts."""

    @router.post("/api/threshold", tags=["inspection"], responses=example({"old": 4.0, "new": 5.5}))
    def choose(body: ThresholdBody, model: Short = "") -> dict[str, float]:
        """Set the threshold of parts from the next image on."""
        change = station_of(console, model).choose(body.threshold)
        return {"old": change.old, "new": change.new}

    @router.post("/api/threshold/undo", tags=["inspection"],
                 responses=example({"old": 5.5, "new": 4.0}))  # fmt: skip
    def undo(model: Short = "") -> dict[str, float]:
        """Go back to the threshold before the last change."""
        change = station_of(console, model).undo()
        return {"old": change.old, "new": change.new}


def add_events(router: APIRouter, console: Console) -> None:
    """Add the addresses of events, films and marks."""

    @router.get("/api/events", tags=["events"], responses=example({"events": [EVENT]}))
    def events(
        camera: Short = "",
        day: Short = "",
        mark: Short = "",
        before: Annotated[int, Query(ge=0, le=2**53)] = 0,
        limit: Annotated[int, Query(ge=1, le=200)] = 30,
    ) -> dict[str, Any]:
        """Return events, the newest first. For the next page, give the lowest number as `before`.

        `mark` is seen, real or normal for events with this mark, unmarked for events without a
        mark, or open for events that have not ended.
        """
        rows = console.events.find(EventFilter(camera, day, mark, before, limit))
        return {"events": [shown_event(row) for row in rows]}

    @router.get("/api/events/{number}", tags=["events"], responses=example(EVENT))
    def event(number: Number) -> dict[str, Any]:
        """Return one event."""
        return shown_event(found(console.events.get(number), "event", number))

    @router.get("/api/events/{number}/film", tags=["events"], response_class=FileResponse)
    def film(number: Number) -> FileResponse:
        """Return the film of an event.

        The film is complete some seconds after the event has ended.
        """
        row = found(console.events.get(number), "event", number)
        return stored_file(console.folder / CLIPS, row["film"], "video/mp4")

    @router.get("/api/events/{number}/thumbnail", tags=["events"], response_class=FileResponse)
    def thumbnail(number: Number) -> FileResponse:
        """Return a picture of an event.

        On the left is the frame with the highest score, with its heat (scores in colour). On the
        right, the place with the highest heat is enlarged.
        """
        row = found(console.events.get(number), "event", number)
        fixed = row["state"] == "end"
        return stored_file(console.folder / THUMBNAILS, row["thumbnail"], "image/png", fixed)

    @router.post("/api/events/{number}/mark", tags=["events"], responses=example(MARKED))
    def mark(number: Number, body: MarkBody) -> dict[str, Any]:
        """Mark an event. The mark `normal` also raises the threshold of the camera.

        With `only_here`, the threshold stays. The camera becomes less sensitive only at the places
        where the film of the event is unusual. The camera does not stop. `words` says what has
        changed. `silent` lists the past events that would raise no alarm after this change. With
        `only_here`, this list is an estimate from the frames with the highest scores. A change that
        may hide many other anomalies is refused without `force`.

        Example: `curl -H 'Content-Type: application/json' -d '{"mark": "normal", "only_here":
        true}' http://127.0.0.1:8420/api/events/3/mark`
        """
        row = found(console.events.get(number), "event", number)
        require(body.mark == "normal" or not body.only_here, "only_here is for the mark `normal`")
        watched = console.watch.named(row["camera"])
        change = None
        if body.only_here:
            change = silenced_here(console, watched, row, body.force)
        elif body.mark == "normal" and watched is not None:
            change = silenced(console, watched, row["score"], body.force)
        old, new = (change.old, change.new) if change else (None, None)
        marked = console.events.mark(number, body.mark, old, new)
        silent = silent_events(console.events, row["camera"], change) if change else []
        console.hub.publish("mark", {"number": number, "mark": body.mark})
        return {
            "event": shown_event(marked),
            "old": old,
            "new": new,
            "words": words_of_mark(change, body.only_here) if change else "",
            "silent": [shown_event(one) for one in silent if one["number"] != number],
        }


def add_cameras(router: APIRouter, console: Console) -> None:
    """Add the addresses of cameras, their pictures and thresholds."""
    watch = console.watch

    def status(watched: Watched) -> dict[str, Any]:
        return status_of(watched, console.events.today())

    def applied(watched: Watched, change: ThresholdChange) -> dict[str, Any]:
        watch.apply_threshold(watched)
        return {"old": change.old, "new": change.new, "words": words_of_change(change)}

    @router.get("/api/cameras", tags=["cameras"], responses=example({"cameras": [CAMERA]}))
    def cameras() -> dict[str, Any]:
        """Return all cameras and their states."""
        return {"cameras": watch.status()}

    @router.post("/api/cameras", tags=["cameras"], status_code=201)
    def add(body: CameraBody) -> dict[str, Any]:
        """Add a camera and watch it."""
        return status(watch.add(body.camera(), body.model or ""))

    @router.get("/api/cameras/{number}", tags=["cameras"], responses=example(CAMERA))
    def camera(number: Number) -> dict[str, Any]:
        """Return a camera and its state."""
        return status(found(watch.get(number), "camera", number))

    @router.patch(
        "/api/cameras/{number}", tags=["cameras"], responses=example(CAMERA | {"words": ""})
    )
    def change(number: Number, body: CameraBody) -> dict[str, Any]:
        """Change a camera. The camera restarts with the new settings.

        With another address, view or model, the less sensitive places of the camera are removed,
        because they belong to the old picture. `words` says so. If nothing was removed, `words` is
        empty.
        """
        stored = found(watch.get(number), "camera", number).stored
        model = stored.model if body.model is None else body.model
        changed = watch.change(number, body.camera(stored.camera), model)
        return status(changed) | {"words": changed.notice}

    @router.delete("/api/cameras/{number}", tags=["cameras"], status_code=204)
    def remove(number: Number) -> Response:
        """Remove a camera. Its events stay."""
        found(watch.get(number), "camera", number)
        watch.remove(number)
        return Response(status_code=204)

    @router.post("/api/cameras/{number}/threshold", tags=["cameras"], responses=example(CHANGED))
    def choose(number: Number, body: CameraThresholdBody) -> dict[str, Any]:
        """Set the threshold of a camera. The camera does not stop."""
        watched = found(watch.get(number), "camera", number)
        return applied(watched, watched.threshold.choose(body.threshold))

    @router.post(
        "/api/cameras/{number}/threshold/undo", tags=["cameras"], responses=example(CHANGED)
    )
    def undo(number: Number) -> dict[str, Any]:
        """Restore the threshold and the less sensitive places that the last change replaced.

        If the camera has got another picture since that change, the places are not restored, and
        `words` says so.
        """
        watched = found(watch.get(number), "camera", number)
        return applied(watched, watched.threshold.undo())

    @router.delete("/api/cameras/{number}/places", tags=["cameras"], responses=example(
        {"old": 4.1, "new": 4.1, "words": "The whole view is fully sensitive again."}
    ))  # fmt: skip
    def forget_places(number: Number) -> dict[str, Any]:
        """Make the whole view of a camera fully sensitive again. The threshold stays."""
        watched = found(watch.get(number), "camera", number)
        return applied(watched, watched.threshold.use_places(lambda _: NOWHERE))

    @router.get("/api/cameras/{number}/places.png", tags=["cameras"], response_class=Response)
    def places(number: Number) -> Response:
        """Return a picture of the less sensitive places. All other places are transparent."""
        calibration = found(watch.get(number), "camera", number).threshold.calibration
        picture = places_picture(calibration.places if calibration else NOWHERE)
        return Response(picture, media_type="image/png")

    @router.get("/live/{number}.jpg", tags=["cameras"], response_class=Response)
    async def live(number: Number, heat: bool = False) -> Response:
        """Return the newest picture of a camera. With `heat`, scores are drawn over it in colour.

        If there is no picture yet, the answer has status 204 and no content.
        """
        view = found(watch.get(number), "camera", number).view
        data = view.drawn(heat) if view else None
        if view and data is None:
            data = await run_in_threadpool(view.jpeg, heat)
        if view is None or data is None:
            return Response(status_code=204)
        return Response(data, media_type="image/jpeg", headers={"X-Frame": str(view.number)})


@dataclass(frozen=True)
class Inspection:
    """The result of an inspected image."""

    part: JudgedPart
    answer: dict[str, Any]  # for JSON
    heat: bytes | None  # PNG; None: not wanted


def inspect_body(
    console: Console,
    station: Station,
    body: bytes,
    name: str,
    keep: bool = False,
    heat: bool = False,
) -> Inspection:
    """Decode and judge an image, and store the result.

    Args:
        console: The console.
        station: The station that judges the image.
        body: The image file.
        name: The name of the image.
        keep: True: the picture is also stored, without and with the heat (scores in colour).
        heat: True: the returned result contains a picture with the heat.
    """
    upload: Upload = decode_image(body, station.format)
    part = station.judge(upload)
    pictures = station.keep(upload, part) if keep else ("", "")
    new = NewPart(
        name=name,
        model=station.model.name,
        score=part.score,
        threshold=part.threshold,
        verdict=part.verdict,
        raw=part.raw,
        reconstruction=part.reconstruction,
        deformation=part.deformation,
        box=part.box,
        picture=pictures[0],
        heat=pictures[1],
    )
    number = console.parts.add(new)
    answer = shown_part(found(console.parts.get(number), "part", number))
    console.hub.publish("part", {"number": number, "model": station.model.name})
    png = encoded(station.heat(upload, part), "PNG", compress_level=1) if heat else None
    return Inspection(part, answer, png)


def silenced(console: Console, watched: Watched, score: float, force: bool) -> ThresholdChange:
    """Raise the threshold of a camera just enough that a score raises no alarm.

    Raises:
        DmadError: The threshold would rise too much, and `force` is False.
    """
    try:
        return console.watch.silence(watched, score, force)
    except DmadError as error:
        raise to_confirm(error, "confirm that it rises nevertheless") from error


def silenced_here(
    console: Console, watched: Watched | None, event: Mapping[str, Any], force: bool
) -> ThresholdChange:
    """Make a camera less sensitive at the places where an event was unusual.

    Raises:
        DmadError: The camera does not exist any more, there is no film, or the camera would become
            much less sensitive and `force` is False.
    """
    name, film = event["camera"], console.folder / CLIPS / event["film"]
    require(
        watched is not None,
        f"there is no camera {name} any more, so no places can be changed; leave out `only_here`",
    )
    assert watched is not None
    require(
        bool(event["film"]),
        "the film of this event is missing: it was deleted, or the console was stopped during the "
        f"event; {ADVICE}",
    )
    is_there = film.resolve().parent == (console.folder / CLIPS).resolve() and film.is_file()
    require(
        is_there and event["state"] == "end",
        "the film of this event is not there: it is complete some seconds after the event; if it "
        f"was deleted, {ADVICE}",
    )
    try:
        return console.watch.silence_here(watched, film, event["score"], force)
    except BusyError:
        raise
    except DmadError as error:
        raise to_confirm(error, "confirm this change nevertheless") from error


def to_confirm(error: DmadError, advice: str) -> DmadError:
    """Return the error with `advice` in place of "use --force", which is for the command line.

    `advice` says what a person can do on a page. The result also names `force`, the field of a
    request that does the same.
    """
    return DmadError(str(error).replace("use --force", f"{advice} (`force`)"))


def station_of(console: Console, model: str) -> Station:
    """Return the inspection station (the page for parts) of a model of images.

    If `model` is empty, return the first station.

    Raises:
        NotFoundError: There is no such station.
    """
    if not console.stations:
        raise NotFoundError("no model of images is loaded; start dmad serve with one")
    if not model:
        return next(iter(console.stations.values()))
    if model not in console.stations:
        known = ", ".join(console.stations)
        raise NotFoundError(f"no model of images is called {model[:40]!r}; known: {known}")
    return console.stations[model]


def histogram_for(console: Console, station: Station, day: str) -> dict[str, Any]:
    """Return the histogram of the good parts and of the parts of a day, and the threshold."""
    scores = console.parts.scores(station.model.name, day)
    calibration = station.calibration
    threshold = calibration.threshold if calibration else None
    return histogram_of(station.good_scores(), scores, threshold)


def found(item: Any, kind: str, number: int) -> Any:
    """Return an item that was looked up by its number.

    Raises:
        NotFoundError: The item is None, because there is none with this number.
    """
    if item is None:
        raise NotFoundError(f"there is no {kind} {number}")
    return item


def stored_file(folder: Path, name: str, kind: str, fixed: bool = True) -> FileResponse:
    """Return a file whose name is stored in the database.

    Args:
        folder: The folder of the file.
        name: The name of the file. Empty: there is no file.
        kind: The media type, such as "video/mp4".
        fixed: True: the file does not change any more, so that browsers may keep a copy.

    Raises:
        NotFoundError: The file does not exist, or is outside the folder.
    """
    path = (folder / name).resolve() if name else folder
    if not name or not path.is_relative_to(folder.resolve()) or not path.is_file():
        raise NotFoundError("there is no such file; it is not complete yet, or was deleted")
    return FileResponse(path, media_type=kind, headers=PRIVATE if fixed else None)


def attachment(text: str, kind: str, name: str) -> Response:
    """Return a text as a file to download."""
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(text.encode(errors="replace"), media_type=kind, headers=headers)


def today() -> str:
    """Return the present day in local time, such as 2026-11-29."""
    return day_of(time.time())


def _clock(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
