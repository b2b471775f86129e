// One WebSocket a page: every change in order, a sign of life each five seconds, and never an old list that looks live.

import { call, Refused } from './api';
import { sayTaken } from './notices';
import * as state from './state';
import { at, clockOff, tick } from './time';
import type { Message, Overview } from './types';

/** Without a word for so long the list is old. */
const SILENT_MS = 12_000;
const RETRY_MS = [300, 1000, 2000, 5000];

let socket: WebSocket | null = null;
let tries = 0;
let timer = 0;
let generation = 0;
/** When the socket of now was asked for. */
let asked = 0;

/** Reads everything, then goes on from there, for ever. */
export async function connect(anew: boolean): Promise<void> {
  const mine = ++generation;
  clearTimeout(timer);
  socket?.close();
  socket = null;
  try {
    if (anew || state.overview.value === null) {
      const from = await call<Overview>('GET', '/api/v1/console');
      if (mine !== generation) return;
      takeOver(from);
      heard(from.at);
    }
    listen(mine);
  } catch (error) {
    if (mine !== generation) return;
    if (error instanceof Refused && error.status === 401) return thrownOut();
    lost();
    again(anew);
  }
}

/** A call that is not in the new overview was dealt with while we were away: it is said, not swallowed. */
function takeOver(from: Overview): void {
  const before = state.calls.value;
  state.begin(from);
  for (const call of before) sayTaken(call, state.open.value.get(call.incident));
}

function listen(mine: number): void {
  const from = state.overview.value;
  const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
  const query = `after=${state.position.value}&series=${encodeURIComponent(from?.series ?? '')}`;
  const next = new WebSocket(`${scheme}://${location.host}/api/v1/changes?${query}`);
  socket = next;
  asked = Date.now();
  let anew = false;
  next.onmessage = (event: MessageEvent<string>) => {
    if (mine !== generation) return;
    const message = JSON.parse(event.data) as Message;
    switch (message.type) {
      case 'change':
        // A gap would be a case that nobody sees.
        if (message.after !== state.position.value) {
          anew = true;
          return next.close();
        }
        state.position.value = message.position;
        sayTaken(state.change(message.case), message.case);
        return fresh();
      case 'alive':
        if (message.position !== state.position.value) {
          anew = true;
          return next.close();
        }
        state.condition.value = message.condition;
        heard(message.at);
        return fresh();
      case 'reload':
        anew = true;
        return;
      case 'logged-out':
        return thrownOut();
      case 'stopping':
        return;
    }
  };
  next.onclose = () => {
    if (mine !== generation) return;
    socket = null;
    lost();
    again(anew);
  };
}

function fresh(): void {
  tries = 0;
  tick();
  state.lastWord.value = Date.now();
  state.link.value = 'live';
  state.thrownOut.value = false;
}

function heard(text: string): void {
  state.lastWordAt.value = text;
  state.lastWord.value = Date.now();
  clockOff.value = at(text) - Date.now();
  tick();
}

function lost(): void {
  if (state.link.value === 'live') state.link.value = 'lost';
}

/** After a while, that grows; a socket that closes for want of rights shows so by its overview. */
function again(anew: boolean): void {
  const wait = RETRY_MS[Math.min(tries, RETRY_MS.length - 1)] ?? 5000;
  tries += 1;
  // A page that was refused at the door is not told why: the next overview tells.
  timer = window.setTimeout(() => void connect(anew || tries > 2), wait);
}

function thrownOut(): void {
  generation += 1;
  clearTimeout(timer);
  socket?.close();
  socket = null;
  state.thrownOut.value = state.overview.value !== null;
  state.link.value = 'lost';
  state.entrance.value = 'outside';
}

/** Looks each second whether the gateway still speaks; a tab that slept finds out here. */
export function watch(): void {
  tick();
  const since = (time: number) => Date.now() - time > SILENT_MS;
  if (state.entrance.value !== 'inside' || state.lastWord.value === 0 || !since(state.lastWord.value)) return;
  state.link.value = 'lost';
  // Open or not: what says nothing for so long is given up, and a new one has as long.
  if (socket !== null && since(asked)) void connect(false);
}

export function leave(): void {
  generation += 1;
  clearTimeout(timer);
  socket?.close();
  socket = null;
  state.overview.value = null;
  state.open.value = new Map();
  state.finished.value = [];
  state.thrownOut.value = false;
  state.entrance.value = 'outside';
}
