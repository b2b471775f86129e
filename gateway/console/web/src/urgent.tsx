// An emergency takes the screen, and rings until somebody accepts.

import { signal, useSignalEffect } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { busy, take } from './actions';
import { title } from './notices';
import { Limit, Picture, picture, placeOf, text } from './parts';
import { go, incidentHash } from './route';
import { calls } from './state';
import { at, now, span } from './time';
import type { Case } from './types';
import { t } from './words';

/** Made small by hand; a further call opens it again. */
const small = signal(false);
const turn = signal(0);
const known = new Set<string>();
let shownAt = 0;

/** A tap that was meant for what lay there before must not accept. */
const SETTLED_MS = 600;
const settled = () => performance.now() - shownAt > SETTLED_MS;

export function accept(one: Case): void {
  if (settled()) void take(one, 'accepted');
}

/** The call that is shown. */
export function current(): Case | null {
  const all = calls.value;
  return small.value || all.length === 0 ? null : (all[turn.value % all.length] ?? null);
}

export function shrink(): void {
  small.value = true;
}

export function Urgent() {
  useSignalEffect(() => {
    const fresh = calls.value.filter((one) => !known.has(one.incident));
    if (fresh.length > 0) {
      small.value = false;
      shownAt = performance.now();
    }
    known.clear();
    calls.value.forEach((one) => known.add(one.incident));
  });
  const all = calls.value;
  if (all.length === 0) return null;
  if (small.value) {
    return (
      <button type="button" class="strip" onClick={() => ((small.value = false), (shownAt = performance.now()))} data-strip>
        ◆ {t('urgent.strip', { n: all.length })} · {t('urgent.show')}
      </button>
    );
  }
  const one = current();
  return one === null ? null : <Call one={one} others={all.length - 1} key={one.incident} />;
}

function Call({ one, others }: { one: Case; others: number }) {
  const self = useRef<HTMLDivElement>(null);
  // The window itself, and no button: an Enter that was under way accepts nothing.
  useEffect(() => {
    shownAt = performance.now();
    self.current?.focus();
  }, []);
  const detail = one.detail ?? {};
  const shot = picture(one);
  const contact = text(detail['contact']);
  const note = text(detail['note']);
  const head = [one.grid?.head, one.grid?.head_phone].filter(Boolean).join(' ');
  return (
    <div class="urgent" role="alertdialog" aria-modal="true" aria-label={`${t('urgent.title')}: ${title(one)}`} tabIndex={-1} ref={self} data-urgent={one.incident}>
      <p class="sign">
        <span aria-hidden="true">◆</span> {t('urgent.title')}
        {detail['drill'] === true ? <span class="stage drill"> {t('case.drill')}</span> : null}
        {others > 0 ? <span class="others"> · {t('urgent.more', { n: others })}</span> : null}
      </p>
      <h1>{title(one)}</h1>
      <p class="place">{placeOf(one)}</p>
      <div class="body">
        {shot === undefined ? null : <Picture piece={shot} alt={t('case.picture')} />}
        <dl class="facts">
          {contact === undefined ? null : (
            <div>
              <dt>{t('case.contact')}</dt>
              <dd class="big">{contact}</dd>
            </div>
          )}
          {note === undefined ? null : (
            <div>
              <dt>{t('case.note')}</dt>
              <dd>{note}</dd>
            </div>
          )}
          {head === '' ? null : (
            <div>
              <dt>{t('case.head')}</dt>
              <dd>{head}</dd>
            </div>
          )}
        </dl>
      </div>
      <p class="since">{t('urgent.since', { time: span(now.value - at(one.opened_at)) })}</p>
      <Limit one={one} />
      <div class="steps">
        <button type="button" class="main huge" disabled={busy.value.has(one.incident)} onClick={() => accept(one)} data-accept>
          {busy.value.has(one.incident) ? t('act.sending') : t('urgent.accept')} <kbd>A</kbd>
        </button>
        {others > 0 ? (
          <button type="button" onClick={() => (turn.value += 1)}>
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
