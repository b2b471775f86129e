// Sentences that come and go at the top of the page: what was done, and who accepted.

import { signal } from '@preact/signals';
import type { Case } from './types';
import { clock } from './time';
import { stepName, whoOf } from './life';
import { isCalling, isOver } from './state';
import { language, t } from './words';

export interface Notice { id: number; text: string; tone: 'good' | 'bad' | 'plain' }

export const notices = signal<readonly Notice[]>([]);

const SHOWN_MS = 8000;
let last = 0;

export function say(text: string, tone: Notice['tone'] = 'plain'): void {
  const id = ++last;
  notices.value = [...notices.value.slice(-3), { id, text, tone }];
  setTimeout(() => forget(id), SHOWN_MS);
}

export function forget(id: number): void {
  notices.value = notices.value.filter((one) => one.id !== id);
}

export const title = (one: Case): string => one.title[language.value];

/** An emergency that waited and waits no more: every screen says who has it. */
export function sayTaken(before: Case | undefined, after: Case | undefined): void {
  if (before === undefined || after === undefined || !isCalling(before) || isCalling(after)) return;
  const last = after.steps?.at(-1);
  if (before.stage !== 'opened' && last !== undefined) {
    return say(t('urgent.stepped', { title: title(before), by: whoOf(last), time: clock(last.at), step: stepName(last) }), 'good');
  }
  const accepted = !isOver(after) && after.accepted_by !== undefined;
  say(
    accepted
      ? t('urgent.taken', { title: title(before), by: after.accepted_by ?? '', time: clock(after.accepted_at ?? after.changed_at) })
      : t('urgent.over', { title: title(before) }),
    'good',
  );
}
