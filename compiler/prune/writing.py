"""The smaller program as text: the user's own, with numbers of slices as parameters, and copies of the library blocks that take them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ...dsl import tree
from ...dsl.diagnostics import AttnError, Diagnostic
from ...dsl.format import format_text
from ...dsl.loader import Unit
from ...dsl.source import Source, Span
from .needs import Need, index_of, value_of
from .sites import Edit, calls_of, edited, sizes_of, values_of, walk, whole_block, words_of


@dataclass
class Writing:
    """`unit` and `root` are the program; `needs` come with those of called blocks first. `edits` are by source."""

    unit: Unit
    root: tree.Block
    axis: str
    needs: Sequence[Need]
    names: dict[Need, str] = field(default_factory=dict["Need", str])
    reused: dict[Need, tree.Param] = field(default_factory=dict["Need", tree.Param])
    edits: dict[Source, list[Edit]] = field(default_factory=dict["Source", list[Edit]])
    params: dict[tree.Block, list[str]] = field(default_factory=dict["tree.Block", list[str]])
    homes: dict[Source, Unit] = field(default_factory=dict["Source", Unit])
    blocks: list[tree.Block] = field(default_factory=list["tree.Block"])
    copied: list[tree.Block] = field(default_factory=list["tree.Block"])

    def text(self) -> str:
        """The whole file, in the one style. Raises AttnError (E0801) where the text has no place for the numbers."""
        self.homes = _homes(self.unit)
        self.blocks = list(dict.fromkeys(need.block for need in self.needs))
        self.copied = [block for block in self.blocks if block.span.source is not self.unit.source or self.unit.source.library]
        self._no_clash()
        for need in self.needs:
            self._write(need)
        for block, params in self.params.items():
            self._edit(_end_of_params(block), "".join(f", {param}" for param in params))
        return format_text(Source(self.unit.source.name, self._compose()))

    def _edit(self, place: Span, text: str) -> None:
        self.edits.setdefault(place.source, []).append(Edit(place.start, place.end, text))

    # ------------------------------------------------ needs

    def _write(self, need: Need) -> None:
        param = self._reusable(need)
        if param is not None:
            self.names[need], self.reused[need] = param.name, param
        else:
            self.names[need] = self._fresh(need.block)
        self._declare(need)
        if need.child is None:
            self._own(need)
        else:
            self._argument(need, need.child)
            self._passed_on(need)

    def _passed_on(self, need: Need) -> None:
        """Tensors that a caller hands down with the axis, such as `offset: [*, h = heads, N, N']`, have it at the new size too."""
        alone = sum(other.block is need.block for other in self.needs) == 1
        if alone and need.shape == "one" and need not in self.reused:
            self._sizes(need, sizes_of(need.block.params, self.axis))

    def _own(self, need: Need) -> None:
        if need in self.reused:
            return
        self._sizes(need, need.own)

    def _sizes(self, need: Need, exprs: Sequence[tree.Expr]) -> None:
        name = self.names[need]
        for expr in exprs:
            self._edit(expr.span, f"{expr.span.text} if {name} == none else {name}" if self._optional(need) else name)

    def _argument(self, need: Need, child: Need) -> None:
        """What the call on the way hands down."""
        name = self.names[need]
        value = f"{name}[{index_of(need)}]" if need.shape == "turns" else name
        if need.shape == "turns" and self._optional(need):
            raise AttnError([self._other_calls(need)])
        given = _given(need, self.names[child])
        if given is not None:
            self._edit(given.value.span, value)
            return
        site = need.site
        assert site is not None
        text, end = site.source.text, Span(site.source, site.end - 1, site.end - 1)
        if not site.text.endswith(")"):
            self._edit(Span(site.source, site.end, site.end), f"({self.names[child]}={value})")
            return
        empty = text[: site.end - 1].rstrip().endswith(("(", ","))
        self._edit(end, f"{'' if empty else ', '}{self.names[child]}={value}")

    def _declare(self, need: Need) -> None:
        name, kind = self.names[need], "int*" if need.many else "int"
        default = f" = {_shown(value_of(need))}" if need.block is self.root else ""
        param = self.reused.get(need)
        if param is None:
            default = default or (" = none" if self._optional(need) else "")
            self.params.setdefault(need.block, []).append(f"{name}: {kind}{default}")
            return
        if need.block is self.root or need.many:
            self._edit(Span(param.span.source, param.spec.span.start, param.span.end), f"{kind}{default}")

    def _fresh(self, block: tree.Block) -> str:
        """A name for a parameter that the block does not have."""
        taken = {*words_of(block), *(name for need, name in self.names.items() if need.block is block)}
        wanted = f"kept_{self.axis}"
        name, number = wanted, 1
        while name in taken:
            number += 1
            name = f"{wanted}_{number}"
        return name

    # ------------------------------------------------ parameters that are there already

    def _reusable(self, need: Need) -> tree.Param | None:
        """A parameter of the block that says this number and nothing else."""
        exprs = need.own if need.child is None else [one.value for one in [_given(need, self.names[need.child])] if one is not None]
        names = {_base(expr) for expr in exprs}
        param = next((param for param in need.block.params if param.name in names), None)
        if param is None or len(names) != 1 or not isinstance(param.spec, tree.StaticSpec) or param.spec.kind != "int":
            return None
        passed = sum(_base(expr) == param.name for expr in sizes_of(need.block.params, self.axis)) if need.child is not None else 0
        if values_of(need.block).count(param.name) != len(exprs) + passed or self._given_otherwise(need, param):
            return None
        return param

    def _given_otherwise(self, need: Need, param: tree.Param) -> bool:
        """Whether some call gives the parameter by its place, or is none of those on the way."""
        place = [one.name for one in need.block.params].index(param.name)
        for call in self._calls(need.block):
            if isinstance(call, tree.Call) and sum(arg.name is None for arg in call.args) > place:
                return True
        return self._optional(need)

    def _calls(self, block: tree.Block) -> list[tree.Call | tree.Name]:
        """Every call of a block in the program that will be written."""
        return [call for one in self._all_blocks() for call in calls_of(one, {block.name}) if self._called(one, block)]

    def _called(self, caller: tree.Block, block: tree.Block) -> bool:
        unit = self.homes[caller.span.source]
        return block.name in unit.scope and unit.scope[block.name][1] is block

    def _all_blocks(self) -> list[tree.Block]:
        return [*self.copied, *(() if self.unit.source.library else self.unit.blocks.values())]

    def _optional(self, need: Need) -> bool:
        """Whether a call that is not on the way leaves the number out."""
        on_the_way = {(one.site.source, one.site.start) for one in self.needs if one.site is not None}
        return any((call.span.source, call.span.start) not in on_the_way for call in self._calls(need.block))

    def _other_calls(self, need: Need) -> Diagnostic:
        title = f"`{need.block.name}` needs a number for each turn, but is called elsewhere too"
        return Diagnostic(
            "E0801", title, need.block.head, help="prune with uniform=True (--uniform), or give the other call a block of its own"
        )

    # ------------------------------------------------ the file

    def _no_clash(self) -> None:
        own = {} if self.unit.source.library else self.unit.blocks
        names = [block.name for block in self.copied]
        for block in self.copied:
            known = None if self.unit.source.library else self.unit.scope.get(block.name)
            if block.name in own or names.count(block.name) > 1 or (known is not None and known[1] is not block):
                title = f"the block `{block.name}` of {block.span.source.name} must be copied, but the program has another of this name"
                raise AttnError([Diagnostic("E0801", title, block.head, help="rename the program's own")])

    def _compose(self) -> str:
        copies = [edited(block.span.source.text, self.edits.get(block.span.source, []), whole_block(block).start, block.span.end)
                  for block in self.copied]  # fmt: skip
        uses = self._uses()
        lines = "\n".join(f"use {module} ({', '.join(names)})" for module, names in uses.items() if names)
        if self.unit.source.library:
            return "\n\n".join(["attn 1", *([lines] if lines else []), *copies]) + "\n"
        program, edits = self.unit.program, list(self.edits.get(self.unit.source, []))
        edits += [Edit(use.span.start, use.span.end, "") for use in program.uses]
        first = min(whole_block(block).start for block in program.blocks)
        start = program.uses[0].span.start if program.uses else first
        edits.append(Edit(start, start, lines + "\n\n" if lines else ""))
        edits.append(Edit(first, first, "".join(f"{text}\n\n" for text in copies)))
        return edited(self.unit.source.text, edits)

    def _uses(self) -> dict[str, list[str]]:
        """The modules and names that the file takes: its own ones that are not copied, and those of the copies."""
        found: dict[str, list[str]] = {}
        here = {id(block) for block in self._all_blocks()}
        for use in () if self.unit.source.library else self.unit.program.uses:
            names = [name.text for name in use.names if id(self.unit.scope[name.text][1]) not in here]
            found.setdefault(".".join(use.module), []).extend(names)
        for block in self.copied:
            unit = self.homes[block.span.source]
            for call in calls_of(block, set(unit.scope)):
                name = call.text if isinstance(call, tree.Name) else call.callee.span.text
                home, other = unit.scope[name]
                if id(other) not in here:
                    known = found.setdefault(self.modules[home.source], [])
                    known += [name] if name not in known else []
        return found

    @property
    def modules(self) -> dict[Source, str]:
        """What the units are called in a `use`."""
        found = {self.unit.source: self.unit.source.name}
        for unit in self.homes.values():
            for use in unit.program.uses:
                for name in use.names:
                    if name.text in unit.scope:
                        found[unit.scope[name.text][0].source] = ".".join(use.module)
        return found


def _homes(unit: Unit) -> dict[Source, Unit]:
    """Every unit below one, by its text."""
    found: dict[Source, Unit] = {}
    waiting = [unit]
    while waiting:
        top = waiting.pop()
        if top.source not in found:
            found[top.source] = top
            waiting += [home for home, _ in top.scope.values()]
    return found


def _given(need: Need, param: str) -> tree.Arg | None:
    """The argument that the call on the way has for a parameter."""
    for item in walk(need.block.body):
        if isinstance(item, tree.Call) and need.site is not None and item.span == need.site:
            return next((arg for arg in item.args if arg.name == param), None)
    return None


def _base(expr: object) -> str:
    """`kept` of `kept` and of `kept[i]`."""
    if isinstance(expr, tree.Index):
        expr = expr.base
    return expr.text if isinstance(expr, tree.Name) else ""


def _end_of_params(block: tree.Block) -> Span:
    last = block.params[-1].span
    return Span(last.source, last.end, last.end)


def _shown(value: int | list[int]) -> str:
    return str(value) if isinstance(value, int) else f"[{', '.join(map(str, value))}]"
