"""An emulated Raspberry Pi 3 B: QEMU's raspi3b, the shell on its serial console, and its pins as seen from outside."""

import array
import glob
import json
import math
import os
import re
import resource
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
import wave

# Longest wait for anything but the boot under systemd.
TIMEOUT = 120
# Registers of the SoC: what the pins are for, ten in a word, and their levels.
FUNCTION, LEVEL = 0x3F200000, 0x3F200034
# Its clock goes by its instructions, 8 ns each, and leaps when it has nothing to do. So it is never too slow for the sound,
# however busy this machine is.
CLOCK = ["-accel", "tcg,thread=single", "-icount", "shift=3,sleep=off"]
# How far the sound of a recording may be from the clip's, in dB.
SAME_SOUND = 0.5


class Failed(Exception):
    """What should have happened, and has not."""


def qemu(initramfs, arguments, drives, monitor, qtest):
    """The command that switches it on."""
    (kernel,), (tree,) = (
        glob.glob("target/pi/kernel/" + place)
        for place in ("boot/vmlinuz-*", "usr/lib/linux-image-*/broadcom/bcm2837-rpi-3-b.dtb")
    )
    # rppal wants /dev/gpiomem, which only Raspberry Pi OS has; else /dev/mem, which Debian's kernel then has to allow.
    append = f"console=ttyS1,115200 loglevel=4 panic=5 iomem=relaxed {arguments}"
    command = ["qemu-system-aarch64", "-M", "raspi3b", *CLOCK, "-display", "none", "-no-reboot", *drives]
    command += ["-kernel", kernel, "-dtb", tree, "-initrd", initramfs, "-append", append]
    command += ["-serial", "null", "-serial", "stdio", "-monitor", f"unix:{monitor},server,nowait"]
    return command + ["-qtest", f"unix:{qtest},server,nowait", "-qtest-log", "none"]


class Pi:
    """A machine that was switched on. `lines` is what its console has said since they were cleared, `changes` what its pins
    did since `changes_to`."""

    def __init__(self, initramfs, arguments="", *drives):
        self.begun = time.monotonic()
        self.room = tempfile.TemporaryDirectory()
        monitor, qtest = (os.path.join(self.room.name, name) for name in ("monitor", "qtest"))
        command = qemu(initramfs, arguments, drives, monitor, qtest)
        self.qemu = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        self.lines, self.changes, self.console = [], [], []
        self.rest, self.answers = {}, ""
        self.monitor, self.qtest = self._connect(monitor), self._connect(qtest)
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.qemu.stdout, selectors.EVENT_READ, self._said)
        self.selector.register(self.qtest, selectors.EVENT_READ, self._changed)
        self.selector.register(self.monitor, selectors.EVENT_READ, self._answered)
        self.qtest.sendall(b"irq_intercept_out /machine/soc/peripherals/gpio\n")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.qemu.kill()
        self.qemu.wait()
        self.room.cleanup()

    def _connect(self, path):
        connection = socket.socket(socket.AF_UNIX)
        deadline = time.monotonic() + TIMEOUT
        while True:
            try:
                connection.connect(path)
                return connection
            except OSError as error:
                if self.qemu.poll() is not None:
                    raise Failed(f"QEMU ended: {self.qemu.stdout.read().decode()}") from error
                if time.monotonic() > deadline:
                    raise Failed(f"QEMU should open {path}: {error}") from error
                time.sleep(0.02)

    def _pump(self, seconds):
        for key, _ in self.selector.select(seconds):
            data = os.read(key.fd, 65536).decode("utf-8", "replace")
            if not data:
                raise Failed("QEMU ended")
            key.data(data)

    def _whole_lines(self, source, data):
        *whole, self.rest[source] = (self.rest.get(source, "") + data).split("\n")
        return [line.rstrip("\r") for line in whole]

    def _said(self, data):
        for line in self._whole_lines("console", data):
            self.console.append(f"{self.age():7.1f} {line}")
            self.lines.append(line)

    def _changed(self, data):
        for line in self._whole_lines("qtest", data):
            change = re.fullmatch(r"IRQ (raise|lower) (\d+)", line)
            if change:
                self.console.append(f"{self.age():7.1f} GPIO{change[2]} {change[1]}")
                self.changes.append((change[1], int(change[2])))

    def _answered(self, data):
        self.answers += data

    def age(self):
        """Seconds since it was switched on."""
        return time.monotonic() - self.begun

    def until(self, what, holds, seconds=TIMEOUT):
        """Waits until `holds()` gives something, and returns it."""
        deadline = time.monotonic() + seconds
        while not (found := holds()):
            if time.monotonic() > deadline:
                raise Failed(f"{what} should have come about within {seconds} s")
            self._pump(0.1)
        return found

    def says(self, pattern, seconds=TIMEOUT):
        """Waits for a line of the console that has `pattern`; the match."""
        match = lambda: next(filter(None, (re.search(pattern, line) for line in self.lines)), None)
        return self.until(f"a line on the console like {pattern!r}", match, seconds)

    def changes_to(self, *changes):
        """Waits for these changes of pins, and no others since the last time: ("raise", 17)."""
        self.until(f"{changes}", lambda: len(self.changes) >= len(changes))
        if self.changes != list(changes):
            raise Failed(f"the pins should change so: {list(changes)}; they did so: {self.changes}")
        self.changes.clear()

    def word(self, address):
        """A word of the machine's memory, read from outside."""
        self.answers = ""
        self.monitor.sendall(f"xp /1wx {address:#x}\n".encode())
        pattern = rf"{address:016x}: 0x([0-9a-f]{{8}})"
        return int(self.until("the monitor's answer", lambda: re.search(pattern, self.answers))[1], 16)

    def level(self, pin):
        """Its level, 0 or 1."""
        return self.word(LEVEL) >> pin & 1

    def is_output(self, pin):
        """Whether it is an output."""
        return self.word(FUNCTION + pin // 10 * 4) >> pin % 10 * 3 & 7 == 1

    def levels(self, *pins):
        """The levels of those pins that are outputs."""
        return {pin: self.level(pin) for pin in pins if self.is_output(pin)}

    def run(self, line, status=0, says=""):
        """Types a line of shell, which should end with `status` and say `says`; what it said."""
        self.lines.clear()
        self.qemu.stdin.write(line.encode() + b"\n")
        self.qemu.stdin.flush()
        ended = int(self.says(r"#ended (\d+)$")[1])
        said = "\n".join(self.lines)
        if ended != status or says not in said:
            raise Failed(f"{line!r} should end with {status} and say {says!r}; it ended with {ended}: {said}")
        return said

    def say(self, sentence):
        """Plays a clip into the microphone; the daemon's event."""
        self.run(f"say '{sentence}'")
        return self.hears(sentence)

    def hears(self, sentence):
        """Waits for the daemon's word on an utterance; it should be this sentence, and its sound the clip's."""
        event = json.loads(self.says(r'(\{.*"utterance":.*\})')[1])
        if event["sentence"] != sentence:
            raise Failed(f"{sentence!r} should be heard and accepted; the event is {event}")
        # The energy: the quiet that is cut off the clip has next to none.
        energy = event["dbfs"] + 10 * math.log10(event["duration_ms"] / 1000)
        if abs(energy - energy_of(sentence)) > SAME_SOUND:
            raise Failed(f"{sentence!r} has {energy_of(sentence):.1f} dB; recorded were {energy:.1f} dB: {event}")
        return event

    def cost(self):
        """Ends it; processor seconds that it took."""
        self.monitor.sendall(b"quit\n")
        self.qemu.wait(TIMEOUT)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime


def expect(what, found, right):
    """Whether `found` is right."""
    if found != right:
        raise Failed(f"{what} should be {right}; found {found}")


def test(name, boot, parts, seconds=TIMEOUT):
    """Boots a Pi and prints each fact that the `parts` find; at the first fault the end of the console. The exit code."""
    # Whoever ends this ends QEMU too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with Pi(*boot) as pi:
        try:
            pi.says("#up", seconds)
            for part in parts:
                for fact in part(pi):
                    print(f"{pi.age():6.1f} s  {fact}", flush=True)
        except Failed as failure:
            print(*pi.console[-60:], f"{name}: {failure}", sep="\n", file=sys.stderr)
            return 1
        age = pi.age()
        print(f"{name}: passed in {age:.0f} s, {pi.cost():.0f} s of a processor")
    return 0


def energy_of(sentence):
    """Of its clip, in dB of a second at full scale."""
    with wave.open(f"tests/data/home/{sentence}.wav") as clip:
        samples, rate = array.array("h", clip.readframes(clip.getnframes())), clip.getframerate()
    return 10 * math.log10(sum(sample * sample for sample in samples) / 32768**2 / rate)
