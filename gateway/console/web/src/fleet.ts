// Cameras, drones, buttons, gauges and loudspeakers as one list: whoever is silent or weak stands first.

import { computed } from '@preact/signals';
import type { Health } from './map_shapes';
import { cameras, devices, rain, siteMap, speakers, type Gauge, type MapSource, type Speaker } from './site_map';
import { drones, open } from './state';
import { at } from './time';
import type { Case, Device, Drone } from './types';

export const KINDS = ['camera', 'button', 'gauge', 'drone', 'speaker', 'unknown'] as const;
export type FleetKind = (typeof KINDS)[number];

export interface FleetRow {
  id: string;
  kind: FleetKind;
  name: string;
  states: string[];
  health: Health;
  /** The latest word of it. */
  heard?: string | undefined;
  /** Since when it is not well, by its case. */
  since?: string | undefined;
  /** That case. */
  case?: string | undefined;
  battery?: number | undefined;
  link?: number | undefined;
  where: string;
  source?: MapSource | undefined;
  gauge?: Gauge | undefined;
  drone?: Drone | undefined;
  device?: Device | undefined;
  speaker?: Speaker | undefined;
}

const ILL = new Set(['silent', 'tamper', 'stuck', 'down', 'unanswering']);
const WEAK = new Set(['unsaid', 'battery', 'weak', 'unclear', 'doubtful']);

function healthOf(states: readonly string[]): Health {
  if (states.some((state) => ILL.has(state))) return 'ill';
  if (states.some((state) => WEAK.has(state))) return 'weak';
  return states.includes('unheard') || states.includes('unspoken') || states.includes('unknown') ? 'unheard' : 'fine';
}

const RANK: Record<Health, number> = { ill: 0, weak: 1, unheard: 2, fine: 3 };

/** Cases that say that something is not well, by the source that they are about. */
const troubles = computed<ReadonlyMap<string, Case>>(() => {
  const found = new Map<string, Case>();
  for (const one of open.value.values()) {
    const source = one.sources[0]?.id;
    if (source === undefined || !/^(device|camera)-|^detector-degraded$/.test(one.kind)) continue;
    const before = found.get(source);
    if (one.active && (before === undefined || at(one.began_at) < at(before.began_at))) found.set(source, one);
  }
  return found;
});

/** In words; where nobody wrote any, as the map has it. */
function where(source: MapSource | undefined): string {
  const words = [source?.address, source?.grid_name].filter(Boolean).join(' · ');
  return words !== '' || source?.place === undefined ? words : source.place.map((degrees) => degrees.toFixed(5)).join(', ');
}

function row(id: string, kind: FleetKind, name: string, states: string[], source: MapSource | undefined): FleetRow {
  const trouble = troubles.value.get(id);
  const health = healthOf(states);
  return { id, kind, name: name || id, states, health, where: where(source), source, ...(trouble === undefined || health === 'fine' ? {} : { since: trouble.began_at, case: trouble.incident }) };
}

const listed = (id: string): MapSource | undefined => bySource.value.get(id);
const bySource = computed(() => new Map((siteMap.value?.sources ?? []).map((one) => [one.id, one])));

function ofGauge(one: Gauge): FleetRow {
  const states = [...(one.silent ? ['silent'] : []), ...(one.doubtful ? ['doubtful'] : []), ...(one.last_at === undefined && !one.silent ? ['unheard'] : [])];
  return { ...row(one.id, 'gauge', one.name, states.length === 0 ? ['fine'] : states, listed(one.id)), heard: one.last_at, gauge: one };
}

/** One that never had to say anything is not known to work. */
function ofSpeaker(one: Speaker): FleetRow {
  const source = listed(one.id);
  const states = [...(one.up ? [] : ['unanswering']), ...(one.expired > 0 ? ['unsaid'] : []), ...(one.up && one.expired === 0 && one.said === 0 ? ['unspoken'] : [])];
  return { ...row(one.id, 'speaker', source?.name ?? '', states.length === 0 ? ['fine'] : states, source), speaker: one };
}

/** All of them; of two that are alike the one that is not well for longer first. */
export const fleet = computed<readonly FleetRow[]>(() => {
  const all: FleetRow[] = [];
  const gauges = new Set((rain.value?.gauges ?? []).map((one) => one.id));
  for (const one of devices.value) {
    if (gauges.has(one.id)) continue;
    const source = listed(one.id);
    all.push({ ...row(one.id, source === undefined ? 'unknown' : 'button', one.name, one.states, source), heard: one.heard_at ?? undefined, battery: one.battery ?? undefined, link: one.link ?? undefined, device: one });
  }
  for (const one of cameras.value) {
    const source = listed(one.id);
    all.push({ ...row(one.id, 'camera', source?.name ?? '', [one.up ? 'fine' : 'down'], source) });
  }
  for (const one of rain.value?.gauges ?? []) all.push(ofGauge(one));
  for (const one of speakers.value) all.push(ofSpeaker(one));
  for (const source of siteMap.value?.sources ?? []) {
    if (source.kind !== 'drone') continue;
    const drone = drones.value.find((one) => one.id === source.id);
    const state = drone === undefined ? 'parked' : drone.flying ? 'flying' : 'parked';
    const flown = drone === undefined ? {} : { where: drone.place.map((degrees) => degrees.toFixed(5)).join(', ') };
    all.push({ ...row(source.id, 'drone', source.name, [state], source), ...flown, heard: drone?.at, battery: drone?.battery, drone });
  }
  const since = (one: FleetRow): number => (one.since === undefined ? Infinity : at(one.since));
  return all.sort((a, b) => RANK[a.health] - RANK[b.health] || since(a) - since(b) || a.name.localeCompare(b.name, 'zh-CN') || (a.id < b.id ? -1 : 1));
});

export const rowOf = (id: string): FleetRow | undefined => fleet.value.find((one) => one.id === id);

/** Open incidents of this source. */
export const casesOf = (id: string): Case[] => [...open.value.values()].filter((one) => one.sources.some((source) => source.id === id));

/** How many of a kind are how. */
export function count(kind: FleetKind | null, health: Health | null): number {
  return fleet.value.filter((one) => (kind === null || one.kind === kind) && (health === null || one.health === health)).length;
}
