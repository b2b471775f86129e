// Everything by the keyboard alone, with a list of the keys.

import { signal } from '@preact/signals';
import { forgetLater, isAskedFirst, take } from './actions';
import { move } from './now';
import { chosen, find, release } from './order';
import { ownShown } from './own';
import { Dialog } from './parts';
import { go, incidentHash, mapHash, route } from './route';
import { listenOnce } from './sound';
import { askWho, entrance } from './state';
import { asking, begin, dismissBy } from './steps';
import { steps } from './actions';
import { t, type Key } from './words';
import { accept, current, hasJustGone, shrink } from './urgent';

/** Keys that may be held down. */
const MOVES = new Set(['j', 'k', 'arrowdown', 'arrowup']);

export const helpShown = signal(false);

const HELP: [string, Key][] = [
  ['J ↓', 'keys.down'],
  ['K ↑', 'keys.up'],
  ['A', 'keys.accept'],
  ['D', 'keys.dispatch'],
  ['X', 'keys.dismiss'],
  ['N', 'keys.new'],
  ['S', 'keys.sound'],
  ['1 2 3', 'keys.tabs'],
  ['C', 'keys.cameras'],
  ['M', 'keys.map'],
  ['E', 'keys.devices'],
  ['?', 'keys.help'],
  ['Esc', 'keys.back'],
];

export function Help() {
  if (!helpShown.value) return null;
  return (
    <Dialog title={t('keys.title')} onClose={() => (helpShown.value = false)}>
      <dl class="keys">
        {HELP.map(([key, what]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{t(what)}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}

function typing(event: KeyboardEvent): boolean {
  const target = event.target;
  return target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement;
}

/** Closes what lies on top; gives whether there was anything. */
function back(): boolean {
  if (current() !== null && !isAskedFirst()) return shrink(), true;
  if (asking.value !== null) return (asking.value = null), true;
  if (askWho.value) return (askWho.value = false), forgetLater(), true;
  if (ownShown.value) return (ownShown.value = false), true;
  if (helpShown.value) return (helpShown.value = false), true;
  if (chosen.value !== null) return go('#/', true), true;
  if (route.value.device !== null) return go('#/devices', true), true;
  return false;
}

function onKey(event: KeyboardEvent): void {
  if (entrance.value !== 'inside' || event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.key === 'Tab') return keepInside(event);
  if (event.key === 'Escape') return void (back() && event.preventDefault());
  if (typing(event)) return;
  const key = event.key.toLowerCase();
  // A key that is held down, or was meant for an emergency that has just gone, takes no step.
  if (event.repeat && !MOVES.has(key)) return;
  const call = current();
  if (call !== null) {
    if (key === 'a' && !askWho.value) accept(call);
    return;
  }
  if (asking.value?.to === 'dismissed' && /^[1-7]$/.test(key)) {
    event.preventDefault();
    return dismissBy(Number(key) - 1);
  }
  if (asking.value !== null || askWho.value || ownShown.value || helpShown.value) return;
  if (inList(key)) event.preventDefault();
}

function inList(key: string): boolean {
  // Elsewhere arrows scroll, and move the map.
  if (key.startsWith('arrow') && route.value.tab !== 'now') return false;
  const one = chosen.value === null ? undefined : find(chosen.value);
  const step = { a: 'accepted', d: 'dispatched', x: 'dismissed' }[key] as 'accepted' | 'dispatched' | 'dismissed' | undefined;
  if (step !== undefined && one !== undefined && !hasJustGone() && steps(one).includes(step)) {
    if (step === 'accepted') void take(one, 'accepted');
    else begin(one, step);
    return true;
  }
  switch (key) {
    case 'j':
    case 'arrowdown':
      return move(1), true;
    case 'k':
    case 'arrowup':
      return move(-1), true;
    case 'n':
      return release(), true;
    case 's':
      return void listenOnce(), true;
    case '?':
      return (helpShown.value = true), true;
    case '1':
      return go(chosen.value === null ? '#/' : incidentHash(chosen.value)), true;
    case '2':
      return go('#/system'), true;
    case 'c':
      return go('#/cameras'), true;
    case '3':
      return go('#/figures'), true;
    case 'm':
      return go(chosen.value === null ? '#/map' : mapHash('i', chosen.value)), true;
    case 'e':
      return go('#/devices'), true;
    default:
      return false;
  }
}

/** While a window is open, the focus stays in it. */
function keepInside(event: KeyboardEvent): void {
  const box = ['[data-dialog=above]', '[data-urgent]', '[data-dialog]'].map((what) => document.querySelector<HTMLElement>(what)).find((found) => found !== null) ?? null;
  if (box === null) return;
  const all = [...box.querySelectorAll<HTMLElement>('button:not([disabled]), input, a[href], video[controls]')];
  const first = all[0];
  const last = all[all.length - 1];
  if (first === undefined || last === undefined) return;
  const here = document.activeElement;
  if (!box.contains(here) || (event.shiftKey && (here === first || here === box))) {
    event.preventDefault();
    (event.shiftKey ? last : first).focus();
  } else if (!event.shiftKey && here === last) {
    event.preventDefault();
    first.focus();
  }
}

export function listen(): void {
  document.addEventListener('keydown', onKey);
}
