// The accounts of this site, for whoever may change them: list, add, roles, disable, remove; and screens on walls.

import { useEffect, useState } from 'preact/hooks';
import { call, Refused } from './api';
import { say } from './notices';
import { account, may, PERSON_ROLES, type AccountRole } from './rights';
import { Tokens, type Token } from './tokens';
import { t, word } from './words';

interface Listed { name: string; roles: AccountRole[]; grids: string[]; disabled: boolean; created_at: string }
interface All { accounts: Listed[]; tokens: Token[] }

const path = (name: string): string => `/api/v1/accounts/${encodeURIComponent(name)}`;
const codes = (text: string): string[] => text.split(/[\s,;]+/).filter((code) => code !== '');

export function Accounts() {
  const [all, setAll] = useState<All | null>(null);
  const read = () => call<All>('GET', '/api/v1/accounts').then(setAll, (error: unknown) => say(told(error), 'bad'));
  useEffect(() => void read(), []);
  /** Does it, says why not, and shows the list as it is then; whether it was done. */
  const act = async (method: string, at: string, body?: unknown): Promise<boolean> => {
    try {
      await call(method, at, body);
      say(t('accounts.done'), 'good');
      await read();
      return true;
    } catch (error) {
      say(told(error), 'bad');
      return false;
    }
  };
  if (all === null) return <main class="sheet" id="main" />;
  return (
    <main class="sheet" id="main">
      <h1>{t('accounts.title')}</h1>
      <div class="scroll" tabIndex={0} role="group" aria-label={t('accounts.title')}>
        <table>
          <thead>
            <tr>
              <th scope="col">{t('login.name')}</th>
              <th scope="col">{t('accounts.roles')}</th>
              <th scope="col">{t('accounts.grids')}</th>
              <th scope="col">{t('accounts.state')}</th>
              <th scope="col">{t('accounts.do')}</th>
            </tr>
          </thead>
          <tbody>
            {all.accounts.map((one) => (
              <Row key={`${one.name}/${one.roles.join()}/${one.grids.join()}`} one={one} act={act} />
            ))}
          </tbody>
        </table>
      </div>
      <Add act={act} />
      {may('walls') ? <Confirm act={act} /> : null}
      <Tokens all={all.tokens} act={act} told={told} onMade={read} />
    </main>
  );
}

function told(error: unknown): string {
  if (!(error instanceof Refused)) return t('act.unreachable');
  if (error.status === 422 && error.message.startsWith('password: expected at least')) return t('login.short');
  if (error.status === 422 && error.message.startsWith('it is the last')) return t('accounts.last');
  return t('act.failed', { why: error.message });
}

type Act = (method: string, at: string, body?: unknown) => Promise<boolean>;

function Roles({ chosen, onChange }: { chosen: AccountRole[]; onChange: (roles: AccountRole[]) => void }) {
  return (
    <span class="roles">
      {PERSON_ROLES.map((role) => (
        <label key={role}>
          <input type="checkbox" checked={chosen.includes(role)} onChange={(event) => onChange(event.currentTarget.checked ? [...chosen, role] : chosen.filter((other) => other !== role))} data-role={role} />
          {word('account_role', role)}
        </label>
      ))}
    </span>
  );
}

function Row({ one, act }: { one: Listed; act: Act }) {
  const [roles, setRoles] = useState(one.roles);
  const [grids, setGrids] = useState(one.grids.join(' '));
  const [sure, setSure] = useState(false);
  const isWall = one.roles.includes('wall');
  const differs = roles.length !== one.roles.length || roles.some((role) => !one.roles.includes(role)) || codes(grids).join() !== one.grids.join();
  const remove = () => (sure ? void act('DELETE', path(one.name)) : setSure(true));
  return (
    <tr data-account={one.name}>
      <td>
        {one.name}
        {one.name === account.value?.name ? ` (${t('accounts.me')})` : ''}
      </td>
      <td>{isWall ? word('account_role', 'wall') : <Roles chosen={roles} onChange={setRoles} />}</td>
      <td>{roles.includes('worker') ? <input value={grids} onInput={(event) => setGrids(event.currentTarget.value)} aria-label={t('accounts.grids')} data-grids /> : '—'}</td>
      <td>{t(one.disabled ? 'accounts.disabled' : 'accounts.enabled')}</td>
      <td class="buttons">
        {differs ? (
          <button type="button" class="main" onClick={() => void act('PATCH', path(one.name), { roles, grids: roles.includes('worker') ? codes(grids) : [] })} data-save>
            {t('accounts.save')}
          </button>
        ) : null}
        <button type="button" onClick={() => void act('PATCH', path(one.name), { disabled: !one.disabled })} data-disable>
          {t(one.disabled ? 'accounts.enable' : 'accounts.disable')}
        </button>
        <button type="button" onClick={remove} onBlur={() => setSure(false)} data-remove>
          {t(sure ? 'accounts.sure' : 'accounts.remove')}
        </button>
      </td>
    </tr>
  );
}

function Add({ act }: { act: Act }) {
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const [grids, setGrids] = useState('');
  const [roles, setRoles] = useState<AccountRole[]>(['officer']);
  const add = async (event: Event) => {
    event.preventDefault();
    const done = await act('POST', '/api/v1/accounts', { name: name.trim(), password, roles, grids: roles.includes('worker') ? codes(grids) : [] });
    if (!done) return;
    setName('');
    setPassword('');
    setGrids('');
  };
  return (
    <form class="add" onSubmit={(event) => void add(event)} data-add>
      <h2>{t('accounts.add')}</h2>
      <label>
        {t('login.name')}
        <input value={name} maxLength={40} autocomplete="off" onInput={(event) => setName(event.currentTarget.value)} data-new-name />
      </label>
      <label>
        {t('login.new_password')}
        <input type="password" autocomplete="new-password" value={password} onInput={(event) => setPassword(event.currentTarget.value)} data-new-password />
      </label>
      <Roles chosen={roles} onChange={setRoles} />
      {roles.includes('worker') ? (
        <label>
          {t('accounts.grids_hint')}
          <input value={grids} onInput={(event) => setGrids(event.currentTarget.value)} data-new-grids />
        </label>
      ) : null}
      <button type="submit" class="main" disabled={name.trim() === '' || password === '' || roles.length === 0} data-new-go>
        {t('accounts.add_go')}
      </button>
    </form>
  );
}

function Confirm({ act }: { act: Act }) {
  const [code, setCode] = useState('');
  const [name, setName] = useState('');
  const confirm = async (event: Event) => {
    event.preventDefault();
    if (!(await act('POST', '/api/v1/walls/confirm', { code, name: name.trim() }))) return;
    setCode('');
    setName('');
  };
  return (
    <form class="add" onSubmit={(event) => void confirm(event)} data-confirm-wall>
      <h2>{t('wall.confirm')}</h2>
      <p class="hint">{t('wall.confirm_hint')}</p>
      <label>
        {t('wall.code')}
        <input value={code} autocomplete="off" onInput={(event) => setCode(event.currentTarget.value)} data-wall-typed />
      </label>
      <label>
        {t('wall.name')}
        <input value={name} maxLength={40} onInput={(event) => setName(event.currentTarget.value)} data-wall-name />
      </label>
      <button type="submit" class="main" disabled={code.trim() === '' || name.trim() === ''} data-wall-go>
        {t('wall.go')}
      </button>
    </form>
  );
}
