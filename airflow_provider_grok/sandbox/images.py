"""The Imagine API's images: generations and edits, at once or deferred (docs.x.ai, Image generation)."""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse, Response

from airflow_provider_grok.sandbox import assets, draw, sources, storage, visibility
from airflow_provider_grok.sandbox.backend import Backend
from airflow_provider_grok.sandbox.errors import JOB_CODES, Refusal, missing
from airflow_provider_grok.sandbox.faults import applies_to_image
from airflow_provider_grok.sandbox.ids import number_from
from airflow_provider_grok.sandbox.image_requests import EditImage, GenerateImage, read_image_request
from airflow_provider_grok.sandbox.jobs import WITHHELD, Job
from airflow_provider_grok.sandbox.rate_limits import IMAGES_PER_SECOND, check_model_rate
from airflow_provider_grok.sandbox.request_context import RequestContext, route

GENERATIONS, EDITS = "/v1/images/generations", "/v1/images/edits"
MIME = "image/jpeg"
MODERATED = "imagine:content-moderated"  # since August 2026
MODERATED_BEFORE = "Client specified an invalid argument"
RETENTION = assets.DAY  # how long a deferred request's id is known after its end


class ImageMaker:
    """Makes the pictures of a request, now or later."""

    async def make(self, backend: Backend, job: Job) -> dict[str, Any]:
        """Draw the pictures and send them to the caller's bucket, if there is one.

        :raises Refusal: if a source or the bucket fails.
        """
        request = request_of(job)
        found = job.request.get("sources")
        if found is None:
            found = await find_sources(backend, request, job.request["base"])
        at_once = bool(request.upload_urls) or request.response_format == "b64_json"
        blobs = [await backend.lazy_media.render(job, found, index, at_once=at_once) for index in range(request.count)]
        for link, blob in zip(request.upload_urls, blobs, strict=False):
            await sources.put_result(link, backend.store.read_blob(blob), MIME)
        return {"blobs": blobs, "sources": found}

    def render(self, backend: Backend, job: Job, found: list[dict[str, Any]], number: int) -> str:
        """Draw one picture and return its blob."""
        return render(backend, job, request_of(job), found, number)

    def publish(self, backend: Backend, job: Job) -> dict[str, Any]:
        """Store the pictures and make their links, at `job.ready_at`."""
        made = job.made or {}
        data = [picture(backend, job, made, index) for index in range(len(made["blobs"]))]
        return {"data": data, "usage": {"cost_in_usd_ticks": job.ticks}}


def request_of(job: Job) -> GenerateImage | EditImage:
    """Return the request that a job keeps."""
    model = EditImage if job.endpoint == EDITS else GenerateImage
    return model.model_validate(job.request["body"])


def render(backend: Backend, job: Job, request: GenerateImage, found: list[dict[str, Any]], index: int) -> str:
    """Draw one picture and return its blob; slow, so it belongs in a thread."""
    prompt, seed = request.prompt or "", number_from(f"{job.id}/{index}")
    resolution = request.resolution or "1k"
    ratio = request.aspect_ratio or "auto"
    if applies_to_image(placeholders(job), index):
        data = draw.generate(prompt="Withheld by content moderation", size=draw.size_for("1:1", "1k"), seed=0)
    elif found:
        # One source keeps its own shape, several follow the asked ratio.
        size = draw.size_for(ratio, resolution) if len(found) > 1 and ratio != "auto" else None
        pictures = [backend.store.read_blob(source["blob"]) for source in found]
        data = draw.edit(pictures, prompt=prompt, size=size, seed=seed, resolution=resolution)
    else:
        data = draw.generate(prompt=prompt, size=draw.size_for(ratio, resolution), seed=seed)
    return backend.store.put_blob(data)


def placeholders(job: Job) -> Any:
    """Return which pictures are replaced by a placeholder: all (True), some (their numbers), or none."""
    ordered = job.script.get("moderate")
    return ordered if isinstance(ordered, list) else ordered == "placeholder"


def picture(backend: Backend, job: Job, made: dict[str, Any], index: int) -> dict[str, Any]:
    """Return one element of `data`; a withheld picture is not stored."""
    request, blob = request_of(job), made["blobs"][index]
    withheld = applies_to_image(placeholders(job), index)
    shown: dict[str, Any] = {"mime_type": MIME, "respect_moderation": not withheld}
    if request.response_format == "b64_json":
        shown["b64_json"] = blob
    elif request.upload_urls:
        shown["url"] = request.upload_urls[index]
    else:
        shown["url"] = assets.offer_image(backend, blob, MIME, job.ready_at, batch=job.batch_id is not None)
    if withheld:
        return shown
    options = None if job.request.get("unstored") else request.storage_options
    origin = origin_of(job, made["sources"], request.prompt)
    return shown | storage.store_result(
        backend, options, blob=blob, mime=MIME, at=job.ready_at, origin=origin, script=job.script, index=index
    )


def origin_of(job: Job, found: list[dict[str, Any]], prompt: str | None) -> dict[str, Any]:
    """Return where a result came from, for the gallery."""
    return {
        "request_id": job.id,
        "endpoint": job.endpoint,
        "model": job.model,
        "prompt": prompt,
        "sources": [source["file_id"] for source in found if source["file_id"]],
    }


async def find_sources(backend: Backend, request: GenerateImage | EditImage, base: str) -> list[dict[str, str | None]]:
    """Find the sources of a request, in order.

    :raises Refusal: 404 for an unknown file, 400 for what is no picture.
    """
    found = [await sources.resolve_image(backend, name, reference, base) for name, reference in request.references]
    return [source.as_dict() for source in found]


async def generate(context: RequestContext) -> Response:
    """POST /v1/images/generations."""
    return await answer(context, GENERATIONS)


async def edit(context: RequestContext) -> Response:
    """POST /v1/images/edits."""
    return await answer(context, EDITS)


async def answer(context: RequestContext, endpoint: str) -> Response:
    """Check a request, find its sources, bill it, and do it now or later."""
    backend = context.backend
    body = await context.body()
    request = read_image_request(endpoint == EDITS, body, context)
    check_model_rate(backend, request.served_model, IMAGES_PER_SECOND)
    found = await find_sources(backend, request, context.base)
    deferred = bool(request.deferred)
    now = backend.clock.now()
    job = Job(
        id=backend.ids.uuid(),
        kind="image",
        endpoint=endpoint,
        model=request.served_model,
        ticks=request.ticks,
        request={"body": body, "sources": found},
        created_at=now,
        ready_at=now + (backend.settings.image_seconds if deferred else 0),
        script=context.script,
    )
    if not deferred:
        context.request_id = job.id  # what the ledger knows it by
        return JSONResponse(assets.present(await at_once(backend, job), context.base, backend.store))
    if "fail" not in job.script:
        charge(backend, job)
    backend.jobs.submit(job)
    visibility.note(backend, job.script, job.id, now)
    return JSONResponse({"request_id": job.id})


async def at_once(backend: Backend, job: Job) -> dict[str, Any]:
    """Do a request while the client waits, and bill it once it is done.

    :raises Refusal: if a fault was ordered, or a bucket fails.
    """
    if "fail" in job.script:
        code = job.script["fail"]
        raise Refusal(JOB_CODES.get(code, 500), "The request failed: a fault was ordered.", code=code)
    if (form := job.script.get("moderate")) in WITHHELD:
        charge(backend, job)
        raise moderated("image", job.ticks, MODERATED_BEFORE if form == "legacy" else MODERATED)
    maker = ImageMaker()
    job.made = await maker.make(backend, job)
    charge(backend, job)
    return maker.publish(backend, job)


def moderated(kind: str, ticks: int | None, code: str = MODERATED) -> Refusal:
    """Return the refusal of a picture or video that was made, withheld and billed.

    :param ticks: what was billed; None where the form does not say.
    """
    return Refusal(400, f"Generated {kind} rejected by content moderation.", code=code, ticks=ticks)


def charge(backend: Backend, job: Job) -> None:
    """Bill a request, once."""
    backend.ledger.charge(endpoint=job.endpoint, model=job.model, ticks=job.ticks, id=job.id)


async def poll(context: RequestContext) -> Response:
    """GET /v1/images/{request_id}."""
    backend, request_id = context.backend, context.part("request_id")
    await backend.jobs.settle(request_id)
    job = backend.jobs.find(request_id, "image")
    now = backend.clock.now()
    if job is None or now > job.ready_at + RETENTION:
        raise missing(f"Request {request_id} not found.")
    visibility.check_found(context, job.id, job.created_at, f"Request {request_id} not found.")
    shown = {"request_id": job.id, "status": job.state}
    if job.state == "pending":
        return JSONResponse(shown, 202)
    return JSONResponse(shown | assets.present(job.result, context.base, backend.store))


MAKERS = {"image": ImageMaker()}
ROUTES = [
    route("POST", GENERATIONS, generate),
    route("POST", EDITS, edit),
    route("GET", "/v1/images/{request_id}", poll),
]
