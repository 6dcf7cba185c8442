"""The Imagine API's videos: generations, edits, extensions and their poll (docs.x.ai, Video generation)."""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse, Response

from airflow_provider_grok.sandbox import assets, film, sources, storage, visibility
from airflow_provider_grok.sandbox.backend import Backend
from airflow_provider_grok.sandbox.errors import CODES, invalid, missing
from airflow_provider_grok.sandbox.ids import number_from
from airflow_provider_grok.sandbox.images import RETENTION, charge, moderated, origin_of
from airflow_provider_grok.sandbox.jobs import Job
from airflow_provider_grok.sandbox.rate_limits import VIDEOS_PER_SECOND, check_model_rate
from airflow_provider_grok.sandbox.request_context import RequestContext, route
from airflow_provider_grok.sandbox.video_bodies import (
    BODIES,
    EDITS,
    EXTENSIONS,
    GENERATIONS,
    EditVideo,
    ExtendVideo,
    GenerateVideo,
    VideoRequest,
    billed,
)
from airflow_provider_grok.sandbox.video_requests import read_video_request

MIME = "video/mp4"
Found = list[dict[str, Any]]


class VideoMaker:
    """Makes the clip of a request."""

    async def make(self, backend: Backend, job: Job) -> dict[str, Any]:
        """Film the clip and send it to the caller's bucket, if there is one.

        :raises Refusal: if a source or the bucket fails.
        """
        request = request_of(job)
        found = job.request.get("sources")
        if found is None:
            found = await find_sources(backend, request, job.request["base"])
        made = {"sources": found, "seconds": length(request, found), "ticks": price(request, found)}
        if is_withheld(job):
            return made
        blob = await backend.lazy_media.render(job, found, at_once=request.output is not None)
        if request.output:
            await sources.put_result(request.output.upload_url, backend.store.read_blob(blob), MIME)
        return {**made, "blob": blob}

    def render(self, backend: Backend, job: Job, found: Found, number: int) -> str:
        """Film the clip and return its blob."""
        return render(backend, job, found)

    def publish(self, backend: Backend, job: Job) -> dict[str, Any]:
        """Store the clip and make its link, at `job.ready_at`."""
        made = job.made or {}
        return {
            "status": "done",
            "progress": 100,
            "model": job.model,
            "video": clip(backend, job, made),
            "usage": {"cost_in_usd_ticks": made["ticks"]},
        }


def clip(backend: Backend, job: Job, made: dict[str, Any]) -> dict[str, Any]:
    """Return the `video` of a finished poll; a withheld one has an empty link and is not stored."""
    request = request_of(job)
    shown = {"duration": billed(made["seconds"]), "respect_moderation": not is_withheld(job), "url": ""}
    if is_withheld(job):
        return shown
    if request.output:
        shown["url"] = request.output.upload_url
    else:
        batch = job.batch_id is not None
        shown["url"] = assets.offer_video(backend, job.id, made["blob"], job.ready_at, batch=batch)
    options = None if job.request.get("unstored") else request.storage_options
    origin = origin_of(job, made["sources"], request.prompt)
    return shown | storage.store_result(
        backend, options, blob=made["blob"], mime=MIME, at=job.ready_at, origin=origin, script=job.script
    )


def request_of(job: Job) -> VideoRequest:
    """Return the request that a job keeps."""
    return BODIES[job.endpoint].model_validate(job.request["body"])


def is_withheld(job: Job) -> bool:
    """Tell whether a fault withholds the clip, in whatever form that is said."""
    return bool(job.script.get("moderate"))


def length(request: VideoRequest, found: Found) -> float:
    """Return the length of the result in seconds."""
    if isinstance(request, GenerateVideo):
        return request.seconds
    return request.length(found[0]["seconds"]) if isinstance(request, EditVideo) else 0.0


def price(request: VideoRequest, found: Found) -> int:
    """Return what a request costs once its sources are known, in 1e-10 US dollars."""
    if isinstance(request, GenerateVideo):
        return request.ticks
    return request.ticks_for(found[0]["seconds"], found[0]["height"]) if isinstance(request, EditVideo) else 0


def render(backend: Backend, job: Job, found: Found) -> str:
    """Film a clip and return its blob; slow, so it belongs in a thread."""
    request, seed = request_of(job), number_from(job.id)
    read = backend.store.read_blob
    prompt = request.prompt or ""
    if isinstance(request, ExtendVideo):
        data = film.extend(read(found[0]["blob"]), seconds=request.seconds, prompt=prompt, seed=seed)
    elif isinstance(request, EditVideo):
        data = film.edit(read(found[0]["blob"]), prompt=prompt, seed=seed)
    else:
        assert isinstance(request, GenerateVideo)
        data = generated(request, {source["name"]: read(source["blob"]) for source in found}, seed)
    return backend.store.put_blob(data)


def generated(request: GenerateVideo, pictures: dict[str, bytes], seed: int) -> bytes:
    """Film a generation.

    :param pictures: the sources by the names of their fields.
    """
    first = pictures.get("image")
    return film.make(
        seconds=request.seconds,
        size=film.size_for(request.resolution or "480p", request.aspect_ratio, first),
        prompt=request.prompt or "",
        seed=seed,
        first=first,
        last=pictures.get("last_frame"),
        keyframes=[
            # Snapped to thirds of a second, as the API does.
            (round(frame.timestamp_s * 3) / 3, pictures[f"keyframes[{index}].image"])
            for index, frame in enumerate(request.keyframes or [])
        ],
        references=[picture for name, picture in pictures.items() if name.startswith("reference_images")],
        audio=request.generate_audio is not False,
    )


async def find_sources(backend: Backend, request: VideoRequest, base: str) -> Found:
    """Find the sources of a request, in order, and measure a clip.

    :raises Refusal: 404 for an unknown file, 400 for what is no picture, no video, or too long.
    """
    if isinstance(request, EditVideo):
        return [await find_video(backend, request, base)]
    return [
        {"name": name, **(await sources.resolve_image(backend, name, reference, base)).as_dict()}
        for name, reference in request.references
    ]


async def find_video(backend: Backend, request: EditVideo, base: str) -> dict[str, Any]:
    """Find the clip of an edit or extension.

    :raises Refusal: 404 for an unknown file, 400 for what is no video, or too long or short.
    """
    source = await sources.resolve(backend, "video", request.video, base)
    try:
        seconds, size = await backend.in_thread(film.probe, await backend.read(source.blob))
    except ValueError:
        raise invalid("video is not a readable MP4 of up to a minute.") from None
    request.check_length(seconds)
    return {"name": "video", **source.as_dict(), "seconds": seconds, "height": min(size)}


async def generate(context: RequestContext) -> Response:
    """POST /v1/videos/generations."""
    return await accept(context, GENERATIONS)


async def edit(context: RequestContext) -> Response:
    """POST /v1/videos/edits."""
    return await accept(context, EDITS)


async def extend(context: RequestContext) -> Response:
    """POST /v1/videos/extensions."""
    return await accept(context, EXTENSIONS)


async def accept(context: RequestContext, endpoint: str) -> Response:
    """Check a request, find its sources, bill it, and begin."""
    backend = context.backend
    body = await context.body()
    request = read_video_request(endpoint, body, context)
    check_model_rate(backend, request.served_model, VIDEOS_PER_SECOND)
    found = await find_sources(backend, request, context.base)
    now = backend.clock.now()
    job = Job(
        id=backend.ids.uuid(),
        kind="video",
        endpoint=endpoint,
        model=request.served_model,
        ticks=price(request, found),
        request={"body": body, "sources": found},
        created_at=now,
        ready_at=now + backend.settings.video_seconds,
        script=context.script,
    )
    if "fail" not in job.script:
        charge(backend, job)
    backend.jobs.submit(job)
    visibility.note(backend, job.script, job.id, now)
    return JSONResponse({"request_id": job.id})


async def poll(context: RequestContext) -> Response:
    """GET /v1/videos/{request_id}."""
    backend, request_id = context.backend, context.part("request_id")
    await backend.jobs.settle(request_id)
    job = backend.jobs.find(request_id, "video")
    now = backend.clock.now()
    if job is None or now > job.ready_at + RETENTION:
        raise missing(f"Request {request_id} not found.")
    visibility.check_found(context, job.id, job.created_at, f"Request {request_id} not found.")
    if job.state == "pending":
        return JSONResponse({"status": "pending", "progress": job.progress(now), "model": job.model}, 202)
    return odd_end(job) or JSONResponse({"status": job.state} | assets.present(job.result, context.base, backend.store))


def odd_end(job: Job) -> Response | None:
    """Return how a poll tells of moderation, where that is no failed job: by default a 400 (as since August 2026)."""
    form = job.script.get("moderate")
    if form is True:
        return moderated("video", job.ticks).response()
    if form == "poll":
        return moderated("video", None, CODES[400]).response()
    if form == "bare":
        return JSONResponse({"code": CODES[400], "error": moderated("video", None).message})
    return None


MAKERS = {"video": VideoMaker()}
ROUTES = [
    route("POST", GENERATIONS, generate),
    route("POST", EDITS, edit),
    route("POST", EXTENSIONS, extend),
    route("GET", "/v1/videos/{request_id}", poll),
]
