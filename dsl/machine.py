"""The LALR machine: it takes tokens one by one, says what it could take, and can go back to an earlier state.

All that is known of Lark's inside stands here and in tables.py.
"""

from __future__ import annotations

from functools import cache
from threading import Lock
from typing import Any, NamedTuple

from lark.exceptions import UnexpectedToken
from lark.parse_tree_builder import ExpandSingleChild
from lark.parsers.lalr_analysis import Shift

from .tables import parser
from .tokens import Word

# The machines share their callbacks: hold this while one is at work.
LOCK = Lock()
Misfit = UnexpectedToken
State = tuple[list[Any], list[Any]]


class Step(NamedTuple):
    """What is done in a state at a token: go on to state `to`; or make of the last `size` values one, named `origin`, with `make`."""

    to: int
    size: int = 0
    make: Any = None
    origin: str = ""
    passes: bool = False
    """Whether the one value stays as it is and only changes its name: most steps of an expression do no more."""


@cache
def _steps() -> dict[int, dict[str, Step]]:
    """Lark's table with everything at hand that its own loop looks up anew for every token."""
    lark: Any
    lark, _ = parser()
    conf: Any = lark.parse_interactive().parser_state.parse_conf

    def step(action: Any, argument: Any) -> Step:
        if action is Shift:
            return Step(argument)
        make, size = conf.callbacks[argument], len(argument.expansion)
        return Step(-1, size, make, argument.origin.name, size == 1 and isinstance(make, ExpandSingleChild))

    return {state: {kind: step(*found) for kind, found in row.items()} for state, row in conf.states.items()}


@cache
def _landed(below: int, origin: str, kind: str) -> int:
    """The state after a value named `origin`, where `below` is the one before it, and after all steps at this token that only rename it."""
    steps = _steps()
    state = steps[below][origin].to
    while (step := steps[state].get(kind)) is not None and step.passes:
        state = steps[below][step.origin].to
    return state


class Machine:
    """One parse. Where a token does not fit, `feed` raises `Misfit`, and what the callbacks raise passes through it."""

    def __init__(self) -> None:
        lark: Any
        lark, builder = parser()
        builder.reset()
        self._parser: Any = lark.parse_interactive()
        self._end: Any = self._parser.parser_state.parse_conf.end_state
        self._steps = _steps()

    def feed(self, token: Word) -> Any:
        """Take one token. The result of the whole comes back for the token `$END`."""
        current = self._parser.parser_state
        states, values, steps, kind = current.state_stack, current.value_stack, self._steps, token.type
        while True:
            step = steps[states[-1]].get(kind)
            if step is None:
                return self._parser.feed_token(token)  # which does not fit: Lark says so
            to, size, make, origin, _ = step
            if make is None:
                states.append(to)
                values.append(token)
                return None
            parts: list[Any] = []
            if size:
                parts = values[-size:]
                del states[-size:], values[-size:]
            values.append(make(parts))
            states.append(_landed(states[-1], origin, kind))
            if kind == "$END" and states[-1] == self._end:
                return values[-1]

    def expected(self) -> frozenset[str]:
        """The kinds of token that would have fitted where the last one did not."""
        return frozenset(self._parser.accepts())

    def state(self) -> State:
        state = self._parser.parser_state
        return list(state.state_stack), list(state.value_stack)

    def go_back(self, state: State) -> None:
        """Return to a state of this machine, which stays good for another return."""
        current = self._parser.parser_state
        current.state_stack[:], current.value_stack[:] = state
