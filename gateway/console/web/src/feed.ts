// One WebSocket a page: every change in order, a sign of life each five seconds, and never an old list that looks live.

import { call, Refused, retryMs, socketUrl } from './api';
import { sayTaken } from './notices';
import { account } from './rights';
import * as state from './state';
import { at, clockOff, tick } from './time';
import type { Case, Message, Overview } from './types';

/** Without a word for so long the list is old. */
const SILENT_MS = 12_000;
/** What became of a call that the overview does not have is asked again so often. */
const LOOK_AGAIN_MS = 5000;

let socket: WebSocket | null = null;
let tries = 0;
let timer = 0;
let generation = 0;
/** When the socket of now was asked for, and the last word was heard or the page was entered: `performance.now()`,
 * which no setting of a clock moves, and the clock, which goes on while a computer sleeps. */
let asked = moment();
let heardAt = moment();

function moment(): [number, number] {
  return [performance.now(), Date.now()];
}

const isLongAgo = ([own, wall]: [number, number]): boolean => performance.now() - own > SILENT_MS || Date.now() - wall > SILENT_MS;

/** Nothing of the connection of before counts any more. Gives the number of the next one. */
function hangUp(): number {
  clearTimeout(timer);
  socket?.close();
  socket = null;
  return ++generation;
}

/** Reads everything, then goes on from there, for ever. */
export async function connect(anew: boolean): Promise<void> {
  const mine = hangUp();
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

/** A call that was dealt with while we were away is said, not swallowed. One that is not in the overview at all goes
 * on calling until the gateway says what became of it. */
function takeOver(from: Overview): void {
  const before = state.calls.value;
  const there = new Set(from.open.map((one) => one.incident));
  const missing = before.filter((one) => !there.has(one.incident));
  state.begin(from, missing);
  for (const one of before) sayTaken(one, state.open.value.get(one.incident));
  for (const one of missing) void lookAfter(one);
}

async function lookAfter(one: Case): Promise<void> {
  const mine = generation;
  try {
    const after = await call<Case>('GET', `/api/v1/incidents/${encodeURIComponent(one.incident)}`);
    sayTaken(state.change(after), state.isOver(after) ? after : state.open.value.get(after.incident));
  } catch {
    // It goes on calling, and whoever accepts it hears why not.
    setTimeout(() => mine === generation && state.open.value.has(one.incident) && void lookAfter(one), LOOK_AGAIN_MS);
  }
}

function listen(mine: number): void {
  const from = state.overview.value;
  const query = `after=${state.position.value}&series=${encodeURIComponent(from?.series ?? '')}`;
  const next = new WebSocket(socketUrl(`/api/v1/changes?${query}`));
  socket = next;
  asked = moment();
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
      case 'drones':
        state.drones.value = message.drones;
        return fresh();
      case 'reload':
        anew = true;
        return;
      case 'logged-out':
        // Whoever has just changed his password has another session.
        return void connect(true);
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
  heardAt = moment();
  state.lastWord.value = Date.now();
  state.link.value = 'live';
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
  const wait = retryMs(tries);
  tries += 1;
  // A page that was refused at the door is not told why: the next overview tells.
  timer = window.setTimeout(() => void connect(anew || tries > 2), wait);
}

function thrownOut(): void {
  hangUp();
  state.link.value = 'lost';
  state.entrance.value = 'outside';
}

/** Who is on duty now, and what else the site says of itself: read anew when somebody wants to know. */
export async function readWords(): Promise<void> {
  const from = await call<Overview>('GET', '/api/v1/console');
  if (state.overview.value !== null) state.overview.value = { ...state.overview.value, words: from.words };
}

/** Somebody has come in: from now on silence counts, also that of a first overview that never comes. */
export function enter(): void {
  heardAt = moment();
  state.link.value = 'connecting';
  void connect(true);
}

/** Looks each second whether the gateway still speaks; a tab that slept finds out here. */
export function watch(): void {
  tick();
  if (state.entrance.value !== 'inside' || !isLongAgo(heardAt)) return;
  state.link.value = 'lost';
  // Open or not: what says nothing for so long is given up, and a new one has as long.
  if (socket !== null && isLongAgo(asked)) void connect(false);
}

/** The page is seen again, or the network is back: nothing is waited for. */
export function wake(): void {
  watch();
  if (state.entrance.value !== 'inside' || state.link.value !== 'lost' || socket !== null) return;
  tries = 0;
  void connect(false);
}

/** Logged out by hand. */
export function leave(): void {
  hangUp();
  state.overview.value = null;
  state.open.value = new Map();
  state.finished.value = [];
  state.expectCalls(false);
  account.value = null;
  // The desk is shared: whoever comes next says who he is.
  state.iAm('');
  state.entrance.value = 'outside';
}
