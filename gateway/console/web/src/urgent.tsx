// An emergency takes the screen, and rings until somebody accepts; pressed again, until somebody goes on with it.

import { effect, signal, useSignalEffect } from '@preact/signals';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { busy, take } from './actions';
import { FactList, type FactRow } from './facts';
import { Broken, Mute } from './frame';
import { title } from './notices';
import { Limit, Picture, picture, placeOf, Presses, Stage, text } from './parts';
import { may } from './rights';
import { go, incidentHash } from './route';
import { calls, note, presses } from './state';
import { at, now, span } from './time';
import type { Case } from './types';
import { t } from './words';

/** Made small by hand; a further call opens it again, and so does a further press. */
const small = signal(false);
/** The call that is looked at; where it is gone, the first. */
const looked = signal<string | null>(null);
const known = new Set<string>();
let shownAt = 0;
let goneAt = -Infinity;

/** A tap that was meant for what lay there before must not accept. */
const SETTLED_MS = 600;
const settled = () => performance.now() - shownAt > SETTLED_MS;

/** An emergency has just gone: a key or tap that was meant for it must not count for what lies beneath. */
export const hasJustGone = (): boolean => performance.now() - goneAt < SETTLED_MS;

/** What the large button does: accept it, or note at this screen that it was pressed again. */
export function accept(one: Case): void {
  if (!settled()) return;
  if (one.stage === 'opened') void take(one, 'accepted');
  else note(one);
}

/** The call that is shown. */
export function current(): Case | null {
  const all = calls.value;
  return small.value ? null : (all.find((one) => one.incident === looked.value) ?? all[0] ?? null);
}

export function shrink(): void {
  small.value = true;
}

function showNext(): void {
  const all = calls.value;
  const here = all.findIndex((one) => one.incident === current()?.incident);
  looked.value = all[(here + 1) % all.length]?.incident ?? null;
}

let wasShown = false;
effect(() => {
  const isShown = current() !== null;
  if (wasShown && !isShown) goneAt = performance.now();
  wasShown = isShown;
});

export function Urgent() {
  useSignalEffect(() => {
    const all = calls.value.map((one) => `${one.incident}/${presses(one)}`);
    if (all.some((one) => !known.has(one))) small.value = false;
    known.clear();
    all.forEach((one) => known.add(one));
  });
  const all = calls.value;
  if (all.length === 0) return null;
  if (small.value) {
    return (
      <div class="strip">
        <Broken />
        <Mute />
        <button type="button" onClick={() => (small.value = false)} data-strip>
          ◆ {t('urgent.strip', { n: all.length })} · {t('urgent.show')}
        </button>
      </div>
    );
  }
  const one = current();
  return one === null ? null : <Call one={one} others={all.length - 1} key={one.incident} />;
}

const isTyping = (): boolean => document.activeElement instanceof HTMLInputElement && document.activeElement.value !== '';

/** Whether it has lain there for as long as a tap needs that was meant for something else. */
function useSettled(incident: string): boolean {
  const [ready, setReady] = useState(false);
  // Before anybody can see it. What else comes meanwhile delays it no more.
  useLayoutEffect(() => {
    shownAt = performance.now();
    looked.value = incident;
    const timer = setTimeout(() => setReady(true), SETTLED_MS + 20);
    return () => clearTimeout(timer);
  }, []);
  return ready;
}

function Call({ one, others }: { one: Case; others: number }) {
  const self = useRef<HTMLDivElement>(null);
  const ready = useSettled(one.incident);
  // The window itself, and no button: an Enter that was under way accepts nothing. Who writes goes on writing.
  useLayoutEffect(() => {
    if (!isTyping()) self.current?.focus();
  }, []);
  const again = one.stage !== 'opened';
  return (
    <div class="urgent" role="alertdialog" aria-modal="true" aria-label={`${t('urgent.title')}: ${title(one)}`} tabIndex={-1} ref={self} data-urgent={one.incident}>
      <Broken />
      <Mute />
      <p class="sign">
        <span aria-hidden="true">◆</span> {t(again ? 'urgent.again' : 'urgent.title')} <Presses one={one} />
        {one.detail?.['drill'] === true ? <span class="stage drill"> {t('case.drill')}</span> : null}
        {others > 0 ? <span class="others"> · {t('urgent.more', { n: others })}</span> : null}
      </p>
      <h1>{title(one)}</h1>
      <p class="place">
        {placeOf(one)} {again ? <Stage one={one} /> : null}
      </p>
      <Body one={one} />
      <p class="since">{t('urgent.since', { time: span(now.value - at(again ? one.changed_at : one.opened_at)) })}</p>
      <Limit one={one} />
      <div class="steps">
        {again || may('reply') ? (
          <button type="button" class="main huge" disabled={!ready || busy.value.has(one.incident)} onClick={() => accept(one)} data-accept={again ? 'again' : 'first'}>
            {busy.value.has(one.incident) ? t('act.sending') : t(again ? 'urgent.noted' : 'urgent.accept')} <kbd>A</kbd>
          </button>
        ) : null}
        {others > 0 ? (
          <button type="button" onClick={showNext}>
            {t('urgent.next')}
          </button>
        ) : null}
        <button type="button" onClick={() => (shrink(), go(incidentHash(one.incident)))}>
          {t('act.open')}
        </button>
        <button type="button" onClick={shrink}>
          {t('urgent.shrink')}
        </button>
      </div>
    </div>
  );
}

function Body({ one }: { one: Case }) {
  const detail = one.detail ?? {};
  const shot = picture(one);
  const head = [one.grid?.head, one.grid?.head_phone].filter(Boolean).join(' ');
  const rows: FactRow[] = [
    [t('case.contact'), text(detail['contact']), 'big'],
    [t('case.note'), text(detail['note'])],
    [t('case.head'), text(head)],
  ];
  return (
    <div class="body">
      {shot === undefined ? null : <Picture piece={shot} alt={t('case.picture')} />}
      <FactList rows={rows} />
    </div>
  );
}
