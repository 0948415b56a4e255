"""Docstrings in Keras' form: Markdown under Google's headings.

Docutils reads reStructuredText, so this turns inline code, fences, links and tables
into that before napoleon reads the headings. Inline code that is a public name becomes
a link to its page, and so do types in signatures.
"""

import inspect
import re

import api_pages
from sphinx.util.inspect import stringify_signature

FENCE = re.compile(r"^(\s*)```(\w*)\s*$")
TABLE = re.compile(r"^(\s*)\|(.*)\|\s*$")
CODE = re.compile(r"(?<!`)`([^`]+)`(?!`)(?=(\w?))")
LINK = re.compile(r"\[([^\]]+)\]\((https?://[^)\s]+)\)")
SEVERAL = re.compile(r"^(    )((?:\w+, )+\w+): (.*)$")
SHAPES = re.compile(r"^(Input|Output|Input and output): (\S.*)$")
# Parts of Keras' protocol, told in Keras' own pages.
SKIPPED = {
    "build",
    "call",
    "compile_from_config",
    "compute_mask",
    "compute_output_shape",
    "compute_output_spec",
    "default_compile",
    "get_compile_config",
    "get_config",
}


def to_rst(lines: list[str], own_name: str = "") -> list[str]:
    """Return the lines of a docstring as reStructuredText.

    Args:
        lines: A docstring in Keras' form.
        own_name: The documented object, to which nothing in it links.

    Returns:
        The new lines.
    """
    result: list[str] = []
    text: list[str] = []
    rest = iter(_prepared(lines))
    for line in rest:
        if fence := FENCE.match(line):
            result += _inline(text, own_name)
            text = []
            result += _code_block(rest, *fence.groups())
        elif TABLE.match(line):
            result += _inline(text, own_name)
            text = []
            rows = [line]
            for line in rest:
                if not TABLE.match(line):
                    text.append(line)
                    break
                rows.append(line)
            result += _inline(_table(rows), own_name)
        else:
            text.append(line)
    return result + _inline(text, own_name)


def _prepared(lines: list[str]) -> list[str]:
    """Meet napoleon's and docutils' habits."""
    done: list[str] = []
    section = ""
    for line in lines:
        before = done[-1] if done else ""
        if re.fullmatch(r"[A-Z]\w+:", line):
            section = line
        if before in ("Returns:", "Yields:"):
            # An empty type: or the words before a colon would be taken for one.
            line = re.sub(r"^(\s+)(?=\S)", r"\1: ", line)
        if shape := SHAPES.match(line):
            done += [f"{shape[1]}:"]
            line = f"    {shape[2]}"
        several = SEVERAL.match(line)
        if several and section in ("Attributes:", "Raises:"):
            indent, names, words = several.groups()
            *names, last = names.split(", ")
            done += [f"{indent}{name}: {words}" for name in names]
            line = f"{indent}{last}: {words}"
        if section == "Args:":  # napoleon only escapes a name that stands alone
            line = re.sub(r"^(    \w.*?, )\*\*(?=\w+:)", r"\1\\*\\*", line)
        bullet = re.match(r"\s*- ", line)
        inside = re.match(r"\s*- |\s*$|\w+:$", before) or _indent(before) > _indent(
            line
        )
        if bullet and not inside:
            done.append("")
        done.append(line)
    return done


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _code_block(rest, indent: str, language: str) -> list[str]:
    block = [f"{indent}.. code-block:: {language or 'text'}", ""]
    for line in rest:
        if FENCE.match(line):
            break
        block.append(f"   {line}" if line.strip() else "")
    return [*block, ""]


def _table(rows: list[str]) -> list[str]:
    indent = TABLE.match(rows[0])[1]
    made = ["", f"{indent}.. list-table::", f"{indent}   :header-rows: 1", ""]
    for number, row in enumerate(rows):
        if number == 1:  # the rule below the header
            continue
        for place, cell in enumerate(TABLE.match(row)[2].split("|")):
            start = "   * - " if place == 0 else "     - "
            made.append(f"{indent}{start}{cell.strip()}".rstrip())
    return [*made, ""]


def _inline(lines: list[str], own_name: str) -> list[str]:
    names = api_pages.link_names()

    def code(match) -> str:
        words, next_letter = match.groups()
        target = names.get(words.removesuffix("()"))
        known = target and target != own_name
        made = f":py:obj:`{words} <{target}>`" if known else f"``{words}``"
        return made + ("\\ " if next_letter else "")

    text = CODE.sub(code, "\n".join(lines))
    return LINK.sub(r"`\1 <\2>`__", text).split("\n") if lines else []


def process_docstring(app, what, name, obj, options, lines) -> None:
    lines[:] = to_rst(lines, name)
    if what == "property" and lines and ":" in lines[0]:
        lines[0] = f": {lines[0]}"  # an empty type, as above


def skip_member(app, what, name, obj, skip, options):
    """Leave out what other packages define, and Keras' protocol."""
    made_by = getattr(obj, "fget", None) or getattr(obj, "__func__", obj)
    module = getattr(made_by, "__module__", None) or ""
    foreign = bool(module) and module.split(".")[0] != "keras_musictag"
    return True if foreign or name in SKIPPED else None


def process_signature(app, what, name, obj, options, signature, returns):
    """Show the constructor: Keras hides it behind a `__new__` that takes anything."""
    if what != "class" or signature != "(*args, **kwargs)":
        # As dataclasses print a default that is made anew each time: not Python.
        return signature and signature.replace("<factory>", "{}"), returns
    given = inspect.signature(obj.__init__)
    given = given.replace(parameters=list(given.parameters.values())[1:])
    return stringify_signature(given, unqualified_typehints=True), returns


def process_bases(app, name, obj, options, bases) -> None:
    """Name the nearest base that has a page, here or elsewhere."""
    for base in obj.__mro__[1:]:
        path = f"{base.__module__}.{base.__qualname__}"
        ours = path.startswith("keras_musictag.")
        if path in api_pages.public_names() or not ours:
            bases[:] = [base]
            return


def resolve_type(app, env, node, contnode):
    """Find the page of a class that a signature names by the module it is in."""
    if node.get("refdomain") != "py":
        return None
    target = api_pages.public_names().get(node["reftarget"])
    if target is None:
        return None
    domain = env.domains["py"]
    return domain.resolve_xref(
        env, node["refdoc"], app.builder, "obj", target, node, contnode
    )


def setup(app) -> dict:
    app.connect("autodoc-process-docstring", process_docstring, priority=400)
    app.connect("autodoc-skip-member", skip_member)
    app.connect("autodoc-process-signature", process_signature)
    app.connect("autodoc-process-bases", process_bases)
    app.connect("missing-reference", resolve_type)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
