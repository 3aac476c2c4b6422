"""Codes E04xx (weights), E05xx (structure and binding), E06xx (running), E07xx (files of weights and graphs) and E09xx (verifying)."""

from __future__ import annotations

from ..explanation import Explanation

EXPLANATIONS = (
    Explanation(
        "E0401",
        "two weights under one name",
        "Weights are named by `as`, by what they are bound to, or by their operator. Two of one name cannot be told apart in a checkpoint.",
        "linear(x, C -> C) as proj |> linear(C -> C) as proj",
        "linear(x, C -> C) as proj |> linear(C -> C) as out",
    ),
    Explanation(
        "E0402",
        "a weight in a loop without the turn in its name",
        "Each turn makes weights of its own, so their path must mention the loop variable. To share one layer, make it before the loop.",
        "for i in 0..3 { x = linear(x, C -> C) as proj }",
        "for i in 0..3 { x = linear(x, C -> C) as proj[i] }",
    ),
    Explanation(
        "E0403",
        "a weight name that PyTorch modules use themselves",
        "A path such as `train.weight` would hide a method of the module.",
        "linear(x, C -> C) as train",
        "linear(x, C -> C) as training_head",
    ),
    Explanation(
        "E0404",
        "a layer applied at two sizes",
        "A layer has one set of weights, so it is applied to tensors of one size.",
        "lin(x) + lin(wide)",
        "lin(x) + linear(wide, W -> C) as other",
    ),
    Explanation(
        "E0405",
        "`as` on something without weights",
        "`as` names the weights of a call or of a parenthesis.",
        "x as name",
        "linear(x, C -> C) as name",
    ),
    Explanation(
        "E0501",
        "something must be bound",
        "To compile a block, parameters without a default and the axes of weights need values.",
        'attn.compile("se.attn")',
        'attn.compile("se.attn", C=64)',
    ),
    Explanation(
        "E0502",
        "there is nothing of this name to bind",
        "Axes and parameters of the block can be bound; tensors are passed to the module.",
        'attn.compile("se.attn", c=64)',
        'attn.compile("se.attn", C=64)',
    ),
    Explanation(
        "E0503",
        "a value that cannot be bound",
        "Axes take whole numbers; parameters take numbers, booleans, lists and words.",
        'attn.compile("se.attn", C="many")',
        'attn.compile("se.attn", C=64)',
    ),
    Explanation(
        "E0504",
        "a result that does not match its declaration",
        "The declared result is a promise: the same axes with the same sizes. `*` is filled in by itself.",
        "block f(x: [*, H, W]) -> [*] { return mean(x, H) }",
        "block f(x: [*, H, W]) -> [*] { return mean(x, H W) }",
    ),
    Explanation(
        "E0505",
        "a state written twice",
        "`next s = ...` says what the state holds after the run, once.",
        "next s = s + x\nnext s = s - x",
        "next s = s + x - x",
    ),
    Explanation(
        "E0506",
        "an axis whose name cannot be read off",
        "In a signature `H/2` is about axis H. Where several could be meant, write `N = H*W`.",
        "x: [*, H*W]",
        "x: [*, N = H*W]",
    ),
    Explanation(
        "E0507",
        "a condition that is not known while the module is built",
        "`if` chooses what is built. For numbers that are known only when the module runs, `where(c, a, b)` chooses.",
        "if x > 0 { return x }",
        "return where(x > 0, x, -x)",
    ),
    Explanation(
        "E0508",
        "a block that calls itself",
        "Programs are finite: there is no recursion. `for` repeats, `scan` steps along an axis.",
        "block f(x: [*]) -> [*] { return f(x) }",
        "block f(x: [*]) -> [*] { return x }",
    ),
    Explanation("E0509", "blocks called too deep", "Blocks may call one another 64 deep."),
    Explanation(
        "E0510",
        "`return` or `yield` in the wrong place",
        "A block gives its results with `return`, a scan with `yield`.",
        "block f(x: [*, N]) -> [*, N] { yield x }",
        "block f(x: [*, N]) -> [*, N] { return x }",
    ),
    Explanation(
        "E0511", "a weight with `*`", "What a module keeps has named axes with known sizes.", "param w: [*, C] = 1", "param w: [C] = 1"
    ),
    Explanation(
        "E0512",
        "not a state, or not a constant",
        "Only a `state` can be written with `next`, and an initial value depends on nothing that is known later.",
        "next memroy = x",
        "next memory = x",
    ),
    Explanation("E0513", "a program that is too large", "A program has at most 100,000 operations, and a loop 4,096 turns."),
    Explanation("E0514", "a file without blocks", "A program is a file of blocks.", "x = 1", "block f(x: [*]) -> [*] { return x }"),
    Explanation(
        "E0515",
        "a block that returns nothing",
        "A block ends with `return`, on every way through it.",
        "block f(x: [*]) -> [*] { y = relu(x) }",
        "block f(x: [*]) -> [*] { return relu(x) }",
    ),
    Explanation(
        "E0601",
        "a tensor of the wrong size",
        "A tensor passed to the module has another size along an axis than the program, its binding or another tensor says.",
    ),
    Explanation(
        "E0602",
        "a tensor with the wrong number of dimensions",
        "A module takes the declared dimensions in order; `*` is any number of leading ones.",
    ),
    Explanation("E0603", "a tensor of the wrong kind of number", "Inputs are float (of the weights' dtype), int or bool, as declared."),
    Explanation("E0604", "a tensor on another device", "All inputs stand where the weights do."),
    Explanation(
        "E0605",
        "a fact about sizes that does not hold",
        "Some facts (a size divides, two sizes agree) can be checked only when tensors come.",
    ),
    Explanation(
        "E0606",
        "a value that the program does not name",
        "A probe takes the names of bindings under the paths that weights have, and patterns of these. `module.value_names()` lists them.",
        'module.probe("layers[3].atention.q")',
        'module.probe("layers[3].attention.q", "layers[*].attention.weights")',
    ),
    Explanation(
        "E0607",
        "a value that a probe cannot give",
        "It has not been computed yet, hangs on random numbers that are gone, or the part that is asked for is not there.",
    ),
    Explanation(
        "E0608",
        "an input file that cannot be read or does not fit",
        "`attn inspect` reads tensors by name (.safetensors, .npz), texts through a tokenizer, and images for an input with colours.",
    ),
    Explanation(
        "E0609",
        "nothing to look at",
        "`attn inspect` shows the maps of attention and the values of gates; the block has neither.",
    ),
    Explanation(
        "E0610",
        "a backend that cannot work here",
        "Inductor makes kernels with a C++ compiler. `backend='auto'` is eager where there is none.",
        'attn.compile("se.attn", C=64, backend="inductor")',
        'attn.compile("se.attn", C=64)',
    ),
    Explanation("E0701", "weights that do not fit", "The message lists every missing, unexpected and misshapen name."),
    Explanation("E0702", "a graph file that cannot be read", "It is not the JSON of a graph, or of another version."),
    Explanation(
        "E0703",
        "a profile that does not fit",
        "A profile is a JSON object from names to seconds. A name is the path of a block, of what owns weights, or of a named value.",
    ),
    Explanation("E0704", "a package that is not installed", "Writing .onnx files needs the package `onnx`: `pip install 'attn[onnx]'`."),
    Explanation(
        "E0705",
        "a package that cannot be written or read",
        "A .pt2 package has one leading dimension for `*`, sizes that are bound or that PyTorch can trace without a number, and no state "
        "that changes from call to call.",
        "attn compile counter.attn -o counter.pt2",
        "attn compile counter.attn -o counter.py",
    ),
    Explanation(
        "E0801",
        "an axis that cannot be pruned",
        "A slice can go where everything that has it works through its axis one by one, until it is added up (`linear`, `conv`, `dot`, "
        "`sum`). An axis that comes in or goes out, that a norm or a softmax works along, or whose size is used as a number, stays.",
    ),
    Explanation(
        "E0802",
        "a budget or importances that do not fit",
        "A budget keeps one slice of each place at least, and all at most. Importances are one finite number for each slice of each place, "
        "and gradients need data for every input.",
    ),
    Explanation(
        "E0901",
        "a pass that changes what the program means",
        "The program was compiled with `verify=True`, and a pass of the optimiser disagrees with the reference. The mistake is attn's.",
    ),
)
