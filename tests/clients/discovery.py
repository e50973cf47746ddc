#!/usr/bin/env python3
"""What Hearken publishes for Home Assistant, against Home Assistant's own schemas: discovery.py PROGRAM BROKER.

The program announces itself at BROKER (mosquitto). Home Assistant's package for Python 3.11 ends before the discovery of
whole devices, so each component is checked as that discovery takes it apart: the component's own keys with those that all
share, by the schema of its platform. That schema refuses keys that it does not know."""

import importlib
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

import paho.mqtt.client as mqtt
import voluptuous as vol
from homeassistant.components.mqtt import mixins
from homeassistant.components.mqtt.abbreviations import ABBREVIATIONS, DEVICE_ABBREVIATIONS, ORIGIN_ABBREVIATIONS

DATA = pathlib.Path(__file__).parent.parent / "data"
TIMEOUT = 60
MORE = """
[outputs.desk]
pin = 18
pwm = "200 Hz"
[[commands]]
name = "night"
say = "good night"
set = { desk = "off" }
[mqtt]
address = "127.0.0.1:PORT"
words = true
"""


def long(names, mapping):
    """With the short names of keys replaced by the long ones."""
    return {names.get(key, key): value for key, value in mapping.items()}


def published(program, broker, folder):
    """The discovery that the program publishes."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen([broker, "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    config = folder / "hearken.toml"
    config.write_text((DATA / "home.toml").read_text() + MORE.replace("PORT", str(port)))
    daemon = subprocess.Popen([program, "run", "--config", config, "--scratch", tempfile.mkdtemp(dir="/dev/shm")])
    found, there = [], threading.Event()
    client = mqtt.Client(protocol=mqtt.MQTTv5)
    client.on_connect = lambda client, *_: client.subscribe("homeassistant/#")
    client.on_message = lambda client, data, message: (found.append(json.loads(message.payload)), there.set())
    try:
        while True:
            assert server.poll() is None, "the broker has ended"
            try:
                client.connect("127.0.0.1", port)
                break
            except ConnectionRefusedError:
                time.sleep(0.05)
        client.loop_start()
        assert there.wait(TIMEOUT), "no discovery"
        return found[0]
    finally:
        client.loop_stop()
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(TIMEOUT)
        server.kill()


def main():
    program, broker = (os.path.abspath(path) for path in sys.argv[1:])
    with tempfile.TemporaryDirectory() as folder:
        config = long(ABBREVIATIONS, published(program, broker, pathlib.Path(folder)))
    config = {{"dev": "device", "o": "origin", "cmps": "components"}.get(key, key): value for key, value in config.items()}
    device = mixins.MQTT_ENTITY_DEVICE_INFO_SCHEMA(long(DEVICE_ABBREVIATIONS, config.pop("device")))
    mixins.MQTT_ORIGIN_INFO_SCHEMA(long(ORIGIN_ABBREVIATIONS, config.pop("origin")))
    kinds = set()
    for name, component in config.pop("components").items():
        component = long(ABBREVIATIONS, component)
        kind = component.pop("p", None) or component.pop("platform")
        platform = importlib.import_module(f"homeassistant.components.mqtt.{kind}")
        whole = {**config, "device": dict(device), **component}
        try:
            platform.PLATFORM_SCHEMA_MODERN(whole)
        except vol.Invalid as error:
            sys.exit(f"test-discovery: {name} ({kind}): {error}\n{json.dumps(component)}")
        try:
            platform.PLATFORM_SCHEMA_MODERN({**whole, "no_such_key": 1})
            sys.exit(f"test-discovery: the schema of {kind} finds nothing wrong with a key that does not exist")
        except vol.Invalid:
            kinds.add(kind)
    print(f"test-discovery: passed: {', '.join(sorted(kinds))}")


main()
