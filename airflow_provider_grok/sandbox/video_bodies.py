"""The bodies of video requests: fields, bounds, what each model can do, price (docs.x.ai, Video generation)."""

from __future__ import annotations

from math import ceil

from pydantic import AliasChoices, Field

from airflow_provider_grok.sandbox import sources, storage
from airflow_provider_grok.sandbox.bodies import Body
from airflow_provider_grok.sandbox.errors import invalid
from airflow_provider_grok.sandbox.prices import (
    INPUT_IMAGE_PRICES,
    INPUT_VIDEO_SECOND_PRICES,
    VIDEO_1,
    VIDEO_15,
    VIDEO_MODELS,
    VIDEO_SECOND_PRICES,
    served_by,
)

GENERATIONS, EDITS, EXTENSIONS = "/v1/videos/generations", "/v1/videos/edits", "/v1/videos/extensions"
LONGEST_EDIT = 8.7  # seconds of input
EXTENDABLE = (2.0, 15.0)  # seconds of input
LONGEST_FROM_REFERENCES = {VIDEO_1: 10, VIDEO_15: 15}  # seconds
SLACK = 0.05  # seconds that a container may be off

# Field -> models that can serve it.
CAPABLE: dict[str, tuple[str, ...]] = {
    "last_frame": (VIDEO_15,),
    "keyframes": (VIDEO_15,),
    "reference_audios": (VIDEO_15,),
    "reference_images": (VIDEO_1, VIDEO_15),
}


class Keyframe(Body):
    """A picture and when it shows."""

    image: sources.Reference
    timestamp_s: float


class Audio(Body):
    """A voice: a preset or a clip."""

    url: str | None = None
    voice_id: str | None = None


class VideoOutput(Body):
    """A pre-signed URL of the caller's own bucket."""

    upload_url: str


class VideoRequest(Body):
    """What all three kinds of request have."""

    prompt: str | None = None
    model: str | None = None
    output: VideoOutput | None = None
    storage_options: storage.StorageOptions | None = None
    user: str | None = None

    @property
    def served_model(self) -> str:
        """The model behind the given name.

        :raises Refusal: 404 if there is none.
        """
        return served_by(self.model or self.usual_model, VIDEO_MODELS)

    @property
    def usual_model(self) -> str:
        """The model that serves a request which names none."""
        return VIDEO_1

    @property
    def references(self) -> list[tuple[str, sources.Reference]]:
        """The sources with the names of their fields, in order."""
        return []

    def unsupported(self) -> str | None:
        """Return why the model cannot serve this, or None."""
        return None


class GenerateVideo(VideoRequest):
    """Body of videos/generations."""

    duration: int | str | None = Field(None, validation_alias=AliasChoices("duration", "seconds"))
    aspect_ratio: str | None = None
    resolution: str | None = None
    image: sources.Reference | None = Field(None, validation_alias=AliasChoices("image", "input_reference"))
    last_frame: sources.Reference | None = None
    keyframes: list[Keyframe] | None = None
    reference_images: list[sources.Reference] | None = None
    reference_audios: list[Audio] | None = None
    generate_audio: bool | None = None

    @property
    def usual_model(self) -> str:
        """The model that serves a request which names none."""
        return VIDEO_15

    @property
    def seconds(self) -> int:
        """The asked length."""
        return as_seconds(self.duration, 8)

    @property
    def references(self) -> list[tuple[str, sources.Reference]]:
        """The pictures with the names of their fields, in order."""
        single = [("image", self.image), ("last_frame", self.last_frame)]
        named = [(name, reference) for name, reference in single if reference is not None]
        named += [(f"keyframes[{index}].image", frame.image) for index, frame in enumerate(self.keyframes or [])]
        return named + [(f"reference_images[{index}]", one) for index, one in enumerate(self.reference_images or [])]

    @property
    def ticks(self) -> int:
        """What it costs, in 1e-10 US dollars: every second made and every picture sent."""
        second = VIDEO_SECOND_PRICES[self.served_model].get(self.resolution or "480p", 0)
        return self.seconds * second + len(self.references) * INPUT_IMAGE_PRICES.get(self.served_model, 0)

    def unsupported(self) -> str | None:
        """Return why the model cannot serve this, or None."""
        model, resolution = self.served_model, self.resolution or "480p"
        for name, models in CAPABLE.items():
            if getattr(self, name) and model not in models:
                return f"`{name}` is not supported for this model."
        if self.from_references:
            return self._unsupported_from_references(model, resolution)
        if resolution not in VIDEO_SECOND_PRICES[model]:
            return f"{resolution} video resolution is not supported for this model."
        return None

    @property
    def from_references(self) -> bool:
        """Whether this is reference-to-video; on 1.5 a first frame beside other pictures makes it so."""
        pinned = self.image is not None and bool(self.last_frame or self.keyframes)
        return bool(self.reference_images or self.reference_audios) or pinned

    def _unsupported_from_references(self, model: str, resolution: str) -> str | None:
        longest = LONGEST_FROM_REFERENCES[model]
        if resolution == "1080p":
            return "1080p video resolution is not supported for reference-to-video requests."
        if model == VIDEO_1 and self.image is not None:
            return "`image` together with `reference_images` is not supported for this model."
        if self.seconds > longest:
            return f"Duration {self.seconds}s exceeds the maximum allowed for reference-to-video, which is {longest}s."
        return None


class EditVideo(VideoRequest):
    """Body of videos/edits."""

    prompt: str
    video: sources.Reference

    def unsupported(self) -> str | None:
        """Return why the model cannot serve this, or None."""
        return None if self.served_model == VIDEO_1 else "Video editing is not supported for this model."

    @property
    def references(self) -> list[tuple[str, sources.Reference]]:
        """The clip."""
        return [("video", self.video)]

    def length(self, before: float) -> float:
        """Return how long the result is."""
        return before

    def ticks_for(self, before: float, height: int) -> int:
        """Return what it costs: every second made and every second sent.

        :param before: length of the clip, seconds.
        :param height: its shorter side, pixels.
        """
        made, sent = billed(self.length(before)), billed(before)
        return made * second_price(height) + sent * INPUT_VIDEO_SECOND_PRICES[VIDEO_1]

    def check_length(self, before: float) -> None:
        """Refuse a clip that is too long.

        :raises Refusal: 400.
        """
        if before > LONGEST_EDIT + SLACK:
            raise invalid(f"video must be at most {LONGEST_EDIT} s long to be edited, got {before:.1f} s.")


class ExtendVideo(EditVideo):
    """Body of videos/extensions."""

    duration: int | str | None = Field(None, validation_alias=AliasChoices("duration", "seconds"))

    @property
    def seconds(self) -> int:
        """The length of the added part."""
        return as_seconds(self.duration, 6)

    def unsupported(self) -> str | None:
        """Return why the model cannot serve this, or None."""
        return None if self.served_model == VIDEO_1 else "Video extension is not supported for this model."

    def length(self, before: float) -> float:
        """Return how long the result is: the clip and the added part."""
        return before + self.seconds

    def ticks_for(self, before: float, height: int) -> int:
        """Return what it costs: every second added and every second sent."""
        return self.seconds * second_price(height) + billed(before) * INPUT_VIDEO_SECOND_PRICES[VIDEO_1]

    def check_length(self, before: float) -> None:
        """Refuse a clip that is too short or too long.

        :raises Refusal: 400.
        """
        shortest, longest = EXTENDABLE
        if not shortest - SLACK <= before <= longest + SLACK:
            raise invalid(f"video must be {shortest:g} to {longest:g} s long to be extended, got {before:.1f} s.")


BODIES: dict[str, type[VideoRequest]] = {GENERATIONS: GenerateVideo, EDITS: EditVideo, EXTENSIONS: ExtendVideo}


def billed(seconds: float) -> int:
    """Return the seconds that are billed: begun ones count, but not the few frames a container may be off."""
    return max(1, ceil(seconds - SLACK))


def second_price(height: int) -> int:
    """Return what a second of an edit or extension costs.

    :param height: shorter side of the clip, pixels.
    """
    return VIDEO_SECOND_PRICES[VIDEO_1]["720p" if height > 480 else "480p"]


def as_seconds(value: int | str | None, default: int) -> int:
    """Return a duration, which may come as text.

    :raises Refusal: 400 if it is no whole number.
    """
    if isinstance(value, str) and not (value.isascii() and value.isdigit() and len(value) < 10):
        raise invalid(f"duration must be a whole number of seconds, got {value[:40]!r}.")
    return default if value is None else int(value)
