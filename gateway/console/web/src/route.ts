// Where the page is: `#/`, `#/i/<incident>`, `#/map`, `#/map/i/<incident>`, `#/cameras`, `#/cameras/<id>`, `#/devices`,
// `#/devices/<id>`, `#/system`, `#/figures`. A link can be sent to others.

import { signal } from '@preact/signals';

export type Tab = 'now' | 'map' | 'cameras' | 'devices' | 'system' | 'figures' | 'accounts' | 'wall';
const PLAIN: readonly string[] = ['map', 'cameras', 'devices', 'system', 'figures', 'accounts', 'wall'] satisfies Tab[];

/** What the map shows first: an incident, a source, or the way of a flight. */
export interface Focus { kind: 'i' | 's' | 'f'; id: string }
export interface Route { tab: Tab; incident: string | null; camera: string | null; device: string | null; focus: Focus | null }

const NOTHING = { incident: null, camera: null, device: null, focus: null };

function read(): Route {
  const [, first = '', second, third] = location.hash.split('/');
  const there = (tab: Tab, more: Partial<Route> = {}): Route => ({ ...NOTHING, tab, ...more });
  if (first === 'i' && second) return there('now', { incident: safely(second) });
  if (first === 'map' && (second === 'i' || second === 's' || second === 'f') && third) return there('map', { focus: { kind: second, id: safely(third) } });
  if (first === 'devices' && second) return there('devices', { device: safely(second) });
  if (first === 'cameras' && second) return there('cameras', { camera: safely(second) });
  return there(PLAIN.includes(first) ? (first as Tab) : 'now');
}

function safely(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export const route = signal<Route>(read());

window.addEventListener('hashchange', () => (route.value = read()));

/** `quietly`: going back does not lead through it. */
export function go(hash: string, quietly = false): void {
  if (quietly) {
    history.replaceState(null, '', hash);
    route.value = read();
  } else {
    location.hash = hash;
  }
}

export const incidentHash = (id: string): string => `#/i/${encodeURIComponent(id)}`;
export const deviceHash = (id: string): string => `#/devices/${encodeURIComponent(id)}`;
export const mapHash = (kind: Focus['kind'], id: string): string => `#/map/${kind}/${encodeURIComponent(id)}`;
