"""Serializers as users of Prefect write them; each is a text for ``result_serializer``."""

from upshot.flows.given import is_text, wrong
from upshot.flows.results.formats import SERIALIZERS, Serializer


def JSONSerializer(*, jsonlib: str = "") -> Serializer:
    """Return ``json``; which library writes it makes no difference."""
    del jsonlib
    return "json"


def PickleSerializer(*, picklelib: str = "cloudpickle") -> Serializer:
    """Return ``pickle``; WrongArgument for another library than cloudpickle."""
    if picklelib != "cloudpickle":
        raise wrong("picklelib", picklelib, "must be 'cloudpickle'")
    return "pickle"


def CompressedJSONSerializer() -> Serializer:
    """Return ``compressed/json``."""
    return "compressed/json"


def CompressedPickleSerializer() -> Serializer:
    """Return ``compressed/pickle``."""
    return "compressed/pickle"


def CompressedSerializer(
    serializer: Serializer = "json", *, compressionlib: str = ""
) -> Serializer:
    """Return the serializer with ``compressed/`` before it; zlib is what compresses."""
    del compressionlib
    if not (is_text(serializer) and serializer in SERIALIZERS):
        raise wrong("serializer", serializer, f"must be one of {', '.join(SERIALIZERS)}")
    return "compressed/pickle" if serializer.endswith("pickle") else "compressed/json"
