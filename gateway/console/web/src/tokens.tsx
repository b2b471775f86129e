// API tokens of programs: made with scopes and an end, shown once, listed, taken away.

import { useState } from 'preact/hooks';
import { call } from './api';
import { say } from './notices';
import { at, now } from './time';
import { t, word } from './words';

export interface Token { name: string; scopes: string[]; expires_at?: string | null; created_at: string; speaks_for?: string[] }

const SCOPES = ['read', 'reply', 'posture', 'announce', 'reload', 'metrics'] as const;
/** How long one is good, days; 0: until it is taken away. */
const DAYS = [30, 90, 365, 0] as const;

interface Made { name: string; token: string }
type Act = (method: string, at: string, body?: unknown) => Promise<boolean>;

export function Tokens({ all, act, told, onMade }: { all: Token[]; act: Act; told: (error: unknown) => string; onMade: () => Promise<unknown> }) {
  const [made, setMade] = useState<Made | null>(null);
  return (
    <section class="tokens" data-tokens>
      <h2>{t('accounts.tokens')}</h2>
      <p class="hint">{t('accounts.tokens_hint')}</p>
      {made === null ? null : <Once made={made} onClose={() => setMade(null)} />}
      {all.length === 0 ? null : (
        <div class="scroll" tabIndex={0} role="group" aria-label={t('accounts.tokens')}>
          <table>
            <thead>
              <tr>
                <th scope="col">{t('token.name')}</th>
                <th scope="col">{t('token.scopes')}</th>
                <th scope="col">{t('token.until')}</th>
                <th scope="col">{t('accounts.do')}</th>
              </tr>
            </thead>
            <tbody>
              {all.map((one) => (
                <Row key={one.name} one={one} act={act} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      <Make told={told} onMade={(one) => (setMade(one), void onMade())} />
    </section>
  );
}

function Row({ one, act }: { one: Token; act: Act }) {
  const [sure, setSure] = useState(false);
  const isOver = one.expires_at != null && at(one.expires_at) <= now.value;
  const remove = () => (sure ? void act('DELETE', `/api/v1/tokens/${encodeURIComponent(one.name)}`) : setSure(true));
  return (
    <tr data-token-row={one.name}>
      <td>{one.name}</td>
      <td>
        {one.scopes.map((scope) => word('scope', scope)).join('、')}
        {(one.speaks_for ?? []).length === 0 ? null : <small data-speaks-for> {t('token.speaks_for', { names: one.speaks_for!.join('、') })}</small>}
      </td>
      <td class={isOver ? 'bad' : ''}>
        {one.expires_at == null ? t('token.for_ever') : one.expires_at.slice(0, 10)}
        {isOver ? ` (${t('token.over')})` : ''}
      </td>
      <td class="buttons">
        <button type="button" onClick={remove} onBlur={() => setSure(false)} data-revoke>
          {t(sure ? 'token.sure' : 'token.revoke')}
        </button>
      </td>
    </tr>
  );
}

/** The token itself, until somebody says that he has it. */
function Once({ made, onClose }: { made: Made; onClose: () => void }) {
  // Over plain http a page may not write into the clipboard.
  const copies = isSecureContext && navigator.clipboard !== undefined;
  return (
    <div class="once" role="alert" data-once>
      <p>
        <strong>{t('token.made', { name: made.name })}</strong> {t('token.once')}
      </p>
      <label>
        <span class="unseen">{t('token.itself')}</span>
        <input class="mono" readOnly value={made.token} onFocus={(event) => event.currentTarget.select()} data-token-text />
      </label>
      <div class="buttons">
        {copies ? (
          <button type="button" onClick={() => void navigator.clipboard.writeText(made.token).then(() => say(t('token.copied'), 'good'))}>
            {t('token.copy')}
          </button>
        ) : null}
        <button type="button" class="main" onClick={onClose} data-once-close>
          {t('token.have_it')}
        </button>
      </div>
    </div>
  );
}

/** As people write lists. */
const namesOf = (text: string): string[] => text.split(/[,;\n\u3001\uff0c\uff1b]/).map((name) => name.trim()).filter((name) => name !== '');

function Make({ told, onMade }: { told: (error: unknown) => string; onMade: (made: Made) => void }) {
  const [name, setName] = useState('');
  const [scopes, setScopes] = useState<readonly string[]>(['read']);
  const [days, setDays] = useState<number>(90);
  const [names, setNames] = useState('');
  const replies = scopes.includes('reply');
  const [wrong, setWrong] = useState('');
  const make = async (event: Event) => {
    event.preventDefault();
    try {
      const made = await call<Made>('POST', '/api/v1/tokens', { name: name.trim(), scopes, ...(days === 0 ? {} : { days }), ...(replies ? { speaks_for: namesOf(names) } : {}) });
      setName('');
      setNames('');
      setWrong('');
      onMade(made);
    } catch (error) {
      setWrong(told(error));
    }
  };
  return (
    <form class="add" onSubmit={(event) => void make(event)} data-make-token>
      <h3>{t('token.add')}</h3>
      <label>
        {t('token.name')}
        <input value={name} maxLength={40} autocomplete="off" onInput={(event) => setName(event.currentTarget.value)} data-token-name />
      </label>
      <fieldset class="roles">
        <legend>{t('token.scopes')}</legend>
        {SCOPES.map((scope) => (
          <label key={scope}>
            <input type="checkbox" checked={scopes.includes(scope)} onChange={(event) => setScopes(event.currentTarget.checked ? [...scopes, scope] : scopes.filter((other) => other !== scope))} data-scope={scope} />
            {word('scope', scope)}
          </label>
        ))}
      </fieldset>
      {replies ? (
        <label>
          {t('token.names')}
          <input value={names} maxLength={1000} autocomplete="off" onInput={(event) => setNames(event.currentTarget.value)} data-token-names />
          <small>{t('token.names_hint')}</small>
        </label>
      ) : null}
      <label>
        {t('token.until')}
        <select value={days} onChange={(event) => setDays(Number(event.currentTarget.value))} data-token-days>
          {DAYS.map((one) => (
            <option key={one} value={one}>
              {one === 0 ? t('token.for_ever') : t('token.days', { n: one })}
            </option>
          ))}
        </select>
      </label>
      {days === 0 ? <p class="warn">{t('token.no_end')}</p> : null}
      <p class="warn" role="alert">
        {wrong}
      </p>
      <button type="submit" class="main" disabled={name.trim() === '' || scopes.length === 0} data-token-go>
        {t('token.go')}
      </button>
    </form>
  );
}
