// What the page knows: the open cases at a position of the journal, and how it stands with the gateway.

import { computed, signal } from '@preact/signals';
import type { Case, Overview, Condition } from './types';
import { at } from './time';
import { keep, kept } from './words';

export type Entrance = 'asking' | 'outside' | 'inside';
export type Link = 'connecting' | 'live' | 'lost';

/** Whether this browser is logged in. */
export const entrance = signal<Entrance>('asking');
/** It was, and is not any more. */
export const thrownOut = signal(false);
export const link = signal<Link>('connecting');
/** The last word of the gateway, by this screen's clock. */
export const lastWord = signal(0);
/** The same as the gateway wrote it. */
export const lastWordAt = signal('');
export const position = signal(0);
export const overview = signal<Overview | null>(null);
export const condition = signal<Condition | null>(null);
export const open = signal<ReadonlyMap<string, Case>>(new Map());
/** The latest that were closed or dismissed while this page looked on, newest first. */
export const finished = signal<readonly Case[]>([]);
/** Who sits here. */
export const me = signal(kept('gridpost.me') ?? '');
export const askWho = signal(false);

const FINISHED_MAX = 10;

export const isOver = (one: Case): boolean => one.stage === 'closed' || one.stage === 'dismissed';

/** Emergencies that nobody has accepted, the oldest first. */
export const calls = computed(() =>
  [...open.value.values()]
    .filter((one) => one.severity === 1 && one.stage === 'opened')
    .sort((a, b) => at(a.opened_at) - at(b.opened_at)),
);

export function iAm(name: string): void {
  me.value = name;
  keep('gridpost.me', name);
}

/** Everything anew. What was open and is not in it is over. */
export function begin(from: Overview): void {
  overview.value = from;
  position.value = from.position;
  condition.value = from.condition;
  open.value = new Map(from.open.map((one) => [one.incident, one]));
}

/** One change; the highest revision counts. Gives the case as it was before. */
export function change(one: Case): Case | undefined {
  const before = open.value.get(one.incident);
  if (before !== undefined && before.revision > one.revision) return before;
  const next = new Map(open.value);
  if (isOver(one)) {
    next.delete(one.incident);
    const others = finished.value.filter((other) => other.incident !== one.incident);
    finished.value = [one, ...others].slice(0, FINISHED_MAX);
  } else {
    next.set(one.incident, one);
    finished.value = finished.value.filter((other) => other.incident !== one.incident);
  }
  open.value = next;
  return before;
}
