// Where the page is: `#/`, `#/i/<incident>`, `#/map`, `#/map/i/<incident>`, `#/devices`, `#/devices/<id>`, `#/system`,
// `#/figures`. A link can be sent to others.

import { signal } from '@preact/signals';

/** What the map shows first: an incident, a source, or the way of a flight. */
export interface Focus { kind: 'i' | 's' | 'f'; id: string }
export interface Route { tab: 'now' | 'map' | 'devices' | 'system' | 'figures'; incident: string | null; device: string | null; focus: Focus | null }

const NOTHING = { incident: null, device: null, focus: null };

function read(): Route {
  const [, first = '', second, third] = location.hash.split('/');
  if (first === 'i' && second) return { ...NOTHING, tab: 'now', incident: safely(second) };
  if (first === 'map' && (second === 'i' || second === 's' || second === 'f') && third) return { ...NOTHING, tab: 'map', focus: { kind: second, id: safely(third) } };
  if (first === 'devices' && second) return { ...NOTHING, tab: 'devices', device: safely(second) };
  if (first === 'map' || first === 'devices' || first === 'system' || first === 'figures') return { ...NOTHING, tab: first };
  return { ...NOTHING, tab: 'now' };
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
