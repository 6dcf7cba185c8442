"""A document: JSON that the server told, frozen, and tolerant of fields and states that do not exist yet."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)

from airflow_provider_grok.api import errors

if TYPE_CHECKING:
    from typing_extensions import Self

    from airflow_provider_grok.api.answer import Answer


_LINK = re.compile(r'https?://[^\x00-\x20\x7f-\xa0"<>\\^`{|}]+')
_PLAIN = re.compile(r"(?!\.+\Z)[\x21-\x7e]{1,255}")
#: The last second of the year 9999, beyond which no calendar goes.
_LAST_SECOND = 253_402_300_799


def _link(value: object) -> object:
    # People click on it, and pages show it: `javascript:` and the like are no links.
    return value if isinstance(value, str) and _LINK.fullmatch(value) else None


def _server_id(value: str) -> str:
    if not _PLAIN.fullmatch(value):
        raise ValueError("an id must be 1 to 255 printable ASCII characters without blanks")
    return value


def _moment(value: object) -> object:
    number = value
    if (isinstance(value, float) and value.is_integer()) or (isinstance(value, str) and value.isdecimal()):
        number = int(value)
    return number if isinstance(number, int) and 0 <= number <= _LAST_SECOND else None


#: An id that the server gave; one that could not stand in a path or a log is refused.
ServerId = Annotated[str, AfterValidator(_server_id)]
#: A link for people; None where it is none.
Link = Annotated[str | None, BeforeValidator(_link)]
#: Unix seconds; None where they are beyond any calendar.
Moment = Annotated[int | None, BeforeValidator(_moment)]


class ApiModel(BaseModel):
    """Base of every answer: unknown fields are kept, and null means the same as a missing field."""

    model_config = ConfigDict(frozen=True, extra="allow", defer_build=True, protected_namespaces=())

    @model_validator(mode="before")
    @classmethod
    def _null_is_missing(cls, value: Any) -> Any:
        return {key: item for key, item in value.items() if item is not None} if isinstance(value, Mapping) else value

    @classmethod
    def read(cls, answer: Answer) -> Self:
        """Read a whole answer.

        :param answer: an answer with a JSON object in it.
        :raises NotAnApiResponse: when a field that must be there is missing or of another type.
        """
        return cls.parse(answer.json(), f"{answer.method} {answer.path}")

    @classmethod
    def parse(cls, document: Mapping[str, Any], origin: str) -> Self:
        """Read a JSON object.

        :param document: the object.
        :param origin: where it came from, for the error.
        :raises NotAnApiResponse: when a field that must be there is missing or of another type.
        """
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise errors.NotAnApiResponse(
                f"{origin}: the answer is no {cls.__name__}: field {where!r}: {errors.clean(first['msg'], 200)}. "
                "Check the connection's host; if it is xAI's own, the API has changed: update airflow-provider-grok."
            ) from None


class BillableModel(ApiModel):
    """A document that was paid for: a field that cannot be read counts as missing, rather than lose all the others."""

    @field_validator("*", mode="wrap")
    @classmethod
    def _unreadable_is_missing(cls, value: Any, read: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
        try:
            return read(value)
        except ValidationError:
            field = cls.model_fields[str(info.field_name)]
            if field.is_required():
                raise
            return field.get_default(call_default_factory=True, validated_data={})
