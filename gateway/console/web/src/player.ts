// What a camera shows now: fragments of an MP4 over a WebSocket into a <video>, close to the newest one, for ever.

import { retryMs, socketUrl } from './api';
import { at, clockOff } from './time';

export interface Showing {
  phase: 'connecting' | 'playing' | 'waiting' | 'cannot';
  /** Why there is no picture: the gateway's words, or the codec that this browser lacks. */
  why: string;
  codec: string;
  width: number;
  height: number;
  /** Behind the camera, seconds; null: not known yet. */
  behindS: number | null;
}

interface Hello { type: 'hello'; why_not?: string; codec?: string; width?: number; height?: number; timescale?: number }
type Said = Hello | { type: 'time'; media_s: number; at: string };

/** Played so long behind the newest picture, beside the time between two of them. */
const NEAR_S = 0.06;
/** Farther behind it jumps. */
const JUMP_S = 1.5;
/** What was played is kept so long. */
const KEPT_S = 10;
/** Fragments that wait for the browser; it hangs if there are more. */
const QUEUE_FRAGMENTS_MAX = 512;
const LOOK_EVERY_MS = 100;
/** Without a fragment for so long it says so. */
const SILENT_MS = 5000;
/** Where each fragment has its decode time, and how much later it is shown (contract). */
const DECODED_AT = 60;
const SHOWN_LATER_AT = 100;

type Source = typeof MediaSource;
const managed = (globalThis as { ManagedMediaSource?: Source }).ManagedMediaSource;
const Media: Source | undefined = managed ?? globalThis.MediaSource;

export class Player {
  private socket: WebSocket | null = null;
  private buffer: SourceBuffer | null = null;
  private address = '';
  private queue: Uint8Array<ArrayBuffer>[] = [];
  private timescale = 1;
  private newestS = 0;
  private stepS = 0.04;
  private started = false;
  private anchor: [number, number] | null = null;
  private heardAt = 0;
  private tries = 0;
  private retry = 0;
  private timer = 0;
  private running = false;
  private shows: Showing = { phase: 'connecting', why: '', codec: '', width: 0, height: 0, behindS: null };

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly path: string,
    private readonly tell: (shows: Showing) => void,
  ) {}

  start(): void {
    document.addEventListener('visibilitychange', this.turn);
    this.timer = window.setInterval(this.follow, LOOK_EVERY_MS);
    this.turn();
  }

  stop(): void {
    document.removeEventListener('visibilitychange', this.turn);
    clearInterval(this.timer);
    this.close();
  }

  /** A page that nobody sees takes nothing. */
  private readonly turn = (): void => {
    if (document.hidden) this.close();
    else if (!this.running) this.open();
  };

  private say(more: Partial<Showing>): void {
    const before = this.shows;
    this.shows = { ...before, ...more };
    const { phase, why, codec, behindS } = this.shows;
    const tenths = (s: number | null) => s?.toFixed(1);
    if (phase !== before.phase || why !== before.why || codec !== before.codec || tenths(behindS) !== tenths(before.behindS)) this.tell(this.shows);
  }

  private open(): void {
    this.running = true;
    const asked = performance.now();
    const socket = new WebSocket(socketUrl(this.path));
    socket.binaryType = 'arraybuffer';
    this.socket = socket;
    this.heardAt = asked;
    this.video.dataset['asked'] = String(asked);
    let first = true;
    socket.onmessage = (event: MessageEvent<string | ArrayBuffer>) => {
      if (this.socket !== socket) return;
      this.heardAt = performance.now();
      if (typeof event.data === 'string') {
        const said = JSON.parse(event.data) as Said;
        if (said.type === 'time') this.anchor = [said.media_s, at(said.at)];
        else first = this.begin(said);
        return;
      }
      const fragment = new Uint8Array(event.data);
      if (first) first = false;
      else this.note(fragment);
      this.queue.push(fragment);
      if (this.queue.length > QUEUE_FRAGMENTS_MAX) return socket.close();
      this.pump();
    };
    socket.onclose = () => {
      if (this.socket !== socket) return;
      this.socket = null;
      this.forget();
      if (this.shows.phase === 'cannot') return;
      this.say({ phase: 'connecting' });
      const wait = retryMs(this.tries);
      this.tries += 1;
      this.retry = window.setTimeout(() => this.running && this.open(), wait);
    };
  }

  /** A stream of this form begins; true: its head is the next fragment. */
  private begin(hello: Hello): boolean {
    this.forget();
    const { codec, why_not } = hello;
    if (codec === undefined) {
      this.say({ phase: 'waiting', why: why_not ?? '' });
      return true;
    }
    const form = `video/mp4; codecs="${codec}"`;
    this.say({ codec, width: hello.width ?? 0, height: hello.height ?? 0, why: '' });
    if (Media === undefined || !Media.isTypeSupported(form)) {
      this.say({ phase: 'cannot', why: codec });
      this.socket?.close();
      return true;
    }
    this.timescale = hello.timescale ?? 1;
    const source = new Media();
    this.address = URL.createObjectURL(source);
    if (managed !== undefined) this.video.disableRemotePlayback = true;
    this.video.src = this.address;
    source.addEventListener(
      'sourceopen',
      () => {
        if (this.video.src !== this.address) return;
        const buffer = source.addSourceBuffer(form);
        buffer.addEventListener('updateend', () => (this.started ? this.pump() : this.follow()));
        this.buffer = buffer;
        this.pump();
      },
      { once: true },
    );
    return true;
  }

  /** When the picture of a fragment is shown. */
  private note(fragment: Uint8Array): void {
    if (fragment.byteLength < SHOWN_LATER_AT + 4) return;
    const view = new DataView(fragment.buffer, fragment.byteOffset, fragment.byteLength);
    const shownS = (Number(view.getBigUint64(DECODED_AT)) + view.getInt32(SHOWN_LATER_AT)) / this.timescale;
    const step = shownS - this.newestS;
    if (step > 0 && step < 1) this.stepS += (step - this.stepS) / 8;
    this.newestS = Math.max(this.newestS, shownS);
  }

  /** Gives the browser what waits, or lets go of what was seen. */
  private pump(): void {
    const { buffer, video } = this;
    if (buffer === null || buffer.updating || video.error !== null) return;
    try {
      const seen = video.currentTime - KEPT_S;
      if (buffer.buffered.length > 0 && buffer.buffered.start(0) < seen - 2) return buffer.remove(0, seen);
      const all = this.queue.splice(0);
      if (all.length === 0) return;
      if (all.length === 1 && all[0] !== undefined) return buffer.appendBuffer(all[0]);
      const whole = new Uint8Array(all.reduce((sum, one) => sum + one.byteLength, 0));
      let end = 0;
      for (const one of all) {
        whole.set(one, end);
        end += one.byteLength;
      }
      buffer.appendBuffer(whole);
    } catch {
      // A browser that takes no more begins anew.
      this.socket?.close();
    }
  }

  /** Near the newest picture: a little faster where it is behind, and at once where it is far behind. */
  private readonly follow = (): void => {
    const { video } = this;
    this.pump();
    if (video.error !== null && this.socket !== null) return this.socket.close();
    const silent = this.running && this.shows.phase !== 'cannot' && performance.now() - this.heardAt > SILENT_MS;
    if (this.buffer === null || this.buffer.buffered.length === 0) return;
    const near = NEAR_S + this.stepS;
    const behind = this.newestS - video.currentTime;
    if (!this.started || behind > JUMP_S || behind < -JUMP_S) {
      this.started = true;
      video.currentTime = Math.max(this.buffer.buffered.start(0), this.newestS - near);
      void video.play().catch(() => undefined);
    } else {
      video.playbackRate = behind > near + 0.19 ? 1.1 : behind > near + 0.06 ? 1.03 : behind < near - 0.08 ? 0.97 : 1;
    }
    const isThere = video.readyState >= 2 && !video.paused;
    const behindS = this.anchor === null || !isThere ? null : (Date.now() + clockOff.value - this.anchor[1]) / 1000 - (video.currentTime - this.anchor[0]);
    if (isThere && this.shows.phase !== 'playing') {
      this.tries = 0;
      video.dataset['first'] ??= String(Math.round(performance.now() - Number(video.dataset['asked'])));
    }
    this.say({ phase: silent ? 'waiting' : isThere ? 'playing' : this.shows.phase, why: silent ? '' : this.shows.why, behindS });
  };

  private forget(): void {
    this.buffer = null;
    this.queue = [];
    this.started = false;
    this.anchor = null;
    this.newestS = 0;
    if (this.address === '') return;
    URL.revokeObjectURL(this.address);
    this.address = '';
    this.video.removeAttribute('src');
    this.video.load();
  }

  private close(): void {
    this.running = false;
    clearTimeout(this.retry);
    const socket = this.socket;
    this.socket = null;
    socket?.close();
    this.forget();
  }
}
