// Small pieces that several screens show.

import { useState } from 'preact/hooks';
import type { ComponentChildren } from 'preact';
import { evidenceUrl } from './api';
import { light } from './order';
import { may } from './rights';
import { isPressedAgain, presses } from './state';
import { at, clock, countdown, now, span } from './time';
import type { Case, Evidence } from './types';
import { t, word } from './words';

/** Colour, shape and word: none of them alone. */
export function Severity({ one }: { one: Case }) {
  return (
    <span class={`severity s${one.severity}`}>
      <span aria-hidden="true">{one.severity === 1 ? '◆' : one.severity === 2 ? '▲' : '●'}</span>
      {word('severity', String(one.severity))}
    </span>
  );
}

export const picture = (one: Case): Evidence | undefined => one.evidence.find((piece) => piece.media_type === 'image/jpeg' && piece.original_of === undefined);
export const clip = (one: Case): Evidence | undefined => !may('evidence') ? undefined : one.evidence.find((piece) => piece.media_type === 'video/mp4');

/** A picture of the gateway; where it does not open, the reason stands in its place. */
export function Picture({ piece, small = false, alt }: { piece: Evidence; small?: boolean; alt: string }) {
  const [broken, setBroken] = useState<string | null>(null);
  if (!may('evidence')) return <div class="picture none">{small ? '—' : t('case.picture_hidden')}</div>;
  if (broken === piece.id) return <div class="picture none">{small ? '—' : t('case.picture_failed')}</div>;
  return (
    <img
      class="picture"
      src={evidenceUrl(piece.id)}
      alt={alt}
      loading={small ? 'lazy' : 'eager'}
      decoding="async"
      onError={() => setBroken(piece.id)}
    />
  );
}

/** The limit that runs, as a bar and in words; 80 % is yellow, beyond is red. */
export function Limit({ one }: { one: Case }) {
  const step = one.deadline?.step;
  if (one.suspended_until !== undefined) {
    return <span class="limit stands">{t('limit.suspended', { time: `${one.suspended_until.slice(5, 10)} ${clock(one.suspended_until)}` })}</span>;
  }
  if (step === undefined) return null;
  const by = at(step.by);
  const from = Math.max(at(one.opened_at), ...(one.steps ?? []).map((taken) => at(taken.at)).filter((time) => time < by));
  const share = Math.min(1, Math.max(0, (now.value - from) / Math.max(1, by - from)));
  const left = by - now.value;
  const colour = light(one);
  const name = word('limit', step.for);
  return (
    <span class={`limit ${colour}`}>
      <progress class="bar" max={100} value={Math.round(share * 100)} aria-label={name} />
      <span class="left">
        {colour === 'red' ? '⚠ ' : ''}
        {left >= 0 ? t('limit.left', { step: name, time: countdown(left) }) : t('limit.over', { step: name, time: span(-left) })}
      </span>
    </span>
  );
}

export function Stage({ one }: { one: Case }) {
  return (
    <span class={`stage ${one.stage}`}>
      {word('stage', one.stage)}
      {one.stage === 'accepted' && one.accepted_by !== undefined ? ` · ${one.accepted_by}` : ''}
    </span>
  );
}

/** How often it was pressed, from the second time on. */
export function Presses({ one }: { one: Case }) {
  const n = presses(one);
  return n < 2 ? null : <span class={isPressedAgain(one) ? 'presses again' : 'presses'}>{t('case.presses', { n })}</span>;
}

/** Where it is, in one line. */
export function placeOf(one: Case): string {
  const parts = [one.place?.text, one.grid?.name].filter((part): part is string => part !== undefined);
  return parts.length > 0 ? parts.join(' · ') : one.sources.map((source) => source.name || source.id).join('、');
}

/** A window over the page; Escape and its own button close it. `above`: over an emergency too, which is else on top. */
export function Dialog({ title, onClose, children, above = false }: { title: string; onClose: () => void; children: ComponentChildren; above?: boolean }) {
  return (
    <div class={above ? 'veil above' : 'veil'} onClick={(event) => event.target === event.currentTarget && onClose()}>
      <div class="dialog" role="dialog" aria-modal="true" aria-label={title} data-dialog={above ? 'above' : ''}>
        <header>
          <h2>{title}</h2>
          <button type="button" class="plain" onClick={onClose} aria-label={t('act.cancel')}>
            ✕
          </button>
        </header>
        {children}
      </div>
    </div>
  );
}

export const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);
