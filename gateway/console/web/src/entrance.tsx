// Whether this browser has a session, and who sits at one that the token of the site opened.

import { useEffect, useState } from 'preact/hooks';
import { forgetLater, goOn, isAskedFirst } from './actions';
import { call, Refused } from './api';
import { enter, readWords } from './feed';
import { doors } from './login';
import { Dialog } from './parts';
import { account, type Session } from './rights';
import { askWho, entrance, expectCalls, iAm, me, overview } from './state';
import { t, word } from './words';

/** The list waits no longer for the name to be known. */
const NAME_WITHIN_MS = 2000;

/** Whether this browser has a session. */
export async function look(): Promise<void> {
  try {
    const session = await call<Session>('GET', '/api/v1/session');
    if (session.open) return inside(session);
    doors.value = session;
    entrance.value = 'outside';
  } catch (error) {
    // Without an answer nobody knows whether he must log in: the page goes on asking.
    if (error instanceof Refused && error.status < 500) entrance.value = 'outside';
    else setTimeout(() => void look(), 3000);
  }
}

export function inside(session: Session): void {
  account.value = session.account ?? null;
  entrance.value = 'inside';
  expectCalls(true);
  // Whoever is logged in by name is nobody else.
  if (session.account !== undefined) {
    iAm(session.account.name);
    return enter();
  }
  if (me.value === '') askWho.value = true;
  // Pictures are looked at as soon as the list is there: the name comes before.
  const named = me.value === '' ? Promise.resolve() : tellName(me.value);
  void named.then(enter);
}

/** For the record of who looked at evidence; the steps carry the name themselves. */
async function tellName(name: string): Promise<void> {
  try {
    await Promise.race([call('PUT', '/api/v1/session', { by: name }), new Promise((done) => setTimeout(done, NAME_WITHIN_MS))]);
  } catch {
    // The record then says that it was this page.
  }
}

export function Who() {
  const [typed, setTyped] = useState('');
  useEffect(() => {
    // A page is open for days, and shifts change: as it is known, until the answer is there. One that is just
    // being opened reads them anyway.
    if (askWho.value && overview.value !== null) readWords().catch(() => undefined);
  }, [askWho.value]);
  if (!askWho.value) return null;
  const people = overview.value?.words.people ?? [];
  const use = (name: string) => {
    if (name.trim() === '') return;
    iAm(name.trim());
    void tellName(name.trim());
    setTyped('');
    askWho.value = false;
    goOn();
  };
  const close = () => {
    forgetLater();
    askWho.value = false;
  };
  const group = (title: string, all: typeof people) =>
    all.length === 0 ? null : (
      <>
        <h3>{title}</h3>
        <div class="people">
          {all.map((one) => (
            <button key={one.name} type="button" onClick={() => use(one.name)} data-person={one.name}>
              {one.name} <small>{word('role', one.role)}</small>
            </button>
          ))}
        </div>
      </>
    );
  return (
    <Dialog title={t('me.title')} onClose={close} above={isAskedFirst()}>
      <p class="hint">{t('me.hint')}</p>
      {group(t('me.on_duty'), people.filter((one) => one.on_duty))}
      {group(t('me.others'), people.filter((one) => !one.on_duty))}
      <form
        onSubmit={(event) => {
          event.preventDefault();
          use(typed);
        }}
      >
        <label>
          {t('me.type')}
          <input value={typed} maxLength={40} onInput={(event) => setTyped(event.currentTarget.value)} data-name />
        </label>
        <button type="submit" disabled={typed.trim() === ''}>
          {t('me.use')}
        </button>
      </form>
    </Dialog>
  );
}
