"""The bodies of image requests: fields, bounds, price (docs.x.ai, Image generation, request body)."""

from __future__ import annotations

from typing import Any

from airflow_provider_grok.sandbox import sources, storage
from airflow_provider_grok.sandbox.bodies import Body, check_enum, check_range, read
from airflow_provider_grok.sandbox.errors import invalid
from airflow_provider_grok.sandbox.prices import IMAGE_1, IMAGE_2, IMAGE_MODELS, RETIRED_IMAGE, image_ticks, served_by
from airflow_provider_grok.sandbox.request_context import RequestContext

ASPECT_RATIOS = (
    *("1:1", "3:4", "4:3", "9:16", "16:9", "2:3", "3:2", "9:19.5", "19.5:9", "9:20", "20:9", "1:2", "2:1"),
    *("21:9", "5:2", "auto"),
)
RESOLUTIONS = ("1k", "1.5k", "2k")
QUALITIES = ("low", "medium", "high", "auto")
MOST_IMAGES = 10
MOST_SOURCES = 5


class ImageOutput(Body):
    """Pre-signed URLs of the caller's own bucket, one per image."""

    upload_urls: list[str]


class GenerateImage(Body):
    """Body of images/generations."""

    prompt: str | None = None
    model: str | None = None
    n: int | None = None
    aspect_ratio: str | None = None
    resolution: str | None = None
    quality: str | None = None
    response_format: str | None = None
    deferred: bool | None = None
    output: ImageOutput | None = None
    storage_options: storage.StorageOptions | None = None
    user: str | None = None

    @property
    def count(self) -> int:
        """How many pictures."""
        return 1 if self.n is None else self.n

    @property
    def upload_urls(self) -> list[str]:
        """Where the pictures are to be sent; empty if nowhere."""
        return self.output.upload_urls if self.output else []

    @property
    def references(self) -> list[tuple[str, sources.Reference]]:
        """The sources with the names of their fields; a generation has none."""
        return []

    @property
    def served_model(self) -> str:
        """The model behind the given name.

        :raises Refusal: 404 if there is none.
        """
        return served_by(self.model or IMAGE_2, IMAGE_MODELS)

    @property
    def served_quality(self) -> str:
        """The quality that is made and billed: `auto` means low for a generation, medium for an edit."""
        if self.served_model == IMAGE_1 or self.model in RETIRED_IMAGE:
            return "low"
        if self.quality in (None, "auto"):
            return "medium" if self.references else "low"
        return "low" if self.quality == "low" else "medium"

    @property
    def ticks(self) -> int:
        """What it costs, in 1e-10 US dollars."""
        return image_ticks(
            self.served_model,
            self.served_quality,
            self.resolution or "1k",
            n=self.count,
            sources=len(self.references),
        )


class EditImage(GenerateImage):
    """Body of images/edits."""

    prompt: str
    image: sources.Reference | None = None
    images: list[sources.Reference] | None = None

    @property
    def references(self) -> list[tuple[str, sources.Reference]]:
        """The sources with the names of their fields."""
        if self.image is not None:
            return [("image", self.image)]
        return [(f"images[{index}]", reference) for index, reference in enumerate(self.images or [])]


def read_image_request(edit: bool, raw: dict[str, Any], context: RequestContext) -> GenerateImage | EditImage:
    """Read and check a request, before anything is made or billed.

    :param edit: whether it is an edit.
    :raises Refusal: 400, 404 or 422, naming what is wrong.
    """
    request: GenerateImage | EditImage = read(EditImage if edit else GenerateImage, raw, context)
    check(request)
    if isinstance(request, EditImage):
        check_sources(request)
    if request.quality is not None and request.served_model == IMAGE_1:
        context.note_unknown(["quality"])
    return request


def check(request: GenerateImage) -> None:
    """Refuse values that the API refuses.

    :raises Refusal: 422 for a value outside an enum, 404 for an unknown model, else 400.
    """
    check_enum("aspect_ratio", request.aspect_ratio, ASPECT_RATIOS)
    check_enum("resolution", request.resolution, RESOLUTIONS)
    check_enum("quality", request.quality, QUALITIES)
    check_enum("response_format", request.response_format, ("url", "b64_json"))
    if not (request.prompt or "").strip():
        raise invalid("prompt must not be empty.")
    served_by(request.model or IMAGE_2, IMAGE_MODELS)
    check_range("n", request.n, 1, MOST_IMAGES)
    check_delivery(request)
    storage.check(request.storage_options)


def check_delivery(request: GenerateImage) -> None:
    """Refuse combinations of ways to deliver that exclude each other.

    :raises Refusal: 400.
    """
    as_text = request.response_format == "b64_json"
    if request.deferred and as_text:
        raise invalid("deferred is supported with response_format url only, got b64_json.")
    if request.output is None:
        return
    if as_text:
        raise invalid("output.upload_urls is supported with response_format url only, got b64_json.")
    if len(request.upload_urls) != request.count:
        raise invalid(f"output.upload_urls must have n ({request.count}) elements, got {len(request.upload_urls)}.")
    for link in request.upload_urls:
        if not link.startswith(("http://", "https://")):
            raise invalid(f"output.upload_urls must be http(s) URLs, got {link[:80]!r}.")


def check_sources(request: EditImage) -> None:
    """Refuse an edit with no source, too many, or both fields.

    :raises Refusal: 400.
    """
    if request.image is not None and request.images is not None:
        raise invalid("image and images exclude each other.")
    if not request.references:
        raise invalid("An edit needs image or images.")
    if len(request.references) > MOST_SOURCES:
        given = len(request.references)
        raise invalid(f"This model supports at most {MOST_SOURCES} input image(s), but {given} were provided.")
    for name, reference in request.references:
        sources.check(name, reference)
