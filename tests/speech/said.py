"""What is said: quotations of Debian's fortunes, and talk by the templates of talk.toml.

Shares of the speaking time: quotations 35 %, household talk 20 %, words of the grammars in other uses 20 %, news and weather
8 %, recipes 4 %, stories and plays 5 %, replies and scraps of one to five words 8 %. No sentence that a grammar accepts."""
import pathlib
import random
import re
import tomllib

FORTUNES = pathlib.Path("/usr/share/games/fortunes")
TALK = tomllib.loads((pathlib.Path(__file__).parent / "talk.toml").read_text())
SHARES = {"quotation": 0.35, "home": 0.2, "near": 0.2, "radio": 0.08, "recipe": 0.04, "story": 0.05, "short": 0.08}
# How many in a row one voice says, of each kind; a quotation is said whole.
ROW = {"home": (2, 6), "near": (1, 4), "radio": (4, 8), "recipe": (3, 6), "story": (3, 6), "short": (2, 5)}


def squeezed(sentence):
    return re.sub(r"[^a-z0-9']", "", sentence.lower())


class Grammar:
    """The sentences of a configuration, and a few more: a range is any word, the parts of a permutation may repeat or lack."""

    def __init__(self, config):
        self.settings = tomllib.loads(pathlib.Path(config).read_text())
        say = [s for command in self.settings["commands"] for s in self.several(command["say"])]
        self.pattern = re.compile("|".join(map(self.group, say)))

    def accepts(self, sentence):
        return self.pattern.fullmatch(squeezed(sentence)) is not None

    @staticmethod
    def several(value):
        return value if isinstance(value, list) else [value]

    def values(self, name):
        values = self.settings["lists"][name.split(":")[0]]
        if isinstance(values, dict) and "from" in values:
            return "(?:[a-z0-9]{1,30})"
        return "|".join(self.group(v["say"] if isinstance(v, dict) else v) for v in self.several(values))

    def group(self, template):
        """A template as a regular expression without spaces."""
        out, opened = ["(?:"], [[0, ""]]
        for part in re.findall(r"\{[^}]*\}|<[^>]*>|[][()|;]|[^][(){}<>|;]+", template):
            if part in "([":
                opened.append([len(out), ""])
                out.append("(?:")
            elif part in ")]":
                out.append(")" + ("?" if part == "]" else opened[-1][1]))
                opened.pop()
            elif part in "|;":
                opened[-1][1] = "*" if part == ";" else ""
                out.append("|")
            elif part[0] in "{<":
                out.append(f"(?:{self.values(part[1:-1]) if part[0] == '{' else self.group(self.rule(part[1:-1]))})")
            else:
                out.append(re.escape(squeezed(part)))
        return "".join(out) + ")"

    def rule(self, name):
        return "|".join(f"({template})" for template in self.several(self.settings["rules"][name]))


def filled(template, draw):
    """A sentence of a template."""
    innermost = re.compile(r"\(([^()]*)\)|\{(\w+)\}")

    def pick(match):
        if match[2] == "n":
            return str(draw.randint(2, 99))
        return draw.choice((match[1] if match[1] is not None else TALK["lists"][match[2]]).split("|"))

    while innermost.search(template):
        template = innermost.sub(pick, template)
    return template[0].upper() + template[1:]


def quotations():
    """Those of plain English prose, each as a list of sentences, in an order that the seed alone decides."""
    found = []
    for path in sorted(p for p in FORTUNES.iterdir() if not p.suffix and p.is_file()):
        for text in path.read_text(encoding="utf-8", errors="replace").split("\n%\n"):
            text = re.split(r"\n\s*-- ", text)[0].replace('"', "").replace("--", ", ")
            sentences = re.split(r"(?<=[.!?]) ", " ".join(text.split()))
            if all(re.fullmatch(r"[A-Za-z][a-z' ,;:A-Z-]{1,240}[.!?]", s) for s in sentences) and len(sentences) < 8:
                found.append(sentences)
    random.Random("quotations").shuffle(found)
    return found


class Speaker:
    """Who draws what is said in the piece of this number."""

    # More quotations than a piece takes: no two pieces have the same before all were heard.
    QUOTATIONS = 40

    def __init__(self, number, grammars, found):
        self.draw, self.grammars = random.Random(f"said {number}"), grammars
        self.quotations = (found[(number * self.QUOTATIONS + i) % len(found)] for i in range(len(found)))
        self.seconds = dict.fromkeys(SHARES, 0.0)

    def next(self):
        """The kind that is most behind its share, and what one voice says of it."""
        kind = max(SHARES, key=lambda kind: SHARES[kind] - self.seconds[kind] / max(1, sum(self.seconds.values())))
        while True:
            said = [s for s in self.row(kind) if not any(g.accepts(s) for g in self.grammars)]
            if said:
                return kind, said

    def row(self, kind):
        if kind == "quotation":
            return next(self.quotations)
        templates = TALK["kinds"][kind].strip().splitlines()
        return [filled(self.draw.choice(templates), self.draw) for _ in range(self.draw.randint(*ROW[kind]))]
