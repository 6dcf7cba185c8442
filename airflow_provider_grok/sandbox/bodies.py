"""Reading JSON bodies: what is refused by name, what cannot be read, what is not known."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from airflow_provider_grok.sandbox.errors import Undeserialisable, invalid
from airflow_provider_grok.sandbox.request_context import RequestContext

# Parameters of other image APIs that this one refuses by name (docs.x.ai, Image generation).
REFUSED = ("size", "style", "mask", "seed")


class Body(BaseModel):
    """Base of all bodies: types are exact, unknown fields are kept so that they can be noted."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True, validate_by_name=True, validate_by_alias=True)


B = TypeVar("B", bound=Body)


def read(model: type[B], raw: dict[str, Any], context: RequestContext, refused: tuple[str, ...] = ()) -> B:
    """Read a body.

    :param model: its type.
    :param raw: the JSON object.
    :param context: where unknown fields are noted.
    :param refused: further names that this endpoint refuses.
    :raises Refusal: 400 for a refused name, 422 for a missing field or a wrong type.
    """
    for name in (*REFUSED, *refused):
        if name in raw:
            raise invalid(f"Argument not supported: {name}")
    try:
        body = model.model_validate(raw)
    except ValidationError as error:
        raise Undeserialisable(in_words(error)) from None
    context.note_unknown(unknown_fields(body))
    return body


def in_words(error: ValidationError) -> str:
    """Return the first thing that is wrong, and where."""
    first = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"] if not str(part)[:1].isupper())
    if first["type"] == "missing":
        return f"missing field `{place}`"
    shown = repr(first["input"])[:80]
    return f"{place}: invalid type or value: {shown}: {first['msg']}"


def unknown_fields(body: BaseModel, prefix: str = "") -> list[str]:
    """Return the names of unknown fields, with a path where they are nested."""
    names = [f"{prefix}{name}" for name in body.model_extra or {}]
    for name in type(body).model_fields:
        value = getattr(body, name)
        if isinstance(value, BaseModel):
            names += unknown_fields(value, f"{prefix}{name}.")
        elif isinstance(value, list):
            names += [
                found
                for index, item in enumerate(value)
                if isinstance(item, BaseModel)
                for found in unknown_fields(item, f"{prefix}{name}[{index}].")
            ]
    return names


def check_enum(name: str, value: str | None, variants: tuple[str, ...]) -> None:
    """Refuse a value outside an enum, in the words of the API's own parser.

    :param name: the field.
    :param variants: the values of the enum, in its order.
    :raises Refusal: 422 naming the value and the variants.
    """
    if value is None or value in variants:
        return
    quoted = [f"`{variant}`" for variant in variants]
    expected = " or ".join(quoted) if len(quoted) < 3 else f"one of {', '.join(quoted)}"
    raise Undeserialisable(f"{name}: unknown variant `{value[:80]}`, expected {expected}")


def check_range(name: str, value: int | None, low: int, high: int) -> None:
    """Refuse a number out of bounds.

    :raises Refusal: 400 naming the value and the bounds.
    """
    if value is not None and not low <= value <= high:
        raise invalid(f"{name} must be between {low} and {high}, got {value}.")
