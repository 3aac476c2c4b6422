"""Codes E0001 to E0036: how a text is spelled."""

from __future__ import annotations

from ..explanation import Explanation

EXPLANATIONS = (
    Explanation(
        "E0001", "unexpected text",
        "The text up to here makes sense, and what comes next cannot go on from it. The message says what could stand there. "
        "Often the mistake is a little before the place shown: a comma or an operator left out.",
        "y = x + * x", "y = x + x",
    ),
    Explanation(
        "E0002", "a bracket is never closed",
        "Every `(`, `[` and `{` needs its partner. The message points at the bracket that was opened and at the first place that shows "
        "that it was not closed: another closing bracket, a word that begins a statement, or the end of the file.",
        "y = linear(x, C -> C\nreturn y", "y = linear(x, C -> C)\nreturn y",
    ),
    Explanation(
        "E0003", "a closing bracket without an opening one",
        "No bracket is open for this one to close. Remove it, or add the opening bracket that was left out.",
        "y = relu(x))", "y = relu(x)",
    ),
    Explanation(
        "E0004", "a character without meaning",
        "Outside of comments a program is written with plain letters, digits and a few signs. Letters of other alphabets, quotes copied "
        "from a word processor and unusual spaces have no meaning. Comments may hold anything.",
        "é = relu(x)", "e = relu(x)   # é",
    ),
    Explanation(
        "E0005", "`:` where `=` is meant",
        "`:` stands before a type, as in `x: [*, C]`. Values get their names with `=`, in statements and in arguments alike.",
        "y = conv(x, C -> C, over=H W, kernel: 3)", "y = conv(x, C -> C, over=H W, kernel=3)",
    ),
    Explanation(
        "E0006", "`=` where `:` is meant",
        "In the head of a block, in `param`, `const` and `state`, and in the carries of a `scan`, the type comes after `:`. "
        "A default or a first value follows after `=`.",
        "block f(x = [*, C]) -> [*, C] { return x }", "block f(x: [*, C]) -> [*, C] { return x }",
    ),
    Explanation(
        "E0007", "`==` where `=` is meant",
        "`==` asks whether two values are equal. A statement gives a name to a value with a single `=`.",
        "y == relu(x)", "y = relu(x)",
    ),
    Explanation(
        "E0008", "an operator after a pipe",
        "`|>` binds more loosely than every other operator, and its right side is a single call or name. So `x |> f + y` could be read two "
        "ways, and neither is taken: parentheses say which is meant.",
        "y = x |> relu + x", "y = (x |> relu) + x",
    ),
    Explanation(
        "E0009", "comparisons do not chain",
        "`a < b < c` is not read as in mathematics; write the two comparisons and join them with `and`.",
        "m = 0 < pos(N) < 8", "m = 0 < pos(N) and pos(N) < 8",
    ),
    Explanation(
        "E0010", "`=` inside an expression",
        "`=` names the value of a whole statement, an argument or an index. It is no operator: comparing is `==`.",
        "if heads = 8 { x = relu(x) }", "if heads == 8 { x = relu(x) }",
    ),
    Explanation(
        "E0011", "a word of the language used as a name",
        "A few words are reserved: attn use block axis static param const state next return yield if else for in scan and or not as true "
        "false none. After `as` even these are free, because the names of weights often come from elsewhere.",
        "next = relu(x)", "next_ = relu(x)",
    ),
    Explanation(
        "E0012", "a block without its result",
        "A block declares what it returns after `->`: one type, or several in parentheses with a name each.",
        "block f(x: [*, C]) { return x }", "block f(x: [*, C]) -> [*, C] { return x }",
    ),
    Explanation(
        "E0013", "a number written differently",
        "A number has digits on both sides of its dot, so that `0..n` is a range and nothing else. Names begin with a letter or `_`.",
        "y = .5 * x", "y = 0.5 * x",
    ),
    Explanation(
        "E0014", "an operator of another language",
        "Powers are `**`, logic is `and`, `or`, `not`, and naming is `=`. There is no `+=`: a name may be bound again, `x = x + y`.",
        "y = x ^ 2", "y = x ** 2",
    ),
    Explanation(
        "E0015", "a word of another language",
        "A file holds `use` lines and blocks; a block holds statements. The message names what is written here instead.",
        "def f(x: [*, C]) -> [*, C] { return x }", "block f(x: [*, C]) -> [*, C] { return x }",
    ),
    Explanation(
        "E0016", "a string",
        "Programs hold no text. A choice between named variants is an enumeration, declared in the head of a block.",
        'y = resize(x, H -> U=8, mode="nearest")', "y = resize(x, H -> U=8, mode=nearest)",
    ),
    Explanation(
        "E0017", "a statement that names nothing",
        "A program only describes values, so a call alone does nothing. Give its value a name, or return it.",
        "relu(x)", "y = relu(x)",
    ),
    Explanation(
        "E0018", "a stage of a pipe that is no call",
        "The value on the left of `|>` becomes the first argument of the call on its right, so that must be a call or the name of an "
        "operator, block or layer.",
        "y = x |> 3", "y = x |> relu",
    ),
    Explanation(
        "E0019", "a tuple outside of arguments",
        "`(a, b)` is written only as an argument, as in `scores((qn, qr), (kn, kr), over=N, dot=(d, r))`. A list of numbers uses `[ ]`, "
        "and several results are named with `a, b = f(x)`.",
        "sizes = (3, 5)", "sizes = [3, 5]",
    ),
    Explanation(
        "E0020", "the version of the language",
        "The first line may be `attn 1`, the version of the language that the file is written in. It stands once, before everything else, "
        "and this attn must know it.",
        "attn 9", "attn 1",
    ),
    Explanation(
        "E0021", "two statements on a line",
        "A newline ends a statement. Where one is continued, the line ends with an operator or a comma, or the next line begins with one.",
        "a = relu(x) b = tanh(x)", "a = relu(x)\nb = tanh(x)",
    ),
    Explanation(
        "E0022", "a semicolon",
        "Statements are parted by newlines alone.",
        "a = relu(x); b = tanh(x)", "a = relu(x)\nb = tanh(x)",
    ),
    Explanation(
        "E0023", "a call of something that has no name",
        "What is called is a name, an indexed name or a parenthesis. To apply a layer where it is made, enclose it.",
        "y = linear(C -> C)(x)", "y = (linear(C -> C))(x)",
    ),
    Explanation(
        "E0030", "the file is too long",
        "A file may have 1,048,576 characters (1 MiB). Programs are far smaller; a limit keeps a stranger's file harmless.",
    ),
    Explanation("E0031", "the file has too many words", "A file may have 200,000 words, numbers and signs."),
    Explanation(
        "E0032", "nested too deep",
        "Brackets may be nested 100 deep, and an expression with all it stands in may have 200 levels. A long chain of one operator counts "
        "a level for each: `a + b + c` has two. Give the inner parts names.",
    ),
    Explanation("E0033", "a name is too long", "A name may have 128 characters."),
    Explanation(
        "E0034", "a number is too large",
        "An integer must be below 2 ** 31. A number with a dot may have 64 characters and an exponent up to 400.",
        "static n = 2147483648", "static n = 2147483647",
    ),
    Explanation("E0035", "the file is not UTF-8", "Programs are saved as UTF-8 text. The message names the first byte that does not fit."),
    Explanation("E0036", "too many mistakes", "After 100 mistakes no more are listed. Mend the first ones and check again."),
)  # fmt: skip
