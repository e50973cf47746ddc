"""Makes the files here again from a clip, in the formats of browsers and phones; needs `pip install av`, which brings
ffmpeg's libraries:

    python3 tests/data/compressed/make.py "tests/data/home/turn on the lights.wav" tests/data/compressed
"""

import pathlib
import sys
import wave

import av
import numpy as np

FORMATS = [
    ("flac.flac", "flac", 16000, "mono", None),
    ("mp3.mp3", "libmp3lame", 44100, "stereo", 64000),
    ("aac.m4a", "aac", 44100, "mono", 64000),
    ("opus.ogg", "libopus", 48000, "mono", 24000),
    ("opus.webm", "libopus", 48000, "stereo", 48000),
]


def encode(path, codec, rate, layout, bits_a_second, clip):
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=rate, layout=layout)
        if bits_a_second:
            stream.bit_rate = bits_a_second
        resampler = av.AudioResampler(format=stream.format, layout=layout, rate=rate)
        queue = av.AudioFifo()
        for frame in resampler.resample(clip) + resampler.resample(None):
            frame.pts = None
            queue.write(frame)
        size, sent = stream.codec_context.frame_size or 4096, 0
        while frame := queue.read(size) or queue.read(size, partial=True):
            frame.pts, sent = sent, sent + frame.samples
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))


def main(clip, folder):
    with wave.open(clip) as file:
        sound = np.frombuffer(file.readframes(file.getnframes()), dtype=np.int16).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(sound, format="s16", layout="mono")
        frame.rate = file.getframerate()
    for name, *format in FORMATS:
        encode(pathlib.Path(folder) / name, *format, frame)


main(*sys.argv[1:])
