// The tone of an emergency: every ten seconds until somebody accepts. A browser lets it sound only after a click.

import { effect, signal } from '@preact/signals';
import { calls, entrance, isDeaf, link } from './state';

export const armed = signal(false);
/** Tones so far, for whoever looks after the page. */
export const tones = signal(0);

const EVERY_MS = 10_000;
/** Nobody looks at a dead screen: it says so itself, less often. */
const LOST_AFTER_MS = 30_000;

let audio: AudioContext | null = null;

function alive(): boolean {
  return audio !== null && audio.state === 'running';
}

/** To be called by a click or a key. */
export async function arm(): Promise<void> {
  audio ??= new AudioContext();
  audio.onstatechange = () => (armed.value = alive());
  try {
    await audio.resume();
  } catch {
    // It stays off, and the lamp says so.
  }
  armed.value = alive();
}

/** By whatever is touched first: after a reload the browser asks for a click or a key again. */
function armByTheFirstTouch(): void {
  const touched = () => {
    if (!alive()) void arm();
  };
  // A finger counts for a browser when it is lifted, a mouse when it is pressed.
  for (const kind of ['pointerdown', 'pointerup', 'touchend', 'click', 'keydown']) document.addEventListener(kind, touched);
}

function beep(pitches: readonly number[], each: number): void {
  tones.value += 1;
  if (audio === null) return;
  if (alive()) return play(pitches, each);
  // A system that took the sound away, for a call or for sleep, may give it back.
  audio.resume().then(
    () => alive() && play(pitches, each),
    () => undefined,
  );
}

function play(pitches: readonly number[], each: number): void {
  pitches.forEach((pitch, n) => {
    const from = (audio as AudioContext).currentTime + n * each;
    const voice = new OscillatorNode(audio as AudioContext, { type: 'square', frequency: pitch });
    const loud = new GainNode(audio as AudioContext, { gain: 0 });
    loud.gain.setValueAtTime(0, from);
    loud.gain.linearRampToValueAtTime(0.35, from + 0.02);
    loud.gain.setValueAtTime(0.35, from + each - 0.05);
    loud.gain.linearRampToValueAtTime(0, from + each - 0.01);
    voice.connect(loud).connect((audio as AudioContext).destination);
    voice.start(from);
    voice.stop(from + each);
  });
}

/** To hear that it works. */
export async function listenOnce(): Promise<void> {
  await arm();
  beep([880], 0.25);
}

export function start(): void {
  armByTheFirstTouch();
  let timer = 0;
  let ringing = false;
  effect(() => {
    const must = calls.value.length > 0;
    if (must === ringing) return;
    ringing = must;
    clearInterval(timer);
    document.documentElement.dataset['ringing'] = String(must);
    if (!must) return;
    const ring = () => beep([880, 660, 880, 660], 0.3);
    ring();
    timer = window.setInterval(ring, EVERY_MS);
  });
  let lostTimer = 0;
  effect(() => {
    const deaf = entrance.value === 'inside' ? link.value === 'lost' : isDeaf.value;
    clearInterval(lostTimer);
    if (deaf) lostTimer = window.setInterval(() => beep([330, 220], 0.4), LOST_AFTER_MS);
  });
  effect(() => {
    document.documentElement.dataset['tones'] = String(tones.value);
  });
}
