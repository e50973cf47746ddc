#!/usr/bin/env python3
"""Lays recordings of people out for `make fit`. usage: layout.py SETS OUT [TALK]

SETS holds one folder of WAV files a set, with a transcripts.jsonl each: an object a line with file, text (null where nobody
wrote it down) and speaker (null where not known); and the folders noise and rooms. In the folder coffee_orders the files have
an expected.jsonl and a grammar, coffee.toml. OUT gets one folder a grammar, with config.toml, expected.jsonl and links to the
files; and noise and rooms.

TALK holds hours of synthetic talk, as `make false-accepts` leaves them in target/speech. Every second piece is other speech for
the grammars of whole sentences: with words of these grammars in other uses, of which people's sets hold hardly any. The other
pieces stay for measuring.
"""

import json
import re
import sys
import zlib
from pathlib import Path

HERE = Path(__file__).resolve().parent
ONES = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen " \
       "eighteen nineteen".split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
NUMBERS = {word: n for n, word in enumerate(ONES)}
NUMBERS |= {word: 10 * n for n, word in enumerate(TENS, 2)}
NUMBERS |= {f"{ten} {one}": 10 * t + o for t, ten in enumerate(TENS, 2) for o, one in enumerate(ONES[1:10], 1)}

# Of each grammar: the sets that its sentences are taken from, and the share of all other speech that it has to refuse.
GRAMMARS = {
    "ten-words": (["speech_commands_test", "an4"], 0.3),
    "wake-words": (["wakewords", "precise_community", "voice_samples"], 0.2),
    "controls": (["an4"], 0.15),
    "keywords": (["phone_keywords_wuw"], 0.2),
    "names": (["precise_community", "wakewords"], 0.15),
    "phrases": (["custom_phrases"], 0.15),
    "digits": (["digits_letters", "speech_commands_test"], 0.15),
    "various": (["voice_samples"], 0.2),
    "coffee": (["coffee_orders"], 0.2),
    "home": (["voice_samples"], 0.4),
}
# Grammars of whole sentences.
SENTENCES = {"coffee", "home"}
VARIOUS = ["hey mycroft", "mycroft", "mycroft wake up", "okay rhasspy", "hey rhasspy", "hey firefox", "okay nabu",
           "what time is it", "turn on the living room lamp", "would you please turn on the living room lamp",
           "launch firefox", "go forward ten meters", "ten of clubs", "seven of clubs", "book a room", "half an hour",
           "stop", "today"]
# Sounds cut in the middle of the word, and what is nobody's word.
SPOILT = {"perator", "voya"}


def sentences(grammar):
    """What a grammar's sentences are, as far as the recordings say them; none where expected.jsonl tells."""
    if grammar == "various":
        return {said: said for said in VARIOUS}
    if grammar == "home":
        return {"what time is it": "what time is it"}
    text = (HERE / "grammars" / f"{grammar}.toml").read_text()
    said = {s: s for s in re.findall(r'^say = "([^"<>{}()]+)"$', text, re.M)}
    if grammar == "controls":
        said |= {f"enter {words}": f"enter {n}" for words, n in NUMBERS.items()}
    return said


def rows(sets):
    """Every recording: its set, its file, its text and its speaker."""
    for folder in sorted(sets.iterdir()):
        listed = folder / "transcripts.jsonl"
        if folder.name in ("noise", "rooms", "coffee_orders") or not listed.is_file():
            continue
        for line in listed.read_text().splitlines():
            row = json.loads(line)
            text = row["text"].lower().strip() if row["text"] else None
            yield folder.name, folder / row["file"], text, row.get("speaker")


def taken(grammar, file, share):
    """Whether a file that is no sentence of the grammar belongs to its share, the same each time."""
    return zlib.crc32(f"{grammar}/{file.parent.name}/{file.name}".encode()) % 1000 < 1000 * share


def orders(sets):
    for line in (sets / "coffee_orders/expected.jsonl").read_text().splitlines():
        row = json.loads(line)
        yield sets / "coffee_orders" / row.pop("file"), row


def talk(folder):
    """Every second piece of synthetic talk."""
    return sorted(folder.glob("*.wav"))[::2]


def put(out, folder, name, file, what, set_name, speaker):
    link = out / folder / name
    link.symlink_to(file.resolve())
    row = {"file": name, **what, "set": set_name}
    if speaker:
        row["speaker"] = f"{set_name}/{speaker}"
    return json.dumps(row)


def lay(sets, out, grammar, pieces):
    said = {} if grammar == "coffee" else sentences(grammar)
    positive_sets, share = GRAMMARS[grammar]
    (out / grammar).mkdir(parents=True)
    config = HERE / ("../data/home.toml" if grammar == "home" else f"grammars/{grammar}.toml")
    (out / grammar / "config.toml").write_text(config.read_text())
    lines = []
    for set_name, file, text, speaker in rows(sets):
        name = f"{set_name}-{file.name}"
        plain = text and re.sub(r"[^a-z' ]", "", text)
        if text in SPOILT:
            continue
        if plain in said:
            if set_name in positive_sets:
                lines.append(put(out, grammar, name, file, {"sentence": said[plain]}, set_name, speaker))
            continue
        # The nearest other speech is what a grammar must tell apart: of its own sets all of it.
        if taken(grammar, file, 1.0 if set_name in positive_sets else share):
            lines.append(put(out, grammar, name, file, {"rejected": True}, set_name, speaker))
    for file, what in orders(sets):
        if grammar == "coffee":
            lines.append(put(out, grammar, f"coffee_orders-{file.name}", file, what, "coffee_orders", None))
        elif taken(grammar, file, share / 2):
            lines.append(put(out, grammar, f"coffee_orders-{file.name}", file, {"rejected": True}, "coffee_orders", None))
    for file in pieces if grammar in SENTENCES else []:
        lines.append(put(out, grammar, f"talk-{file.name}", file, {"rejected": True}, "synthetic_talk", file.stem))
    (out / grammar / "expected.jsonl").write_text("\n".join(lines) + "\n")


def main():
    sets, out, *folder = map(Path, sys.argv[1:])
    out.mkdir()
    for grammar in GRAMMARS:
        lay(sets, out, grammar, talk(*folder) if folder else [])
    for folder in ("noise", "rooms"):
        (out / folder).symlink_to((sets / folder).resolve())


main()
