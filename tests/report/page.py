"""A page as a test reads it: its elements, its tables and what its names say, without a browser."""

from html.parser import HTMLParser

VOID = {"meta", "link", "img", "br", "hr", "input"}


class Page(HTMLParser):
    """Elements of a page in order, each with its attributes and the text inside it."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.elements = []
        self._open = []
        self.feed(html)
        self.close()
        assert not self._open, f"not closed: {self._open[-1]}"

    def handle_starttag(self, tag, attributes):
        element = {"tag": tag, "attributes": dict(attributes), "text": "", "inside": list(self._open)}
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag):
        assert self._open, f"closed, not opened: {tag}"
        assert self._open.pop()["tag"] == tag, f"closed in the wrong place: {tag}"

    def handle_data(self, data):
        for element in self._open:
            element["text"] += data

    def all(self, tag):
        return [element for element in self.elements if element["tag"] == tag]

    @property
    def palette(self):
        """Values of the palette's table, a list of dicts."""
        [table] = [one for one in self.all("table") if one["attributes"].get("id") == "palette"]
        cells = [one for one in self.elements if any(outer is table for outer in one["inside"])]
        names = [one["text"].strip() for one in cells if one["tag"] == "button"]
        values = [one["attributes"]["data-value"] for one in cells if one["tag"] == "td"]
        return [dict(zip(names, values[n : n + len(names)], strict=True)) for n in range(0, len(values), len(names))]

    @property
    def facts(self):
        """What every row of the other tables says: name to value, its note cut off."""
        rows = [
            one for one in self.all("tr") if any("facts" in o["attributes"].get("class", "") for o in one["inside"])
        ]
        found = {}
        for row in rows:
            inside = [one for one in self.elements if any(outer is row for outer in one["inside"])]
            [name] = [one["text"] for one in inside if one["tag"] == "th"]
            [value] = [one["text"] for one in inside if one["tag"] == "td"]
            notes = [one["text"] for one in inside if one["tag"] == "small"]
            found.setdefault(name, value.removesuffix(notes[0]).strip() if notes else value)
        return found
