// What the gateway says of the site's ground and of its cameras, drones, devices and gauges, while a screen shows them.

import { signal } from '@preact/signals';
import { useAgain } from './again';
import { call } from './api';
import { drones, open } from './state';
import type { Device, Drone } from './types';

export interface MapSource {
  id: string;
  kind: string;
  name: string;
  place?: [number, number];
  address?: string;
  grid?: string;
  grid_name?: string;
  bearing_deg?: number;
  view_deg?: number;
  view_m?: number;
}
export interface MapGrid { code: string; name: string; community?: string; head?: string; outline: [number, number][][][] }
export interface SiteMap { place?: [number, number]; ground?: { url: string; corners: [[number, number], [number, number]] }; grids: MapGrid[]; sources: MapSource[] }

export interface Camera { id: string; up: boolean; looks: string; frames: number; skipped: number; lag_s: number; clock_off_s?: number; cpu_s: number }

/** What it took and did not say in time, since the gateway started. */
export interface Speaker { id: string; up: boolean; said: number; expired: number; pending: number }

export interface Named { zh: string; en: string }
export interface Gauge {
  id: string;
  name: string;
  grid: string;
  last_at?: string;
  silent: boolean;
  doubtful: boolean;
  day_began_at: string;
  sums_mm: Record<string, number>;
  grade_12h: Named;
  grade_24h: Named;
  level_m?: number;
  warning_m?: number;
  guarantee_m?: number;
  curve: { at: string; mm: number; day_mm?: number }[];
}
export interface Rain { at: string; postures: string[]; gauges: Gauge[]; grades_24h?: (Named & { from_mm: number })[] }

export const siteMap = signal<SiteMap | null>(null);
export const devices = signal<readonly Device[]>([]);
export const cameras = signal<readonly Camera[]>([]);
export const speakers = signal<readonly Speaker[]>([]);
export const rain = signal<Rain | null>(null);
/** The latest try to read one of them failed. */
export const isUnread = signal(false);

/** What no change of an incident tells is read again so often: a battery, a sum of rain. */
const AGAIN_MS = 15_000;

export async function readSite(): Promise<void> {
  const told = [
    call<SiteMap>('GET', '/api/v1/map').then((next) => {
      // A map that is the same draws nothing anew.
      if (JSON.stringify(next) !== JSON.stringify(siteMap.value)) siteMap.value = next;
    }),
    call<{ devices: Device[] }>('GET', '/api/v1/devices').then((next) => (devices.value = next.devices)),
    call<{ cameras: Camera[]; drones: Drone[]; speakers?: Speaker[] }>('GET', '/api/v1/fleet').then((next) => ([cameras.value, drones.value, speakers.value] = [next.cameras, next.drones, next.speakers ?? []])),
    call<Rain>('GET', '/api/v1/rain').then((next) => (rain.value = next)),
  ];
  const done = await Promise.allSettled(told);
  isUnread.value = done.some((one) => one.status === 'rejected');
}

/** Reads all of it now, when a device's case changes, and now and then, as long as the screen is there. */
export function useSite(): void {
  const cases = [...open.value.values()].filter((one) => /^(device|camera)-/.test(one.kind)).map((one) => `${one.incident}.${one.revision}`);
  const changed = cases.sort().join();
  useAgain(AGAIN_MS, () => void readSite(), [changed]);
}
