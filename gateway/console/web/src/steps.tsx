// The buttons under a case: accept in one tap; dispatch and dismiss ask for one thing more.

import { signal } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';
import { busy, REASONS, steps, take, type To } from './actions';
import { settled } from './order';
import { Dialog } from './parts';
import { overview } from './state';
import type { Case } from './types';
import { hasJustGone } from './urgent';
import { t, word, type Key } from './words';

const LABELS: Record<To, Key> = {
  accepted: 'act.accept',
  dispatched: 'act.dispatch',
  handled: 'act.handle',
  verified: 'act.verify',
  closed: 'act.close',
  dismissed: 'act.dismiss',
  reopened: 'act.reopen',
};
const KEYS: Partial<Record<To, string>> = { accepted: 'A', dispatched: 'D', dismissed: 'X' };

/** The case whose dispatch or dismissal is being filled in. */
export const asking = signal<{ one: Case; to: 'dispatched' | 'dismissed' } | null>(null);

/** One step, or the question that comes before it. */
export function begin(one: Case, to: To): void {
  if (to === 'dispatched' || to === 'dismissed') asking.value = { one, to };
  else void take(one, to);
}

export function Steps({ one, small = false }: { one: Case; small?: boolean }) {
  const under = busy.value.has(one.incident);
  const all = small ? steps(one).slice(0, 1).filter((to) => to === 'accepted') : steps(one);
  return (
    <div class="steps">
      {all.map((to, n) => (
        <button
          key={to}
          type="button"
          class={n === 0 ? 'main' : ''}
          disabled={under}
          data-step={to}
          onClick={(event) => {
            event.stopPropagation();
            if (!hasJustGone() && (!small || settled())) begin(one, to);
          }}
        >
          {under && n === 0 ? t('act.sending') : t(LABELS[to])}
          {small || KEYS[to] === undefined ? null : <kbd>{KEYS[to]}</kbd>}
        </button>
      ))}
    </div>
  );
}

export function Asking() {
  const asked = asking.value;
  if (asked === null) return null;
  return asked.to === 'dispatched' ? <Dispatch one={asked.one} key={asked.one.incident} /> : <Dismiss one={asked.one} key={asked.one.incident} />;
}

const done = () => (asking.value = null);

function Dispatch({ one }: { one: Case }) {
  const [department, setDepartment] = useState(one.department ?? one.route?.department ?? '');
  const [note, setNote] = useState('');
  const send = useRef<HTMLButtonElement>(null);
  useEffect(() => send.current?.focus(), []);
  return (
    <Dialog title={t('act.dispatch')} onClose={done}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          const to = department.trim();
          const said = note.trim();
          void take(one, 'dispatched', { ...(to === '' ? {} : { department: to }), ...(said === '' ? {} : { note: said }) });
          done();
        }}
      >
        <label>
          {t('act.department')}
          <input list="departments" value={department} onInput={(event) => setDepartment(event.currentTarget.value)} />
        </label>
        <datalist id="departments">
          {(overview.value?.words.departments ?? []).map((name) => (
            <option key={name} value={name} />
          ))}
        </datalist>
        <label>
          {t('act.note')}
          <input value={note} maxLength={500} onInput={(event) => setNote(event.currentTarget.value)} />
        </label>
        <div class="steps">
          <button type="submit" class="main" ref={send}>
            {t('act.dispatch')}
          </button>
          <button type="button" onClick={done}>
            {t('act.cancel')}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

/** By its number too. */
export function dismissBy(n: number): void {
  const asked = asking.value;
  const reason = REASONS[n];
  if (asked === null || asked.to !== 'dismissed' || reason === undefined) return;
  if (reason === 'other') return document.querySelector<HTMLInputElement>('[data-other]')?.focus();
  void take(asked.one, 'dismissed', { reason });
  done();
}

function Dismiss({ one }: { one: Case }) {
  const [note, setNote] = useState('');
  const first = useRef<HTMLButtonElement>(null);
  useEffect(() => first.current?.focus(), []);
  const other = (event: Event) => {
    event.preventDefault();
    if (note.trim() === '') return;
    void take(one, 'dismissed', { reason: 'other', note: note.trim() });
    done();
  };
  return (
    <Dialog title={t('act.pick_reason')} onClose={done}>
      <ol class="reasons">
        {REASONS.filter((reason) => reason !== 'other').map((reason, n) => (
          <li key={reason}>
            <button type="button" ref={n === 0 ? first : null} onClick={() => dismissBy(n)} data-reason={reason}>
              <kbd>{n + 1}</kbd>
              {word('reason', reason)}
            </button>
          </li>
        ))}
      </ol>
      <form class="other" onSubmit={other}>
        <label>
          <kbd>7</kbd> {word('reason', 'other')}
          <input data-other value={note} maxLength={500} placeholder={t('act.note_needed')} onInput={(event) => setNote(event.currentTarget.value)} />
        </label>
        <button type="submit" disabled={note.trim() === ''}>
          {t('act.send')}
        </button>
      </form>
    </Dialog>
  );
}
