// Where the page is: `#/`, `#/i/<incident>`, `#/cameras`, `#/cameras/<id>`, `#/system`, `#/figures`. A link to an incident can be sent to others.

import { signal } from '@preact/signals';

export type Tab = 'now' | 'cameras' | 'system' | 'figures' | 'accounts' | 'wall';
const PLAIN: readonly string[] = ['system', 'figures', 'accounts', 'wall'] satisfies Tab[];

export interface Route { tab: Tab; incident: string | null; camera: string | null }

function read(): Route {
  const [, first = '', second] = location.hash.split('/');
  const there = (tab: Tab, more: Partial<Route> = {}): Route => ({ tab, incident: null, camera: null, ...more });
  if (first === 'i' && second) return there('now', { incident: safely(second) });
  if (first === 'cameras') return there('cameras', { camera: second ? safely(second) : null });
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
