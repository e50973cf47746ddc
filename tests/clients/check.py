#!/usr/bin/env python3
"""The clients that people use, with the built program: check.py PROGRAM.

openai, wyoming and zeroconf of PyPI, chromium, and HAProxy of Debian before two servers, one of which is killed while uploads come in."""

import asyncio
import atexit
import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import wave

import openai
from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.error import Error
from wyoming.handle import Handled, NotHandled
from wyoming.info import Describe, Info
from wyoming.intent import Intent, NotRecognized, Recognize
from zeroconf import ServiceBrowser, Zeroconf

DATA = pathlib.Path(__file__).parent.parent / "data"
CLIP = DATA / "home" / "turn on the lights.wav"
OTHER = DATA / "home" / "what's the time.wav"
TIMEOUT = 60


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A running `hearken serve` with both servers."""

    def __init__(self, program, folder, name):
        self.http, self.wyoming = free_port(), free_port()
        self.scratch = pathlib.Path(tempfile.mkdtemp(dir="/dev/shm"))
        config = folder / f"{name}.toml"
        config.write_text(
            (DATA / "home.toml").read_text()
            + f'\n[serve]\nlisten = "127.0.0.1:{self.http}"\nuploads = 32\n[wyoming]\nlisten = "127.0.0.1:{self.wyoming}"\n'
        )
        self.process = subprocess.Popen([program, "serve", "--config", config, "--scratch", self.scratch])
        atexit.register(self.process.kill)
        until(lambda: healthy(self.http), f"{name} answers")

    def end(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        code = self.process.wait(TIMEOUT)
        left = sorted(path.name for path in self.scratch.iterdir())
        for path in self.scratch.iterdir():
            path.unlink()
        self.scratch.rmdir()
        return code, [name for name in left if not name.endswith(".sock")]


def healthy(port):
    with contextlib.suppress(OSError):
        return urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5).status == 200
    return False


def until(done, what):
    end = time.monotonic() + TIMEOUT
    while not done():
        assert time.monotonic() < end, f"{what}: not within {TIMEOUT} s"
        time.sleep(0.02)


def expect(found, wanted, what):
    assert found == wanted, f"{what}: {found!r}, not {wanted!r}"


def openai_client(server):
    """openai.OpenAI().audio.transcriptions"""
    client = openai.OpenAI(base_url=f"http://127.0.0.1:{server.http}/v1", api_key="none", max_retries=0)
    create = client.audio.transcriptions.create
    with CLIP.open("rb") as file:
        expect(create(model="whisper-1", file=file).text, "Turn on the lights.", "text")
    with CLIP.open("rb") as file:
        verbose = create(model="whisper-1", file=file, language="en", response_format="verbose_json")
        expect((verbose.text, verbose.language), ("Turn on the lights.", "english"), "verbose_json")
        assert 2 < float(verbose.duration) < 2.5, verbose.duration
    with CLIP.open("rb") as file:
        expect(create(model="whisper-1", file=file, response_format="text").strip(), "Turn on the lights.", "text form")
    try:
        create(model="whisper-1", file=("a.wav", b"no sound"))
        raise AssertionError("what is no WAV file should be refused")
    except openai.BadRequestError as error:
        expect((error.code, error.param), ("invalid_audio", "file"), "the error")


def pieces(path, trailing_ms=0):
    """The events of a clip: a second of quiet, the clip, and quiet."""
    with wave.open(str(path)) as clip:
        rate, width, channels = clip.getframerate(), clip.getsampwidth(), clip.getnchannels()
        sound = clip.readframes(clip.getnframes())
    quiet = bytes(rate * width * channels)
    sound = quiet + sound + bytes(rate * width * channels * trailing_ms // 1000)
    yield AudioStart(rate=rate, width=width, channels=channels).event()
    step = rate * width * channels // 10
    for at in range(0, len(sound), step):
        yield AudioChunk(rate=rate, width=width, channels=channels, audio=sound[at : at + step]).event()


async def transcript(client):
    event = await asyncio.wait_for(client.read_event(), TIMEOUT)
    assert Transcript.is_type(event.type), event
    return Transcript.from_event(event).text


async def wyoming_client(server):
    """wyoming.client: describe, transcribe, recognize"""
    async with AsyncTcpClient("127.0.0.1", server.wyoming) as client:
        await client.write_event(Describe().event())
        info = Info.from_event(await client.read_event())
        expect([info.asr[0].name, info.intent[0].name], ["hearken", "hearken"], "info")
        expect((info.asr[0].requires_external_vad, info.asr[0].models[0].languages), (False, ["en"]), "info of asr")
        # The utterance ends by its silence, while sound still comes.
        await client.write_event(Transcribe(language="en").event())
        for event in pieces(CLIP, trailing_ms=2000):
            await client.write_event(event)
        expect(await transcript(client), "turn on the lights", "the user's own sentence")
        await client.write_event(AudioStop().event())
        # And by audio-stop, as a satellite that ends it itself sends.
        await client.write_event(Transcribe().event())
        for event in [*pieces(OTHER), AudioStop().event()]:
            await client.write_event(event)
        expect(await transcript(client), "what's the time", "the sentence of another")
        # Silence is no utterance.
        await client.write_event(Transcribe().event())
        for event in [AudioStart(rate=16000, width=2, channels=1).event(),
                      AudioChunk(rate=16000, width=2, channels=1, audio=bytes(32000)).event(), AudioStop().event()]:
            await client.write_event(event)
        expect(await transcript(client), "", "silence")
        await client.write_event(Recognize(text="Turn on the lights in the kitchen").event())
        event = await client.read_event()
        assert Intent.is_type(event.type), event
        intent = Intent.from_event(event)
        assert {"name": "state", "value": "on"} in [vars(entity) for entity in intent.entities], intent
        # Home Assistant sends the text for its conversation agent as a transcript.
        await client.write_event(Transcript(text="Turn on the lights in the kitchen").event())
        expect(Intent.from_event(await client.read_event()), intent, "the intent of a transcript")
        await client.write_event(Recognize(text="make me a sandwich").event())
        assert NotRecognized.is_type((await client.read_event()).type)
        await client.write_event(AudioStart(rate=16000, width=1, channels=1).event())
        event = await client.read_event()
        assert Error.is_type(event.type), event
    # What is no event ends that connection and no other.
    reader, writer = await asyncio.open_connection("127.0.0.1", server.wyoming)
    writer.write(b"no json\n")
    expect(await asyncio.wait_for(reader.read(), TIMEOUT), b"", "the answer to nonsense")
    writer.close()
    async with AsyncTcpClient("127.0.0.1", server.wyoming) as client:
        await client.write_event(Describe().event())
        assert Info.is_type((await client.read_event()).type)


# What a page of somebody else's would do: record with the browser's own encoder, and send that.
RECORD = """
const done = arguments[0];
const stream = await navigator.mediaDevices.getUserMedia({audio: true});
const recorder = new MediaRecorder(stream);
const parts = [];
recorder.ondataavailable = event => parts.push(event.data);
recorder.onstop = async () => {
  stream.getTracks().forEach(track => track.stop());
  const answer = await fetch("/v1/decide", {method: "POST", body: new Blob(parts)});
  done({type: recorder.mimeType, ...await answer.json()});
};
recorder.start();
setTimeout(() => recorder.stop(), 2500);
"""


async def asked(port, text, kind=Transcript):
    """The answer to a text, by default as Home Assistant sends it to its conversation agent."""
    async with AsyncTcpClient("127.0.0.1", port) as client:
        await client.write_event(kind(text=text).event())
        return await asyncio.wait_for(client.read_event(), TIMEOUT)


def conversation(program, folder):
    """a daemon as Home Assistant's conversation agent, found by its announcement"""
    port, events = free_port(), folder / "events"
    config = folder / "agent.toml"
    config.write_text(
        (DATA / "home.toml").read_text()
        + f'\n[wyoming]\nlisten = "0.0.0.0:{port}"\nfrom = ["127.0.0.1"]\nhandle = true\nannounce = true\n'
        + '[[commands]]\nname = "gate"\nsay = "open the gate"\nconfirm = "5 s"\n'
    )
    scratch = tempfile.mkdtemp(dir="/dev/shm")
    daemon = subprocess.Popen([program, "run", "--config", config, "--scratch", scratch, "--events", events])
    atexit.register(daemon.kill)

    def listens():
        with contextlib.suppress(OSError):
            return socket.create_connection(("127.0.0.1", port)).close() is None
        return False

    until(listens, "the daemon listens")
    handled = asyncio.run(asked(port, "turn on the lights"))
    assert Handled.is_type(handled.type), handled
    until(lambda: "wyoming" in events.read_text(), "an event tells of it")
    told = next(json.loads(line) for line in events.read_text().splitlines() if "wyoming" in line)
    expect((told["origin"], told["outputs"][0]["output"], told["outputs"][0]["state"]),
           ("wyoming", "kitchen_lights", "on"), "the event")
    assert NotRecognized.is_type(asyncio.run(asked(port, "make me a sandwich")).type)
    assert NotHandled.is_type(asyncio.run(asked(port, "open the gate")).type)
    only_asked = asyncio.run(asked(port, "turn off the lights", Recognize))
    assert Intent.is_type(only_asked.type), only_asked

    found = set()

    class Listener:
        def add_service(self, browser, kind, name):
            service = browser.get_service_info(kind, name)
            if service is not None:
                found.add(service.port)

        def update_service(self, *arguments):
            pass

        remove_service = update_service

    network = Zeroconf()
    ServiceBrowser(network, "_wyoming._tcp.local.", Listener())
    until(lambda: port in found, "the announcement is found")
    network.close()
    daemon.send_signal(signal.SIGTERM)
    expect(daemon.wait(TIMEOUT), 0, "the exit code")


def browser(server):
    """the page at /, in chromium, whose microphone is a file"""
    port = free_port()
    driver = subprocess.Popen(["chromedriver", f"--port={port}"], stdout=subprocess.DEVNULL)
    atexit.register(driver.kill)

    def ask(path, body=None, method=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data=data, method=method)
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            return json.load(answer)["value"]

    def is_up():
        with contextlib.suppress(OSError):
            return ask("/status")["ready"]
        return False

    until(is_up, "chromedriver answers")
    with tempfile.TemporaryDirectory() as profile:
        arguments = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
                     "--disable-component-update", "--disable-sync", f"--user-data-dir={profile}",
                     "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream",
                     f"--use-file-for-fake-audio-capture={CLIP}%noloop"]
        wanted = {"capabilities": {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": {"args": arguments}}}}
        session = "/session/" + ask("/session", wanted)["sessionId"]
        ask(f"{session}/url", {"url": f"http://127.0.0.1:{server.http}/"})

        def element(css):
            return next(iter(ask(f"{session}/element", {"using": "css selector", "value": css}).values()))

        def text(css):
            return ask(f"{session}/element/{element(css)}/text")

        def pointer(*actions):
            moves = {"type": "pointer", "id": "mouse", "actions": list(actions)}
            ask(f"{session}/actions", {"actions": [moves]})

        button = {"element-6066-11e4-a52e-4f735466cecf": element("#talk")}
        pointer({"type": "pointerMove", "origin": button, "x": 0, "y": 0}, {"type": "pointerDown", "button": 0})
        until(lambda: text("#state") == "Listening", "the page listens")
        # As long as the clip.
        pointer({"type": "pause", "duration": 2500}, {"type": "pointerUp", "button": 0})
        until(lambda: text("#time"), "the page shows a decision")
        expect(text("#decision"), "turn on the lights (lights-here)", f"the decision, heard {text('#text')!r}")
        recorded = ask(f"{session}/execute/async", {"script": RECORD, "args": []})
        expect((recorded["type"], recorded["sentence"]), ("audio/webm;codecs=opus", "turn on the lights"),
               f"the decision on what MediaRecorder recorded: {recorded}")
        ask(session, method="DELETE")
    driver.terminate()
    driver.wait(TIMEOUT)


# A request can be sent again only if its buffer holds it.
PROXY = """
global
  tune.bufsize 1048576
defaults
  mode http
  timeout connect 2s
  timeout client 60s
  timeout server 60s
  option httpchk GET /healthz
  option http-buffer-request
  retries 3
  retry-on conn-failure empty-response response-timeout 503
  option redispatch 1
frontend front
  bind 127.0.0.1:{port}
  default_backend hearken
backend hearken
  balance leastconn
{servers}
"""


def uploads_a_second(port, clients=4, of_each=5):
    """How many uploads that many clients have answered in a second."""

    def send():
        for _ in range(of_each):
            request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/decide", data=CLIP.read_bytes())
            urllib.request.urlopen(request, timeout=TIMEOUT).close()

    begun = time.monotonic()
    senders = [threading.Thread(target=send) for _ in range(clients)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    return clients * of_each / (time.monotonic() - begun)


def behind_a_proxy(program, folder):
    """two servers behind HAProxy, one of which is killed: no upload is lost"""
    servers = [Server(program, folder, name) for name in ("one", "two")]
    port = free_port()
    lines = "\n".join(f"  server s{s.http} 127.0.0.1:{s.http} check inter 200ms fall 1" for s in servers)
    config = folder / "haproxy.cfg"
    config.write_text(PROXY.format(port=port, servers=lines))
    proxy = subprocess.Popen(["haproxy", "-f", config])
    atexit.register(proxy.kill)
    until(lambda: healthy(port), "HAProxy answers")
    alone, both = uploads_a_second(servers[0].http), uploads_a_second(port)
    print(f"test-clients: uploads a second: one server {alone:.1f}, two behind HAProxy {both:.1f}", flush=True)
    answers, lock = [], threading.Lock()

    def send():
        for _ in range(5):
            request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/decide", data=CLIP.read_bytes())
            try:
                with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
                    said = json.load(answer)["sentence"]
            except OSError as error:
                said = repr(error)
            with lock:
                answers.append(said)

    senders = [threading.Thread(target=send) for _ in range(4)]
    for sender in senders:
        sender.start()
    until(lambda: len(answers) >= 4, "some answers")
    expect(servers[0].end(signal.SIGKILL), (-signal.SIGKILL, []), "the end of one, and its files")
    for sender in senders:
        sender.join()
    expect(answers, ["turn on the lights"] * 20, "the answers")
    proxy.terminate()
    proxy.wait(TIMEOUT)
    expect(servers[1].end(), (0, []), "the end of the other, and its files")


def main():
    program = os.path.abspath(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        server = Server(program, folder, "alone")
        for name, check in [("openai", lambda: openai_client(server)), ("wyoming", lambda: asyncio.run(wyoming_client(server))),
                            ("the page in chromium", lambda: browser(server))]:
            check()
            print(f"test-clients: {name}: good", flush=True)
        expect(server.end(), (0, []), "the end, and the files in scratch")
        conversation(program, folder)
        print("test-clients: conversation agent, and zeroconf: good", flush=True)
        behind_a_proxy(program, folder)
        print("test-clients: HAProxy before two servers, one killed: no upload is lost", flush=True)
    print("test-clients: passed")


main()
