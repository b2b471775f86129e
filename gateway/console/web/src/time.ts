// Times as the site writes them: the gateway sends them with the site's offset, so the clock is read off the text.

import { signal } from '@preact/signals';
import { t } from './words';

/** Of this screen against the gateway's clock, milliseconds; what runs is counted by the gateway's. */
export const clockOff = signal(0);
/** The gateway's time now, a step a second. */
export const now = signal(Date.now());

export function tick(): void {
  now.value = Date.now() + clockOff.value;
}

export const at = (text: string): number => Date.parse(text);
/** `10:31` of the site. */
export const clock = (text: string): string => text.slice(11, 16);
/** `10:31:07` of the site. */
export const clockS = (text: string): string => text.slice(11, 19);
/** `11-30 10:31`, or the clock alone if it is of the same day as `than`. */
export function day(text: string, than?: string): string {
  return than !== undefined && than.slice(0, 10) === text.slice(0, 10) ? clock(text) : `${text.slice(5, 10)} ${clock(text)}`;
}

/** A length of time in words. */
export function span(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 60) return t('time.s', { n: s });
  if (s < 3600) return t('time.min', { n: Math.floor(s / 60) });
  if (s < 86_400) return t('time.h', { n: Math.floor(s / 3600), m: Math.floor((s % 3600) / 60) });
  return t('time.d', { n: Math.floor(s / 86_400), m: Math.floor((s % 86_400) / 3600) });
}

/** As a clock that runs down: `2:07`, beyond an hour in words. */
export function countdown(ms: number): string {
  const s = Math.max(0, Math.round(ms / 1000));
  return s < 3600 ? `${Math.floor(s / 60)}:${String(s % 60).padStart(2, '0')}` : span(ms);
}

export function ago(text: string): string {
  const ms = now.value - at(text);
  return ms < 5000 ? t('time.now') : t('time.ago', { time: span(ms) });
}

/** A moment as the site writes it, with the offset of `like`, a time that the gateway wrote. */
export function onSite(like: string | undefined, time: number): string {
  const [, sign, hours, minutes] = like?.match(/([+-])(\d\d):?(\d\d)$/) ?? [];
  const offset = (sign === '-' ? -1 : 1) * (Number(hours ?? 0) * 60 + Number(minutes ?? 0));
  return new Date(time + offset * 60_000).toISOString();
}
