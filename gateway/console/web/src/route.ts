// Where the page is: `#/`, `#/i/<incident>`, `#/system`, `#/figures`. A link to an incident can be sent to others.

import { signal } from '@preact/signals';

export interface Route { tab: 'now' | 'system' | 'figures'; incident: string | null }

function read(): Route {
  const [, first = '', second] = location.hash.split('/');
  if (first === 'i' && second) return { tab: 'now', incident: safely(second) };
  if (first === 'system' || first === 'figures') return { tab: first, incident: null };
  return { tab: 'now', incident: null };
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
