#!/usr/bin/python3
"""The first process of the kernel that `run` boots: gives it a Pi's gpiochip, then tries the program on it.

One line for each thing that was tried, with what the kernel or the daemon says of it. The last line is the result.
"""

import collections
import ctypes
import glob
import json
import os
import pathlib
import platform
import queue
import re
import shutil
import signal
import subprocess
import threading
import time
import traceback

PROJECT = pathlib.Path(__file__).resolve().parents[2]
CLIPS = PROJECT / "tests/data"
PROGRAM, CONFIG, SCRATCH, LOG = "/run/pi/hearken", "/run/pi/hearken.toml", "/run/scratch", "/run/log"
CHIP = pathlib.Path("/sys/devices/platform/gpio-sim.0")
CARD = pathlib.Path("/sys/bus/platform/drivers/snd_aloop")
TRACE = pathlib.Path("/sys/kernel/tracing")
SCRATCH_SIZE, PAGE = 1 << 20, 4096
LONG = "other/it was the best of times it was the worst of times.wav"

# Debian's numbers; gpio has none of its own there.
NOBODY, AUDIO, GPIO = 65534, 29, 997
# Longer than anything takes that works: what is waited for has not happened by then.
TIMEOUT = 120

# The outputs of hearken.toml: offset of the line, level at rest.
OUTPUTS = {"lights": (17, 0), "tv": (22, 1), "bell": (27, 0)}
AT_REST = {name: rest for name, (_, rest) in OUTPUTS.items()}
# The dimmed output, and the buttons: offset of the line.
DESK, BUTTONS = 18, {"dimly": 5, "dark": 6}


class Failure(Exception):
    """Something is not as it should be."""


def expect(found, wanted, what):
    if found != wanted:
        raise Failure(f"{what}: {found!r}, not {wanted!r}")


def contains(said, wanted):
    if wanted not in said:
        raise Failure(f"{wanted!r} is not in {said!r}")


def until(condition, what):
    """Waits until `condition` gives something, and returns that."""
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        if result := condition():
            return result
        time.sleep(0.01)
    raise Failure(f"not within {TIMEOUT} s: {what}")


# The machine.

def furnish():
    """What a Linux machine has, a Pi's gpiochip, and where the daemon lives. The sound card is there already."""
    for kind, place in [("proc", "/proc"), ("sysfs", "/sys"), ("tmpfs", "/run"), ("configfs", "/sys/kernel/config"),
                        ("debugfs", "/sys/kernel/debug"), ("tracefs", TRACE)]:
        subprocess.run(["mount", "-t", kind, kind, place], check=True)
    os.mkdir(SCRATCH)
    options = f"size={SCRATCH_SIZE},uid={NOBODY},mode=700"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "scratch", SCRATCH], check=True)
    # The project's own place may be closed to the daemon's user.
    shutil.copytree(PROJECT / "models", "/run/pi/models")
    shutil.copy(PROJECT / "target/release/hearken", PROGRAM)
    shutil.copy(PROJECT / "tests/kernel/hearken.toml", CONFIG)
    bank = pathlib.Path("/sys/kernel/config/gpio-sim/pi/bank0")
    named = bank / "line22"
    named.mkdir(parents=True)
    for file, text in [(bank / "label", "pinctrl-bcm2835"), (bank / "num_lines", "54"), (named / "name", "TV_RELAY"),
                       (bank.parent / "live", "1")]:
        file.write_text(text)
    # A relay module pulls its input up.
    line(22, "pull").write_text("pull-up")
    (TRACE / "events/gpio/enable").write_text("1")
    allow()


def allow():
    """What udev does: device files belong to groups."""
    for pattern, group in [("/dev/gpiochip*", GPIO), ("/dev/snd/*", AUDIO)]:
        for node in glob.glob(pattern):
            os.chown(node, 0, group)
            os.chmod(node, 0o660)


def line(offset, file):
    return next(CHIP.glob("gpiochip*")) / f"sim_gpio{offset}" / file


def levels():
    """The level of each output's line, as the chip has it."""
    return {name: int(line(offset, "value").read_text()) for name, (offset, _) in OUTPUTS.items()}


def shown():
    return ", ".join(f"{name} {level}" for name, level in levels().items())


def chip():
    """The number that the kernel gives the first line, and what it says of all lines that are in use or have a name."""
    text = pathlib.Path("/sys/kernel/debug/gpio").read_text()
    return int(re.search(r"GPIOs (\d+)-", text)[1]), text


def lines_in_use():
    """Who holds which line, and as what, as the kernel says."""
    first, text = chip()
    found = re.findall(r"gpio-(\d+) +\(.{20}\|(.{20})\) (\w+)", text)
    return {int(number) - first: (holder.strip(), way) for number, holder, way in found if holder.strip()}


Edge = collections.namedtuple("Edge", "seconds output level thread")


def edges():
    """Every level of an output that the kernel was told since the last `forget_edges`, in order."""
    return edges_of({offset: name for name, (offset, _) in OUTPUTS.items()})


def edges_of(names):
    first, _ = chip()
    told = re.compile(r"^ *(\S+)-\d+ .* (\d+\.\d+): gpio_value: (\d+) set ([01])$", re.MULTILINE)
    found = told.findall((TRACE / "trace").read_text())
    return [Edge(float(when), names[int(number) - first], int(level), thread)
            for thread, when, number, level in found if int(number) - first in names]


def last_levels():
    return {edge.output: edge.level for edge in edges()}


def forget_edges():
    (TRACE / "trace").write_text("")


def in_scratch():
    """Bytes that files take there, named or not."""
    stat = os.statvfs(SCRATCH)
    return (stat.f_blocks - stat.f_bfree) * stat.f_frsize


# The program.

def unprivileged(groups):
    return {"user": NOBODY, "group": NOBODY, "extra_groups": groups}


def hearken(*arguments, groups=(AUDIO, GPIO)):
    """The program's exit code and all that it says."""
    ended = subprocess.run([PROGRAM, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                           timeout=TIMEOUT, **unprivileged(groups))
    return ended.returncode, ended.stdout.strip()


class Daemon:
    """The daemon, as a user with the two groups that it needs, and its events."""

    def __init__(self):
        command = [PROGRAM, "run", "--config", CONFIG, "--scratch", SCRATCH, "--events", "-"]
        with open(LOG, "a") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True,
                                            **unprivileged([AUDIO, GPIO]))
        self.events = queue.SimpleQueue()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for event in self.process.stdout:
            self.events.put(json.loads(event))
        self.events.put(None)

    def event(self):
        try:
            event = self.events.get(timeout=TIMEOUT)
        except queue.Empty:
            raise Failure(f"no event within {TIMEOUT} s") from None
        if event is None:
            raise Failure(f"the daemon ended with {self.process.wait(TIMEOUT)} where an event should come")
        return event

    def microphone(self, state):
        event = self.event()
        expect(event.get("microphone"), state, f"the event {event}")
        return event

    def hears(self, clip):
        """The one event that a recorded sentence comes to."""
        expect(play(clip).wait(TIMEOUT), 0, f"aplay's exit code for {clip}")
        event = self.event()
        if "verdict" not in event:
            raise Failure(f"an event that is no decision: {event}")
        return event

    def obeys(self, clip, sentence):
        event = self.hears(clip)
        expect((event["verdict"], event["sentence"]), ("accepted", sentence), f"{clip}, {event['reason']}")
        return event

    def end(self, how):
        self.process.send_signal(how)
        return self.process.wait(TIMEOUT)


def play(clip):
    return subprocess.Popen(["aplay", "-q", "-D", "hw:CARD=Loopback,DEV=0", CLIPS / clip])


# What is tried. Each gives the words for its line.

def devices():
    """hearken devices"""
    code, said = hearken("devices")
    expect(code, 0, said)
    contains(said, '"alsa:hw:CARD=Loopback,DEV=1"')
    contains(said, '"pinctrl-bcm2835"  gpiochip0, 54 lines, /dev/gpiochip0')
    return "the card and the chip"


def without_groups():
    """a user who is in neither group"""
    code, said = hearken("devices", groups=[])
    expect(code, 0, said)
    contains(said, "in the group audio?")
    contains(said, "in the group gpio?")
    code, said = hearken("run", "--config", CONFIG, "--scratch", SCRATCH, groups=[AUDIO])
    expect(code, 1, said)
    contains(said, "the user needs the group gpio")
    return f"exit code {code}, {said!r}"


def start(daemon):
    """start: every line at rest from its first level, held by hearken"""
    opened = daemon.microphone("open")
    expect(levels(), AT_REST, "levels")
    driven = {offset: ("hearken", "out") for offset in [DESK, *(offset for offset, _ in OUTPUTS.values())]}
    expect(lines_in_use(), driven | {offset: ("hearken", "in") for offset in BUTTONS.values()}, "lines in use")
    expect({(e.output, e.level) for e in edges()}, set(AT_REST.items()), "levels that the kernel was told")
    return f"{shown()}, microphone at {opened['rate']} Hz"


def switch_on(daemon):
    """a sentence switches a line on"""
    event = daemon.obeys("home/turn on the lights.wav", "turn on the lights")
    expect(levels(), AT_REST | {"lights": 1}, "levels")
    return f"{decided(event)}, {shown()}"


def decided(event):
    return f"{event['sentence'] or event['rule']!r} {event['latency_ms']:.0f} ms after the end of speech"


def second_owner(daemon):
    """a second program that wants the lines"""
    forget_edges()
    for arguments in [("run", "--scratch", SCRATCH), ("pins", "--rest")]:
        code, said = hearken(*arguments, "--config", CONFIG)
        expect(code, 1, said)
        contains(said, "GPIO17")
        contains(said, "busy")
    expect((levels(), edges()), (AT_REST | {"lights": 1}, []), "levels, and what the kernel was told")
    return f"exit code {code}, {said!r}"


def no_sentence(daemon):
    """speech that is no command switches nothing"""
    forget_edges()
    event = daemon.hears("other/tell me a joke.wav")
    expect((event["verdict"], edges()), ("rejected", []), "verdict, and what the kernel was told")
    return decided(event)


def active_low(daemon):
    """a named line that is active low"""
    event = daemon.obeys("home/turn on the TV.wav", "turn on the TV")
    expect(levels(), {"lights": 1, "tv": 0, "bell": 0}, "levels")
    return f"{decided(event)}, {shown()}"


def switch_off(daemon):
    """another sentence switches it off"""
    event = daemon.obeys("home/turn the lights off in here.wav", "turn the lights off in here")
    expect(levels(), {"lights": 0, "tv": 0, "bell": 0}, "levels")
    return f"{decided(event)}, {shown()}"


def pulse(daemon):
    """a pulse of 500 ms"""
    forget_edges()
    daemon.obeys("home/next track.wav", "next track")
    up, down = until(lambda: len(edges()) == 2 and edges(), "the end of the pulse")
    expect([(e.output, e.level, e.thread) for e in (up, down)],
           [("bell", 1, "actuator"), ("bell", 0, "actuator")], "what the kernel was told")
    return f"{(down.seconds - up.seconds) * 1000:.1f} ms between the edges, on the kernel's clock"


def press(daemon, button):
    """Presses a button, which joins its pin to ground, and lets go."""
    contact = line(BUTTONS[button], "pull")
    contact.write_text("pull-down")
    event = daemon.event()
    expect(event.get("button"), button, f"the event {event}")
    contact.write_text("pull-up")
    return event


def dim(daemon):
    """a button dims a line to 40 %, another puts it out"""
    turns = lambda: [edge for edge in edges_of({DESK: "desk"}) if edge.thread == "hearken-pwm"]
    forget_edges()
    press(daemon, "dimly")
    until(lambda: len(turns()) > 40, "twenty turns")
    some = turns()[:41]
    high = sum(after.seconds - edge.seconds for edge, after in zip(some, some[1:]) if edge.level == 1)
    share = high / (some[-1].seconds - some[0].seconds)
    expect([edge.level for edge in some], [1, 0] * 20 + [1], "levels by turns")
    if not 0.35 < share < 0.55:
        raise Failure(f"it was high for {share:.3f} of the time")
    press(daemon, "dark")
    forget_edges()
    expect((int(line(DESK, "value").read_text()), edges()), (0, []), "its level, and what the kernel was told of others")
    return f"20 turns of {(some[-1].seconds - some[0].seconds) / 20 * 1000:.1f} ms, high for {share:.1%}; then low"


def unplug(daemon):
    """the sound card goes, and comes back"""
    goes = subprocess.Popen(["sh", "-c", f"echo snd_aloop.0 > {CARD}/unbind"])
    lost = daemon.microphone("lost")
    expect(goes.wait(TIMEOUT), 0, "unbinding the card, which waits until its streams are closed")
    (CARD / "bind").write_text("snd_aloop.0")
    allow()
    daemon.microphone("open")
    event = daemon.obeys("home/turn on the lights.wav", "turn on the lights")
    return f"{lost['reason']!r}, then {decided(event)}"


def status(daemon):
    """hearken status"""
    code, said = hearken("status", "--json", "--scratch", SCRATCH)
    expect(code, 0, said)
    told = json.loads(said)
    microphone = told["microphone"]
    found = (told["ready"], microphone["opened"], microphone["faults"])
    expect(found, (True, 2, 1), f"ready, times opened and lost in {said}")
    return f"ready, microphone opened twice, {microphone['overruns']} overruns, {microphone['lost']} samples lost"


def stop(daemon):
    """SIGTERM while two outputs are on"""
    expect(levels(), {"lights": 1, "tv": 0, "bell": 0}, "levels before")
    forget_edges()
    expect(daemon.end(signal.SIGTERM), 0, "exit code")
    expect(last_levels(), AT_REST, "the last levels that the kernel was told")
    expect((levels(), lines_in_use()), (AT_REST, {}), "levels, and lines in use")
    return f"exit code 0, {shown()}, no line held"


def scratch(daemon):
    """a recording takes no more than the daemon counts"""
    taken = []
    player = play(LONG)
    until(lambda: taken.append(in_scratch()) or not daemon.events.empty(), "the end of the recording")
    counted = daemon.event()["scratch"]["high_water"]
    player.wait(TIMEOUT)
    if not 0 < max(taken) <= counted + PAGE:
        raise Failure(f"scratch took {max(taken)} bytes, while {counted} were counted")
    until(lambda: in_scratch() == 0, "an empty scratch")
    return f"at most {max(taken)} bytes of {SCRATCH_SIZE}, {counted} counted, 0 afterwards"


def kill(daemon):
    """SIGKILL in the middle of a recording, while two outputs are on"""
    daemon.obeys("home/turn on the lights.wav", "turn on the lights")
    daemon.obeys("home/turn on the TV.wav", "turn on the TV")
    player = play(LONG)
    recorded = until(lambda: in_scratch() if in_scratch() > PAGE else 0, "a recording")
    expect(levels(), {"lights": 1, "tv": 0, "bell": 0}, "levels before")
    expect(daemon.end(signal.SIGKILL), -signal.SIGKILL, "exit code")
    player.wait(TIMEOUT)
    expect((in_scratch(), sorted(os.listdir(SCRATCH))), (0, ["hearken-why.sock", "hearken.sock"]), "bytes and files in scratch")
    expect(lines_in_use(), {}, "lines in use")
    return f"of {recorded} bytes none is left; the kernel let go of the lines, now {shown()}"


def rest():
    """hearken pins --rest, after that"""
    # Now a chip on which a line that nobody holds is high.
    line(17, "pull").write_text("pull-up")
    expect(levels()["lights"], 1, "level of the lights before")
    forget_edges()
    code, said = hearken("pins", "--rest", "--config", CONFIG)
    expect(code, 0, said)
    expect(last_levels(), AT_REST, "the last levels that the kernel was told")
    return f"each line told its level at rest; let go, they are {shown()}"


def again():
    """the next daemon: the socket of the one that was killed does not stop it"""
    daemon = Daemon()
    daemon.microphone("open")
    code, said = hearken("status", "--scratch", SCRATCH)
    expect(code, 0, said)
    contains(said, "ready = true")
    expect((daemon.end(signal.SIGTERM), os.listdir(SCRATCH)), (0, []), "exit code, and files in scratch")
    return "it answers, ends with 0 and leaves no file"


def main():
    furnish()
    travels = "time-travel" in pathlib.Path("/proc/cmdline").read_text()
    clock = "a clock that stands while programs compute" if travels else "this machine's clock"
    print(f"Linux {platform.release()} in user mode, on {clock}", flush=True)
    tell(devices)
    tell(without_groups)
    daemon = Daemon()
    for scenario in [start, switch_on, second_owner, no_sentence, active_low, switch_off, pulse, dim, unplug, status,
                     stop]:
        tell(scenario, daemon)
    daemon = Daemon()
    daemon.microphone("open")
    tell(scratch, daemon)
    tell(kill, daemon)
    tell(rest)
    tell(again)


def tell(scenario, *arguments):
    try:
        words = scenario(*arguments)
    except Failure as fault:
        raise Failure(f"{scenario.__doc__}: {fault}") from None
    print(f"ok    {scenario.__doc__}: {words}", flush=True)


def power_off():
    ctypes.CDLL(None).reboot(0x4321FEDC)


try:
    main()
    print("test-kernel: passed", flush=True)
except Exception as fault:
    if not isinstance(fault, Failure):
        traceback.print_exc()
    if os.path.exists(LOG):
        print("The end of the daemon's log:", *pathlib.Path(LOG).read_text().splitlines()[-20:], sep="\n")
    print(f"test-kernel: failed: {fault}", flush=True)
finally:
    power_off()
