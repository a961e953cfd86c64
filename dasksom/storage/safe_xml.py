"""Parse untrusted XML."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

from dasksom.errors import InputError

MOST_XML_BYTES = 64 << 20


class _NoEntities(ElementTree.TreeBuilder):
    """Tree builder that rejects document type declarations: entities may expand to gigabytes or to other files."""

    def doctype(self, name: str, public: str | None, system: str | None) -> None:
        """Reject the declaration before its content is parsed."""
        raise InputError("declares XML entities or a document type, which no image needs")


def xml_tree(content: str | bytes) -> ElementTree.Element:
    """Parse a document in its declared encoding.

    Raises
    ------
    InputError
        It has a document type declaration, is too large, or is not well-formed XML.
    """
    if len(content) > MOST_XML_BYTES:
        raise InputError(f"{len(content)} bytes of XML; at most {MOST_XML_BYTES} are read")
    try:
        return ElementTree.fromstring(content, ElementTree.XMLParser(target=_NoEntities()))  # noqa: S314 - see above
    except InputError:
        raise
    except Exception as error:  # such as LookupError for unknown encodings
        raise InputError(str(error)) from error
