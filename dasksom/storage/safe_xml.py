"""XML that somebody else may have made."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

from dasksom.errors import InputError

MOST_XML_BYTES = 64 << 20


class _NoEntities(ElementTree.TreeBuilder):
    """Builds trees of documents that declare nothing: entities may unfold to gigabytes, or to other files."""

    def doctype(self, name: str, public: str | None, system: str | None) -> None:
        """Refuse the declaration, before what it declares is read."""
        raise InputError("declares XML entities or a document type, which no image needs")


def xml_tree(content: str | bytes) -> ElementTree.Element:
    """Read a document, in whatever encoding it says.

    Raises
    ------
    InputError
        It declares entities, is too large, or is no XML.
    """
    if len(content) > MOST_XML_BYTES:
        raise InputError(f"{len(content)} bytes of XML; at most {MOST_XML_BYTES} are read")
    try:
        return ElementTree.fromstring(content, ElementTree.XMLParser(target=_NoEntities()))  # noqa: S314 - see above
    except InputError:
        raise
    except Exception as error:  # unknown encodings raise LookupError, and so on
        raise InputError(str(error)) from error
