// Who I am here: my account, its roles, and another password.

import { signal } from '@preact/signals';
import { useState } from 'preact/hooks';
import { call, Refused } from './api';
import { inside } from './entrance';
import { say } from './notices';
import { Dialog } from './parts';
import { account, type Session } from './rights';
import { entrance } from './state';
import { t, word } from './words';

export const ownShown = signal(false);

export function Own() {
  const [typed, setTyped] = useState({ old: '', new: '', again: '' });
  const [wrong, setWrong] = useState('');
  const [busy, setBusy] = useState(false);
  const own = account.value;
  if (!ownShown.value || own === null) return null;
  const close = () => {
    ownShown.value = false;
    setTyped({ old: '', new: '', again: '' });
    setWrong('');
  };
  const change = async (event: Event) => {
    event.preventDefault();
    if (typed.new !== typed.again) return setWrong(t('login.differ'));
    setBusy(true);
    try {
      const session = await call<Session>('POST', '/api/v1/password', { old: typed.old, new: typed.new });
      account.value = session.account ?? own;
      close();
      // The feed of the old session may have ended before this answer came.
      if (entrance.value !== 'inside') inside(session);
      say(t('own.changed'), 'good');
    } catch (error) {
      if (!(error instanceof Refused)) setWrong(t('login.unreachable'));
      else if (error.status === 403) setWrong(t('own.wrong_old'));
      else if (error.status === 429) setWrong(t('login.wait', { s: String(error.body['wait_s'] ?? '') }));
      else setWrong(error.status === 422 ? t('login.short') : error.message);
    } finally {
      setBusy(false);
    }
  };
  const field = (key: 'old' | 'new' | 'again', label: string, complete: 'current-password' | 'new-password') => (
    <label>
      {label}
      <input type="password" autocomplete={complete} value={typed[key]} onInput={(event) => (setTyped({ ...typed, [key]: event.currentTarget.value }), setWrong(''))} data-own={key} />
    </label>
  );
  return (
    <Dialog title={t('own.title', { name: own.name })} onClose={close}>
      <p data-own-roles>
        {own.roles.map((role) => word('account_role', role)).join('、')}
        {own.grids.length > 0 ? ` · ${t('accounts.grids')}: ${own.grids.join('、')}` : ''}
      </p>
      {own.roles.includes('wall') ? null : (
        <form onSubmit={(event) => void change(event)}>
          <h3>{t('own.password')}</h3>
          {field('old', t('own.old'), 'current-password')}
          {field('new', t('login.new_password'), 'new-password')}
          {field('again', t('login.again_password'), 'new-password')}
          <p class="warn" role="alert">
            {wrong}
          </p>
          <button type="submit" class="main" disabled={busy || typed.old === '' || typed.new === ''} data-own-change>
            {t('own.change')}
          </button>
        </form>
      )}
    </Dialog>
  );
}
