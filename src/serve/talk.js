"use strict";
// Records while the button is held, sends it as a WAV file to /v1/decide, and shows the answer.

const show = (id, text) => { document.getElementById(id).textContent = text; };
const button = document.getElementById("talk");
let recording = null;

// The bytes of a WAV file: 16-bit mono samples.
function wav(blocks, rate) {
  const length = blocks.reduce((sum, block) => sum + block.length, 0);
  const bytes = new DataView(new ArrayBuffer(44 + 2 * length));
  const put = (at, text) => [...text].forEach((letter, i) => bytes.setUint8(at + i, letter.charCodeAt(0)));
  put(0, "RIFF");
  bytes.setUint32(4, 36 + 2 * length, true);
  put(8, "WAVEfmt ");
  bytes.setUint32(16, 16, true);
  bytes.setUint16(20, 1, true);
  bytes.setUint16(22, 1, true);
  bytes.setUint32(24, rate, true);
  bytes.setUint32(28, 2 * rate, true);
  bytes.setUint16(32, 2, true);
  bytes.setUint16(34, 16, true);
  put(36, "data");
  bytes.setUint32(40, 2 * length, true);
  let at = 44;
  for (const block of blocks) {
    for (const sample of block) {
      bytes.setInt16(at, Math.max(-1, Math.min(1, sample)) * 32767, true);
      at += 2;
    }
  }
  return bytes.buffer;
}

async function begin() {
  if (recording) return;
  const mine = { blocks: [], opened: false, released: false };
  recording = mine;
  button.classList.add("held");
  show("state", "Opening the microphone");
  try {
    if (!navigator.mediaDevices) throw new Error("a browser gives a microphone only to https pages and to localhost");
    const constraints = { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    mine.stream = await navigator.mediaDevices.getUserMedia({ audio: constraints });
    mine.context = new AudioContext();
    await mine.context.audioWorklet.addModule("talk-worklet.js");
    const tap = new AudioWorkletNode(mine.context, "tap");
    tap.port.onmessage = (message) => mine.blocks.push(message.data);
    mine.context.createMediaStreamSource(mine.stream).connect(tap);
    show("state", "Listening");
  } catch (error) {
    show("state", error.message);
  }
  mine.opened = true;
  if (mine.released) await finish(mine);
}

async function end() {
  const mine = recording;
  if (!mine || mine.released) return;
  mine.released = true;
  if (mine.opened) await finish(mine);
}

async function finish(mine) {
  recording = null;
  button.classList.remove("held");
  mine.stream?.getTracks().forEach((track) => track.stop());
  const rate = mine.context?.sampleRate;
  await mine.context?.close();
  if (mine.blocks.length) await send(wav(mine.blocks, rate));
}

async function send(body) {
  const begun = performance.now();
  show("state", "Deciding");
  const headers = { "Content-Type": "audio/wav" };
  const token = document.getElementById("token").value.trim();
  if (token) headers.Authorization = `Bearer ${token}`;
  const act = document.getElementById("act").checked ? "?act=true" : "";
  try {
    const answer = await fetch(`v1/decide${act}`, { method: "POST", headers, body });
    const said = await answer.json();
    if (said.error) throw new Error(said.error.message);
    show("decision", said.sentence ? `${said.sentence} (${said.command})` : said.reason);
    show("text", said.text);
    show("time", `${Math.round(performance.now() - begun)} ms`);
    show("state", "Hold the button, or the space bar, and say a command.");
  } catch (error) {
    show("state", error.message);
  }
}

button.addEventListener("pointerdown", begin);
addEventListener("pointerup", end);
addEventListener("pointercancel", end);
addEventListener("keydown", (key) => { if (key.code === "Space" && !key.repeat && key.target.tagName !== "INPUT") begin(); });
addEventListener("keyup", (key) => { if (key.code === "Space") end(); });
