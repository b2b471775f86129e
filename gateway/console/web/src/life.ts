// A step of a case in words, the same wherever it is told: in its life, on its time line, in the sentence of a notice.

import { day } from './time';
import type { Step } from './types';
import { t, word } from './words';

/** What was done. */
export function stepName(step: Step): string {
  // The head of the grid is urged; those above him see to it.
  const isUrged = step.step === 'escalated' && step.level === 'grid-head';
  return word('step', isUrged ? 'urged' : step.self_handled === true && step.step === 'handled' ? 'self-handled' : step.step);
}

/** What was done, and of what kind it was. */
export function whatOf(step: Step): string {
  const more = [
    step.reason === undefined ? undefined : word('reason', step.reason),
    step.department,
    step.level === undefined ? undefined : word('level', step.level),
    step.until === undefined ? undefined : `→ ${day(step.until, step.at)}`,
  ].filter(Boolean);
  return more.length === 0 ? stepName(step) : `${stepName(step)} (${more.join(' · ')})`;
}

export const whoOf = (step: Step): string => (step.by === 'gridpost' ? t('case.by_gateway') : step.by);
