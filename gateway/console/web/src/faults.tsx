// What is wrong with the gateway, in plain words, and what helps; what it said itself stands beneath for whoever mends it.

import type { Condition, Fault } from './types';
import { t, word } from './words';

/** A gateway of before has no codes: its sentences are shown as they are. */
function all(facts: Condition): Fault[] {
  const plain = (texts: string[], bad: boolean): Fault[] => texts.map((text) => ({ code: 'other', bad, text }));
  return facts.faults ?? [...plain(facts.reasons, true), ...plain(facts.notes, false)];
}

export function Faults({ facts }: { facts: Condition }) {
  const faults = all(facts);
  const bad = faults.filter((one) => one.bad);
  const notes = faults.filter((one) => !one.bad);
  return (
    <>
      {bad.length === 0 ? <p class="well">✓ {t('system.well')}</p> : <List title={t('system.faults')} faults={bad} />}
      {notes.length === 0 ? null : <List title={t('system.notes')} faults={notes} />}
    </>
  );
}

function List({ title, faults }: { title: string; faults: Fault[] }) {
  return (
    <section>
      <h2>{title}</h2>
      <ul class="faults">
        {faults.map((one) => (
          <li key={one.text} class={one.bad ? 'bad-one' : 'note'} data-fault={one.code}>
            <p class="what">
              <span aria-hidden="true">{one.bad ? '✗' : '!'}</span> {word('fault', one.code)}
              {one.of === undefined ? null : <strong> {one.of}</strong>}
            </p>
            <p class="fix">→ {word('fix', one.code)}</p>
            <details>
              <summary>{t('system.original')}</summary>
              <p lang="en">{one.text}</p>
            </details>
          </li>
        ))}
      </ul>
    </section>
  );
}
