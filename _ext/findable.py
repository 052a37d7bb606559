"""What the search finds by name: the rules and the terms and symbols of the book, each with the place that it leads to.

Sphinx's search looks through the objects of all domains. This is a domain of such objects; the words under which a rule is
found are its name, its formula in plain characters, and the names of the symbols in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from sphinx.domains import Domain, ObjType

from spoken import plain


class Rule(NamedTuple):
    docname: str
    anchor: str
    name: str
    tex: str


class Entry(NamedTuple):
    """An entry of the glossary: its names, and its signs as TeX."""

    docname: str
    anchor: str
    names: tuple[str, ...]
    signs: tuple[str, ...]
    born: str  # the label of the place that introduces it


class Findable(Domain):
    name = "findable"
    label = "Rules, terms and symbols"
    object_types = {"rule": ObjType("rule"), "entry": ObjType("entry")}
    initial_data = {"rules": [], "entries": []}
    data_version = 1

    def get_type_name(self, type: ObjType, primary: bool = False) -> str:
        return type.lname  # the search says "rule, in All rules on one page"

    @property
    def rules(self) -> list[Rule]:
        return self.data["rules"]

    @property
    def entries(self) -> list[Entry]:
        return self.data["entries"]

    def clear_doc(self, docname: str) -> None:
        for kind, found in self.data.items():
            if isinstance(found, list):
                self.data[kind] = [thing for thing in found if thing.docname != docname]

    def merge_domaindata(self, docnames, otherdata) -> None:
        for kind in self.initial_data:
            self.data[kind] += [thing for thing in otherdata[kind] if thing.docname in docnames]

    def resolve_any_xref(self, *args) -> list:
        return []

    def get_objects(self) -> Iterator[tuple[str, str, str, str, str, int]]:
        for rule in self.rules:
            name = words(f"{rule.name}: {plain(rule.tex)}", spoken_names(rule.tex, self.entries))
            yield name, name, "rule", rule.docname, rule.anchor, 0
        for entry in self.entries:
            name = words(", ".join(entry.names), [plain(sign) for sign in entry.signs])
            yield name, name, "entry", entry.docname, entry.anchor, 0


def spoken_names(tex: str, entries: list[Entry]) -> list[str]:
    """The names of the signs in a formula that are more than a letter."""
    return [entry.names[0] for entry in entries
            if any(tex_has(tex, sign) for sign in entry.signs if is_named(sign))]


def is_named(sign: str) -> bool:
    r"""Whether a sign has a name that readers search for: a bare letter stands for many things.

    >>> is_named(r"\odot"), is_named(r"\mathbf J_{\mathbf y}"), is_named(r"\mathbf x"), is_named(r"\alpha")
    (True, True, False, False)
    """
    return len(plain(sign)) > 1 or not plain(sign).isalpha()


def tex_has(tex: str, sign: str) -> bool:
    r"""Whether a formula has a sign in it, whatever its index or argument is.

    >>> tex_has(r"\mathbf{X}\odot\mathbf B", r"\odot"), tex_has(r"\delta_{ij}x", r"\delta_{ip}"), tex_has(r"\text{a}", r"\te")
    (True, True, False)
    >>> tex_has(r"\frac{\partial\mathbf y}{\partial\mathbf x}", r"\partial\mathbf y/\partial\mathbf x")
    True
    """
    return _found(_tokens(tex), _tokens(_general(sign)))


def _tokens(tex: str) -> list[str]:
    """The pieces of a formula that show; a fraction is the same with a bar and with a stroke."""
    return re.findall(r"\\(?!frac|left|right)[A-Za-z]+|\\[^A-Za-z,;! ]|[^\s{}\\/]", re.sub(r"\\(frac|left|right)(?![A-Za-z])|\\[,;! ]", "", tex))


def _general(sign: str) -> str:
    r"""A sign without the index or the argument that stands for any.

    >>> _general(r"\mathbf 1_n"), _general(r"\operatorname{diag}(\mathbf g)"), _general(r"\mathbf W^\top"), _general(r"\mathbf J_{\mathbf W}")
    ('\\mathbf 1_', '\\operatorname{diag}(', '^\\top', '\\mathbf J_{\\mathbf W}')
    """
    if sign.endswith(r"^\top"):
        return r"^\top"
    if match := re.match(r"(.+?[(\[])", sign):
        return match[1]
    return sign if "operatorname" in sign else re.sub(r"_\{?[a-z]+\}?$", "_", sign)


def _found(tokens: list[str], part: list[str]) -> bool:
    return any(tokens[i : i + len(part)] == part for i in range(len(tokens) - len(part) + 1))


def words(name: str, more: list[str]) -> str:
    """A name with what it does not say yet in brackets. A full stop would be taken for the end of a module's name."""
    missing = [word for word in dict.fromkeys(more) if word.lower() not in name.lower()]
    return (f"{name} ({', '.join(missing)})" if missing else name).replace(".", " ")


def setup(app) -> dict[str, bool]:
    app.add_domain(Findable)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
