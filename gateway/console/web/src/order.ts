// The order of the list: urgent first. It never moves under a finger: while the list is touched, what is new waits.

import { computed, effect, signal } from '@preact/signals';
import { route } from './route';
import { finished, isCalling, open } from './state';
import { at, now } from './time';
import type { Case, Light } from './types';

export type Filter = 'all' | 'urgent' | 'unaccepted' | 'late';

export const filter = signal<Filter>('all');
/** The list is being touched. */
export const held = signal(false);
/** Incidents in the order in which they are shown. */
export const shown = signal<readonly string[]>([]);
/** Rows have just moved: a click that was meant for the row before must not count. */
export const movedAt = signal(0);

const HELD_MS = 4000;
export const SETTLED_MS = 350;

let timer = 0;

/** The list was touched just now. */
export function touch(): void {
  held.value = true;
  clearTimeout(timer);
  timer = window.setTimeout(release, HELD_MS);
}

export function release(): void {
  clearTimeout(timer);
  held.value = false;
}

export const settled = (): boolean => performance.now() - movedAt.value > SETTLED_MS;

/** What is said of its limits now; the gateway's word, or what has passed since. */
export function light(one: Case): Light {
  const { deadline } = one;
  if (deadline === undefined) return 'green';
  if (one.suspended_until !== undefined) return deadline.light;
  const time = now.value;
  if (deadline.light === 'red' || (deadline.step !== undefined && time >= at(deadline.step.by))) return 'red';
  const warned = deadline.next?.what === 'limit' && time >= at(deadline.next.at);
  return deadline.light === 'yellow' || warned ? 'yellow' : 'green';
}

function fits(one: Case, wanted: Filter): boolean {
  switch (wanted) {
    case 'all':
      return true;
    case 'urgent':
      return one.severity === 1;
    case 'unaccepted':
      return one.stage === 'opened' || isCalling(one);
    case 'late':
      return light(one) === 'red';
  }
}

/** Urgent and important ones that nobody has stand above all that somebody has. */
function rank(a: Case, b: Case): number {
  const waits = (one: Case) => (one.stage === 'opened' || isCalling(one) ? 0 : 1);
  const first = (one: Case) => (waits(one) === 0 && one.severity <= 2 ? 0 : 1);
  const newest = at(b.opened_at) - at(a.opened_at);
  return first(a) - first(b) || a.severity - b.severity || waits(a) - waits(b) || newest || (a.incident < b.incident ? 1 : -1);
}

/** As it would be if nobody touched it. Lights change with time, so the filter of late ones is asked again by `tick`. */
const wanted = computed<readonly string[]>(() => {
  const all = [...open.value.values()].filter((one) => fits(one, filter.value));
  return all.sort(rank).map((one) => one.incident);
});

/** New rows that wait. */
export const waiting = computed(() => {
  const there = new Set(shown.value);
  return wanted.value.filter((id) => !there.has(id)).length;
});

/** An open case, or one that has just finished. */
export function find(id: string): Case | undefined {
  return open.value.get(id) ?? finished.value.find((one) => one.incident === id);
}

/** The case that keys mean: the one that is open, else the first. */
export const chosen = computed(() => route.value.incident ?? null);

effect(() => {
  const next = wanted.value;
  if (held.value) return;
  const before = shown.peek();
  if (before.length === next.length && before.every((id, n) => id === next[n])) return;
  shown.value = next;
  movedAt.value = performance.now();
});
