"""Fields of the requests that make something: their types and defaults, once for operators, hook and batch requests.

Light to import: operators take their defaults from here whenever a DAG is parsed.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Literal, NamedTuple

#: A length of time as people write it: timedelta, seconds, or text of seconds as a template renders it.
Duration = timedelta | float | str

#: Values that the API is known to take (docs.x.ai, Images and Videos: request body); others may be sent too.
ImageRatio = Literal[
    "1:1",
    "3:4",
    "4:3",
    "9:16",
    "16:9",
    "2:3",
    "3:2",
    "9:19.5",
    "19.5:9",
    "9:20",
    "20:9",
    "1:2",
    "2:1",
    "21:9",
    "5:2",
    "auto",
]
ImageResolution = Literal["1k", "1.5k", "2k"]
ImageQuality = Literal["low", "medium", "high", "auto"]
ImageFormat = Literal["url", "b64_json"]
VideoRatio = Literal["1:1", "16:9", "9:16", "4:3", "3:4", "3:2", "2:3", "21:9", "5:2"]
VideoResolution = Literal["480p", "720p", "1080p"]


class ImageDefaults(NamedTuple):
    """What a request for pictures says where its caller says nothing."""

    model: str = "grok-imagine-image-2.0"
    n: int | None = None
    aspect_ratio: ImageRatio | None = "auto"
    resolution: ImageResolution = "1k"
    quality: ImageQuality = "low"


class VideoDefaults(NamedTuple):
    """What a request for a new video says where its caller says nothing."""

    model: str = "grok-imagine-video-1.5"
    duration: int = 8
    aspect_ratio: VideoRatio | None = None
    resolution: VideoResolution = "480p"
    generate_audio: bool = True


class VideoEditDefaults(NamedTuple):
    """What a request to change a video says where its caller says nothing."""

    model: str = "grok-imagine-video"


class VideoExtensionDefaults(NamedTuple):
    """What a request to lengthen a video says where its caller says nothing."""

    model: str = VideoEditDefaults().model
    duration: int = 6


GENERATE_IMAGE = ImageDefaults()
#: An edit takes its ratio from its source, and the API's own quality for edits.
EDIT_IMAGE = ImageDefaults(aspect_ratio=None, quality="medium")
GENERATE_VIDEO = VideoDefaults()
EDIT_VIDEO = VideoEditDefaults()
EXTEND_VIDEO = VideoExtensionDefaults()
