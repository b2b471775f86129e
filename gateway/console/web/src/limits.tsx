// All limits of a case with their lights, and who was told that one has passed; whoever has it sees what it stands at.

import { FactList, type FactRow } from './facts';
import { isOver } from './state';
import { at, day, now, span } from './time';
import type { Case } from './types';
import { t, word } from './words';

interface Escalation { level?: string; urge?: string; name?: string; phone?: string; for_step?: string }

function left(by: string, over: boolean): string {
  const ms = at(by) - now.value;
  if (over) return '';
  return ms >= 0 ? ` · ${t('limits.left', { time: span(ms) })}` : ` · ${t('limits.over', { time: span(-ms) })}`;
}

export function Limits({ one }: { one: Case }) {
  const { deadline } = one;
  if (deadline === undefined) return null;
  const over = isOver(one);
  const taken = one.accepted_at !== undefined;
  const look = (by: string, done: boolean): string => (done ? '' : at(by) < now.value ? 'bad' : '');
  const told = (one.detail?.['escalation'] ?? {}) as Escalation;
  const rows: FactRow[] = [
    [t('limit.accept_by'), `${day(deadline.accept_by, one.opened_at)}${taken ? ` · ${t('limits.taken', { time: day(one.accepted_at ?? '', one.opened_at) })}` : left(deadline.accept_by, over)}`, look(deadline.accept_by, taken || over)],
    ...(deadline.step === undefined || over || deadline.step.for === 'accept' || deadline.step.for === 'finish' ? [] : [[t('limits.step', { step: word('limit', deadline.step.for) }), `${day(deadline.step.by, one.opened_at)}${left(deadline.step.by, false)}`, look(deadline.step.by, false)] as FactRow]),
    [t('limit.finish_by'), `${day(deadline.finish_by, one.opened_at)}${left(deadline.finish_by, over)}`, look(deadline.finish_by, over)],
    [t('limits.suspended'), one.suspended_until === undefined ? undefined : t('limit.suspended', { time: day(one.suspended_until, one.opened_at) }), 'warn'],
    [t('limits.told'), told.level === undefined ? undefined : [told.urge, word('level', told.level), told.name ?? t('limits.nobody'), told.phone].filter(Boolean).join(' '), 'bad'],
  ];
  return (
    <section class="limits">
      <h3>{t('limits.title')}</h3>
      <FactList rows={rows} />
    </section>
  );
}
