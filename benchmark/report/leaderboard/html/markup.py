"""HTML from plain data: whatever is a text becomes text, never markup."""

from html import escape


class Markup(str):
    """HTML that this package has written."""

    __slots__ = ()


def element(name: str, *content: object, **attributes: object) -> Markup:
    """Return an element with its content in order.

    Args:
        name: of the element.
        content: `Markup` stands as it is, anything else as text; None is left out.
        attributes: by name, where a trailing `_` is dropped and any other becomes `-`; None and False are left out, and
            True has no value.
    """
    written = "".join(_attribute(key.rstrip("_").replace("_", "-"), value) for key, value in attributes.items())
    return Markup(f"<{name}{written}>{join(*content)}</{name}>")


def join(*content: object) -> Markup:
    """Return pieces of content one behind the other."""
    return Markup(
        "".join(
            piece if isinstance(piece, Markup) else escape(_printed(str(piece)))
            for piece in content
            if piece is not None
        )
    )


def _attribute(name: str, value: object) -> str:
    if value is None or value is False:
        return ""
    return f" {name}" if value is True else f' {name}="{escape(_printed(str(value)))}"'


def _printed(text: str) -> str:
    """Return a text without halves of characters, which no file can hold, and without the zero byte."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "\N{REPLACEMENT CHARACTER}")
