// What an officer does with a case: one step, bound to the revision that he saw, sent until it is answered, and never twice.

import { signal } from '@preact/signals';
import { call, freshId, Refused } from './api';
import { connect } from './feed';
import { say, sayTaken } from './notices';
import { may } from './rights';
import { askWho, change, drop, me } from './state';
import { clock } from './time';
import type { Case } from './types';
import { language, t, word } from './words';

export type To = 'accepted' | 'dispatched' | 'handled' | 'verified' | 'closed' | 'dismissed' | 'reopened';
export const REASONS = ['false-alarm', 'duplicate', 'not-found', 'not-ours', 'test', 'withdrawn', 'other'] as const;

export interface More { reason?: string; note?: string; department?: string }

/** Cases of which a step is under way. */
export const busy = signal<ReadonlySet<string>>(new Set());
/** What is to be done as soon as somebody has said who he is. */
const later = signal<(() => void) | null>(null);
/** He is asked who he is because of a step that waits for it. */
export const isAskedFirst = (): boolean => askWho.value && later.value !== null;
/** Ids of replies of which nobody knows whether they arrived: the same tap once more sends the same one. */
const unsure = new Map<string, string>();
const UNSURE_MAX = 100;

const RETRIES_MS = [400, 1000, 2000];
const pause = (ms: number) => new Promise((done) => setTimeout(done, ms));

/** The steps that are possible, the likely one first. */
export function steps(one: Case): To[] {
  if (!may('reply')) return [];
  switch (one.stage) {
    case 'opened':
      return ['accepted', 'dispatched', 'dismissed'];
    case 'accepted':
      return ['dispatched', 'handled', 'dismissed'];
    case 'dispatched':
      return ['handled', 'dismissed'];
    case 'handled':
      return ['verified', 'closed'];
    case 'verified':
      return ['closed'];
    default:
      return ['reopened'];
  }
}

export async function take(one: Case, to: To, more: More = {}): Promise<boolean> {
  if (!may('reply')) return false;
  if (me.value === '') {
    later.value = () => void take(one, to, more);
    askWho.value = true;
    return false;
  }
  if (busy.value.has(one.incident)) return false;
  busy.value = new Set([...busy.value, one.incident]);
  const said = { incident: one.incident, to, by: me.value, revision: one.revision, ...more };
  const key = JSON.stringify(said);
  const id = unsure.get(key) ?? freshId();
  if (unsure.size >= UNSURE_MAX) unsure.clear();
  unsure.set(key, id);
  try {
    const answer = await send(one, { ...said, id });
    if (answer !== 'unsure') unsure.delete(key);
    return answer === 'done';
  } finally {
    busy.value = new Set([...busy.value].filter((id) => id !== one.incident));
  }
}

/** The same reply each time: the second has no effect where the first arrived. */
async function send(one: Case, reply: { to: To; incident: string; id: string }): Promise<'done' | 'refused' | 'unsure'> {
  for (let n = 0; ; n += 1) {
    try {
      const after = await call<Case>('POST', '/api/v1/replies', reply);
      sayTaken(change(after), after);
      // Of a call that is told on every screen already, by the feed or just now.
      const told = one.severity === 1 && one.stage === 'opened';
      if (!told) say(t('act.done', { step: word('step', reply.to) }), 'good');
      return 'done';
    } catch (error) {
      const passes = !(error instanceof Refused) || error.status === 503;
      const wait = RETRIES_MS[n];
      if (passes && wait !== undefined) {
        say(t('act.retry', { n: n + 1 }), 'bad');
        await pause(wait);
        continue;
      }
      await refused(one, error);
      return passes ? 'unsure' : 'refused';
    }
  }
}

async function refused(one: Case, error: unknown): Promise<void> {
  if (!(error instanceof Refused)) return say(t('act.unreachable'), 'bad');
  if (error.status === 401) return void connect(true);
  const { by, at, step, zh } = error.body;
  const texts = typeof by === 'string' && typeof at === 'string' && typeof step === 'string';
  const who = language.value === 'zh' && typeof zh === 'string' ? zh : texts ? t('act.already', { by, time: clock(at), step: word('step', step) }) : null;
  say(error.status === 409 && who !== null ? who : t('act.failed', { why: error.message }), 'bad');
  try {
    change(await call<Case>('GET', `/api/v1/incidents/${one.incident}`));
  } catch (error) {
    // The feed tells it anyway; but what the gateway does not have need not ring.
    if (error instanceof Refused && error.status === 404) drop(one.incident);
  }
}

/** Somebody has said who he is. */
export function goOn(): void {
  const next = later.value;
  later.value = null;
  next?.();
}

export function forgetLater(): void {
  later.value = null;
}
