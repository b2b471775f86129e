// What the gateway tells of its cameras, read again while somebody looks at them.

import { signal } from '@preact/signals';
import { call } from './api';

export type Point = [number, number];

/** A rule as the configuration has it; the page changes a few of its keys. */
export interface Rule {
  id: string;
  kind: string;
  zone?: Point[];
  line?: Point[];
  direction?: string;
  dwell_s?: number | null;
  count?: number;
  [key: string]: unknown;
}

export interface Stream { codec: string; width: number; height: number; fps: number; bits_a_second: number; last_at: string; viewers: number }

export interface CameraState {
  up: boolean;
  level: number;
  looks: number;
  detected: number;
  skipped: number;
  decoding: string;
  sleepless?: string;
  streams?: string;
  look_s: number;
  awake_s: number;
  detect_s: number;
  gop_s: number;
}

export interface Camera {
  id: string;
  name: string;
  private: boolean;
  mask: Point[][];
  main: Stream | null;
  sub: Stream | null;
  state: CameraState | null;
  rules: Rule[];
}

export interface Cameras {
  at: string;
  up_s: number;
  version: number;
  applied: { at: string; by: string; why: string; changes: string[] } | null;
  tracks_kept: boolean;
  cameras: Camera[];
}

export const cameras = signal<Cameras | null>(null);
export const unread = signal(false);

export async function readCameras(): Promise<void> {
  try {
    cameras.value = await call<Cameras>('GET', '/api/v1/cameras');
    unread.value = false;
  } catch {
    unread.value = true;
  }
}

export const cameraPath = (id: string, what: 'still' | 'live'): string => `/api/v1/cameras/${encodeURIComponent(id)}/${what}`;
export const cameraHash = (id: string): string => `#/cameras/${encodeURIComponent(id)}`;

/** Share of a core that it takes, percent. */
export function coreShare(one: Camera, upS: number): number | null {
  const { state } = one;
  return state === null || upS < 1 ? null : ((state.look_s + state.awake_s + state.detect_s) / upS) * 100;
}
