"""How it sounds: 30 voices of flite, festival and espeak-ng, each time a little faster, slower, higher or lower.

Pauses are 0.2 to 1.5 s. The level of a voice is -20 to -30 dBFS (root mean square, pauses left out). A third of the pieces has
the echo of a room, and a third noise, at -65 to -45 dBFS."""
import array
import os
import random
import subprocess
import sys
import tempfile
import wave

RATE = 16000
RAW = ["-t", "raw", "-r", str(RATE), "-e", "signed", "-b", "16", "-c", "1"]
# The program, the voice, and how often of 100.
VOICES = [("flite", v, 9) for v in ("awb", "kal16", "rms", "slt")] + [("flite", "kal", 3)] + [
    ("festival", v, 7) for v in ("kal_diphone", "ked_diphone", "cmu_us_slt_arctic_hts")] + [("espeak", v, 40 / 22) for v in (
        "en-us", "en-us+f2", "en-us+m3", "en-us+Annie", "en-us+Michael", "en-us+Storm", "en-gb", "en-gb+f3", "en-gb+m1", "en-gb+m7",
        "en-gb+belinda", "en-gb-scotland", "en-gb-scotland+f1", "en-gb-scotland+m4", "en-gb-x-rp", "en-gb-x-rp+f4", "en-gb-x-gbclan",
        "en-gb-x-gbcwmd+f5", "en-029", "en-029+f2", "en-us-nyc", "en-us-nyc+m5")]


def run(command, **more):
    done = subprocess.run(command, capture_output=True, **more)
    if done.returncode != 0:
        sys.exit(f"{command[0]} ended with {done.returncode}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def spoken(program, voice, pace, sentences, folder):
    """Has the sentences said, a WAV file each."""
    files = [f"{folder}/{i}.wav" for i in range(len(sentences))]
    if program == "festival":
        script = "".join(f'(utt.save.wave (SynthText "{s}") "{f}" \'riff)\n' for s, f in zip(sentences, files))
        setting = f"(voice_{voice})\n(Parameter.set 'Duration_Stretch {1 / pace:.2f})\n"
        run(["festival", "--pipe"], input=(setting + script).encode())
    else:
        for sentence, file in zip(sentences, files):
            run(["flite", "-voice", voice, "--setf", f"duration_stretch={1 / pace:.2f}", "-t", f"{sentence} ", "-o", file]
                if program == "flite" else ["espeak-ng", "-v", voice, "-s", f"{165 * pace:.0f}", "-w", file, sentence])
    return files


def scaled(samples, dbfs):
    """At that level, if none is clipped by it."""
    level = (sum(s * s for s in samples[::8]) / len(samples[::8])) ** 0.5 / 32768
    most = 32000 / max(1, max(samples), -min(samples))
    gain = min(10 ** (dbfs / 20) / max(level, 1e-6), most)
    return array.array("h", (round(s * gain) for s in samples))


class Piece:
    """Some minutes of talk: voices that take turns in one room."""

    def __init__(self, number):
        self.draw = random.Random(f"sound {number}")
        self.seconds = self.draw.uniform(300, 600)
        self.samples = array.array("h")
        self.echo = ["pad", "0", "0.3", "reverb", str(self.draw.randint(10, 40))] if number % 3 == 1 else []
        self.noise = self.draw.uniform(-65, -45) if number % 3 == 2 else None
        self.number = number

    def length(self):
        return len(self.samples) / RATE

    def say(self, sentences):
        """One voice says them. Gives the voice, and when each sentence begins."""
        program, voice, _ = self.draw.choices(VOICES, [weight for *_, weight in VOICES])[0]
        pace, cents, dbfs = self.draw.uniform(0.85, 1.2), self.draw.randint(-150, 150), self.draw.uniform(-30, -20)
        begin = []
        with tempfile.TemporaryDirectory() as folder:
            for file in spoken(program, voice, pace, sentences, folder):
                samples = self.trimmed(file, cents)
                self.pause()
                begin.append(self.length())
                self.samples.extend(scaled(samples, dbfs) if samples else samples)
        return voice, begin

    def trimmed(self, file, cents):
        """The speech in a file, without the silence around it."""
        trim = ["silence", "1", "0.01", "0.3%", "reverse"]
        effects = ["norm", "-3", *trim, *trim, "pitch", str(cents), "rate", str(RATE), *self.echo, "remix", "1"]
        samples = array.array("h", run(["sox", "-R", file, *RAW, "-", *effects]))
        if sys.byteorder == "big":
            samples.byteswap()
        return samples

    def pause(self):
        self.samples.extend([0] * int(self.draw.uniform(0.2, 1.5) * RATE))

    def write(self, path):
        """As a WAV file, whole or not at all."""
        self.pause()
        if self.noise is not None:
            command = ["sox", "-R", "-r", str(RATE), "-n", *RAW, "-", "synth", f"{len(self.samples)}s", "brownnoise", "norm", "-1"]
            hiss = scaled(array.array("h", run(command)), self.noise)
            self.samples = array.array("h", (max(-32768, min(32767, a + b)) for a, b in zip(self.samples, hiss)))
        with wave.open(f"{path}.part", "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes(self.samples.tobytes())
        os.rename(f"{path}.part", path)
