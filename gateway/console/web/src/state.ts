// What the page knows: the open cases at a position of the journal, and how it stands with the gateway.

import { computed, signal } from '@preact/signals';
import type { Case, Condition, Drone, Overview } from './types';
import { at } from './time';
import { keep, kept } from './words';

export type Entrance = 'asking' | 'outside' | 'inside';
export type Link = 'connecting' | 'live' | 'lost';

/** Whether this browser is logged in. */
export const entrance = signal<Entrance>('asking');
const WAS_INSIDE = 'gridpost.inside';
/** Somebody was logged in here and has not logged out: while he is outside, no call reaches this screen. */
export const isDeaf = signal(kept(WAS_INSIDE) === 'yes');

export function expectCalls(yes: boolean): void {
  isDeaf.value = yes;
  keep(WAS_INSIDE, yes ? 'yes' : 'no');
}
export const link = signal<Link>('connecting');
/** The last word of the gateway, by this screen's clock. */
export const lastWord = signal(0);
/** The same as the gateway wrote it. */
export const lastWordAt = signal('');
export const position = signal(0);
export const overview = signal<Overview | null>(null);
export const condition = signal<Condition | null>(null);
export const open = signal<ReadonlyMap<string, Case>>(new Map());
/** Where drones were last; told each second while one flies. */
export const drones = signal<readonly Drone[]>([]);
/** The latest that were closed or dismissed while this page looked on, newest first. */
export const finished = signal<readonly Case[]>([]);
/** Of the gateway that this page came from. It is not loaded anew by itself: that would take its sound. */
let pageVersion: string | null = null;
export const isOldPage = signal(false);
/** Who sits here. */
export const me = signal(kept('gridpost.me') ?? '');
export const askWho = signal(false);

const FINISHED_MAX = 10;
const SEEN = 'gridpost.seen';
const SEEN_MAX = 200;

export const isOver = (one: Case): boolean => one.stage === 'closed' || one.stage === 'dismissed';

const count = (value: unknown): number => (typeof value === 'number' ? value : 0);

/** How often it was pressed, of an emergency button. */
export const presses = (one: Case): number => count(one.detail?.['presses']);

/** Cases whose further presses were noted at this screen, and how many those were; a reload keeps them. */
const noted = signal<ReadonlyMap<string, number>>(readNoted());

function readNoted(): Map<string, number> {
  try {
    const told: unknown = JSON.parse(kept(SEEN) ?? '[]');
    return new Map(Array.isArray(told) ? (told as [string, number][]) : []);
  } catch {
    return new Map();
  }
}

/** At this screen its presses so far ring no more. */
export function note(one: Case): void {
  const others = [...noted.value].filter(([id]) => id !== one.incident);
  const all: [string, number][] = [...others, [one.incident, presses(one)]];
  noted.value = new Map(all.slice(-SEEN_MAX));
  keep(SEEN, JSON.stringify([...noted.value]));
}

/** Somebody has it, and it was pressed again since his last step. */
export const isPressedAgain = (one: Case): boolean =>
  one.stage !== 'opened' && !isOver(one) && presses(one) > Math.max(count(one.detail?.['presses_known']), noted.value.get(one.incident) ?? 0);

/** It rings: nobody has accepted it, or it was pressed again. */
export const isCalling = (one: Case): boolean => one.severity === 1 && (one.stage === 'opened' || isPressedAgain(one));

/** Emergencies that ring, the oldest first. */
export const calls = computed(() => [...open.value.values()].filter(isCalling).sort((a, b) => at(a.opened_at) - at(b.opened_at)));

export function iAm(name: string): void {
  me.value = name;
  keep('gridpost.me', name);
}

/** Everything anew; a case of which more is known here than there stays as it is known. `doubted`: cases that it
 * does not have, and that stay until it is known what became of them. */
export function begin(from: Overview, doubted: readonly Case[]): void {
  const here = open.value;
  const newest = (one: Case): Case => {
    const mine = here.get(one.incident);
    return mine !== undefined && mine.revision > one.revision ? mine : one;
  };
  const isFinished = (one: Case) => finished.value.some((other) => other.incident === one.incident && other.revision > one.revision);
  pageVersion ??= from.version;
  isOldPage.value = pageVersion !== from.version;
  overview.value = from;
  position.value = from.position;
  condition.value = from.condition;
  open.value = new Map([...doubted, ...from.open.filter((one) => !isFinished(one)).map(newest)].map((one) => [one.incident, one]));
}

/** The gateway knows no such case. */
export function drop(incident: string): void {
  const next = new Map(open.value);
  next.delete(incident);
  open.value = next;
}

/** One change; the highest revision counts. Gives the case as it was before. */
export function change(one: Case): Case | undefined {
  const before = open.value.get(one.incident);
  // An older answer that comes late revives no case that is over.
  if (finished.value.some((other) => other.incident === one.incident && other.revision > one.revision)) return before;
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
