"""Codes E0040 to E0047: how files find each other."""

from __future__ import annotations

from ..explanation import Explanation

EXPLANATIONS = (
    Explanation(
        "E0040", "an unknown module",
        "`use` takes the name of a module: `std.<family>` for the library, else the name of a file in the folder of this file or in "
        "another root that was given. A name is never a path: `use pkg.sub (f)` looks for `pkg/sub.attn`.",
        "use std.head (mha)", "use std.heads (mha)",
    ),
    Explanation(
        "E0041", "a module has no such block",
        "The module exists, but it has no block of this name. Only blocks can be used, not what a module itself uses.",
        "use std.heads (mhaa)", "use std.heads (mha)",
    ),
    Explanation(
        "E0042", "modules that use each other in a circle",
        "A program is finite and has no recursion, so a module cannot use itself, not even by way of others. Move what both need into a "
        "third file.",
    ),
    Explanation(
        "E0043", "a block defined twice",
        "The names of blocks in a file are different, because a name says which block is meant.",
        "block f(x: [*]) -> [*] { return x }\nblock f(x: [*]) -> [*] { return x }",
        "block f(x: [*]) -> [*] { return x }\nblock g(x: [*]) -> [*] { return x }",
    ),
    Explanation(
        "E0044", "a used name that exists already",
        "A name that comes by `use` stands for one block, and no other used name or block of the file may be called the same.",
        "use std.heads (mha)\nblock mha(x: [*]) -> [*] { return x }",
        "use std.heads (mha)\nblock my_mha(x: [*]) -> [*] { return x }",
    ),
    Explanation("E0045", "too many files", "Modules may use each other 16 deep, and one program may take in 256 files."),
    Explanation(
        "E0046", "a file that may not be read",
        "A module is an ordinary file under one of the roots. Links that lead out of the root are not followed, so that reading a "
        "stranger's file stays safe, and a file that cannot be opened is reported with the system's reason.",
    ),
)  # fmt: skip
