// The log-in: by name and password, by the one-time code of the first account, or by the token of the site.

import { signal } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';
import { call, Refused } from './api';
import type { Session } from './rights';
import { arm } from './sound';
import { isDeaf } from './state';
import { language, speak, t, type Key } from './words';

type Way = 'name' | 'first' | 'token';

/** What the gateway said of accounts before anybody was in. */
export const doors = signal<Pick<Session, 'first' | 'accounts'>>({});

const PASSWORD_MIN = 10;

interface Field { key: string; label: Key; type: 'text' | 'password'; complete: 'username' | 'current-password' | 'new-password' | 'off' | 'one-time-code' }

const FIELDS: Record<Way, Field[]> = {
  name: [
    { key: 'name', label: 'login.name', type: 'text', complete: 'username' },
    { key: 'password', label: 'login.password', type: 'password', complete: 'current-password' },
  ],
  first: [
    { key: 'code', label: 'login.code', type: 'text', complete: 'one-time-code' },
    { key: 'name', label: 'login.name', type: 'text', complete: 'username' },
    { key: 'password', label: 'login.new_password', type: 'password', complete: 'new-password' },
    { key: 'again', label: 'login.again_password', type: 'password', complete: 'new-password' },
  ],
  token: [{ key: 'token', label: 'login.token', type: 'password', complete: 'current-password' }],
};

const HINTS: Record<Way, Key> = { name: 'login.hint_name', first: 'login.hint_first', token: 'login.hint' };

/** What is wrong before it is sent. */
function problem(way: Way, typed: Record<string, string>): Key | null {
  if (FIELDS[way].some((field) => (typed[field.key] ?? '').trim() === '')) return way === 'token' ? 'login.empty' : 'login.empty_fields';
  if (way !== 'first') return null;
  if ([...(typed['password'] ?? '')].length < PASSWORD_MIN) return 'login.short';
  return typed['password'] === typed['again'] ? null : 'login.differ';
}

function send(way: Way, typed: Record<string, string>): Promise<Session> {
  const { token = '', name = '', password = '', code = '' } = typed;
  if (way === 'token') return call('POST', '/api/v1/session', { token: token.trim() });
  if (way === 'name') return call('POST', '/api/v1/session', { name: name.trim(), password });
  return call('POST', '/api/v1/first-account', { code, name: name.trim(), password });
}

function reason(way: Way, error: unknown): string {
  if (!(error instanceof Refused)) return t('login.unreachable');
  if (error.status === 429) return t('login.wait', { s: String(error.body['wait_s'] ?? '') });
  if (error.status === 401) return t(way === 'token' ? 'login.wrong' : way === 'name' ? 'login.wrong_name' : 'login.wrong_code');
  return error.message;
}

export function LogIn({ onIn }: { onIn: (session: Session) => void }) {
  const { first = false, accounts = false } = doors.value;
  const [chosen, setChosen] = useState<Way | null>(null);
  const way: Way = chosen ?? (first ? 'first' : accounts ? 'name' : 'token');
  const [typed, setTyped] = useState<Record<string, string>>({});
  const [wrong, setWrong] = useState('');
  const [busy, setBusy] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => form.current?.querySelector('input')?.focus(), [way]);
  const go = async (event: Event) => {
    event.preventDefault();
    // A browser lets it sound because of this click, and only so.
    void arm();
    const why = problem(way, typed);
    if (why !== null) return setWrong(t(why));
    setBusy(true);
    try {
      const session = await send(way, typed);
      setTyped({});
      onIn(session);
    } catch (error) {
      setWrong(reason(way, error));
    } finally {
      setBusy(false);
    }
  };
  const others = (['first', 'name', 'token'] as const).filter((other) => other !== way && (other === 'token' || (other === 'first' ? first : accounts)));
  const names: Record<Way, Key> = { first: 'login.by_code', name: 'login.by_name', token: 'login.by_token' };
  return (
    <main class="login" id="main">
      <form ref={form} onSubmit={(event) => void go(event)}>
        <h1>{t('app.name')}</h1>
        {isDeaf.value ? (
          <p class="warn" role="alert">
            {t('login.again')}
          </p>
        ) : null}
        {FIELDS[way].map((field) => {
          const more = {
            autocomplete: field.complete,
            value: typed[field.key] ?? '',
            onInput: (event: InputEvent) => (setTyped({ ...typed, [field.key]: (event.currentTarget as HTMLInputElement).value }), setWrong('')),
            'aria-describedby': 'hint',
            [`data-${field.key}`]: '',
          };
          return (
            <label key={field.key}>
              {t(field.label)}
              {field.type === 'password' ? <input type="password" {...more} /> : <input type="text" {...more} />}
            </label>
          );
        })}
        <p id="hint" class="hint">
          {t(HINTS[way])}
        </p>
        <p class="warn" role="alert">
          {wrong}
        </p>
        <button type="submit" class="main huge" disabled={busy} data-login>
          {t(way === 'first' ? 'login.create' : 'login.go')}
        </button>
        {others.map((other) => (
          <button key={other} type="button" class="plain" onClick={() => (setChosen(other), setWrong(''))} data-way={other}>
            {t(names[other])}
          </button>
        ))}
        <button type="button" class="plain" onClick={() => speak(language.value === 'zh' ? 'en' : 'zh')} data-language>
          {t('top.language')}
        </button>
        {accounts ? (
          <a class="hint" href="#/wall" data-wall>
            {t('login.wall')}
          </a>
        ) : null}
      </form>
    </main>
  );
}
