// What is around each screen: the bar at the top, what is wrong with the connection, and the line that proves it lives.

import { call, Refused } from './api';
import { leave } from './feed';
import { forget, notices, say } from './notices';
import { ownShown } from './own';
import { account, may } from './rights';
import { route } from './route';
import { armed, listenOnce } from './sound';
import { askWho, isOldPage, lastWord, lastWordAt, link, me, overview, condition } from './state';
import { clockOff, clockS, now } from './time';
import { keep, kept, language, speak, t, word } from './words';
import { helpShown } from './keys';

const THEME = 'gridpost.theme';

export function theme(): 'dark' | 'light' {
  const own = kept(THEME);
  if (own === 'dark' || own === 'light') return own;
  return matchMedia('(prefers-color-scheme: light)').matches ? 'light' : 'dark';
}

export function paint(to: 'dark' | 'light'): void {
  document.documentElement.dataset['theme'] = to;
}

function turn(): void {
  const to = theme() === 'dark' ? 'light' : 'dark';
  keep(THEME, to);
  paint(to);
}

export function Top() {
  const { tab } = route.value;
  const here = (name: string) => (tab === name ? 'page' : undefined);
  return (
    <header class="top">
      <a class="name" href="#/">
        <strong>{t('app.name')}</strong> <span>{overview.value?.words.name ?? ''}</span>
      </a>
      <nav aria-label={t('nav.main')}>
        <a href="#/" aria-current={here('now')}>
          {t('nav.now')}
        </a>
        <a href="#/map" aria-current={here('map')}>
          {t('nav.map')}
        </a>
        {may('cameras') ? (
          <a href="#/cameras" aria-current={here('cameras')}>
            {t('nav.cameras')}
          </a>
        ) : null}
        <a href="#/devices" aria-current={here('devices')}>
          {t('nav.devices')}
        </a>
        <a href="#/system" aria-current={here('system')}>
          {t('nav.system')}
          {(condition.value?.reasons.length ?? 0) > 0 ? <span class="badge">{condition.value?.reasons.length}</span> : null}
        </a>
        {may('figures') ? (
          <a href="#/figures" aria-current={here('figures')}>
            {t('nav.figures')}
          </a>
        ) : null}
        {may('accounts') ? (
          <a href="#/accounts" aria-current={here('accounts')}>
            {t('nav.accounts')}
          </a>
        ) : null}
      </nav>
      <div class="tools">
        <button type="button" class="plain wide" onClick={() => (helpShown.value = true)} aria-label={t('top.keys')}>
          ?
        </button>
        <button type="button" class="plain" onClick={turn} aria-label={`${t('top.dark')} / ${t('top.light')}`} data-theme-switch>
          ◐
        </button>
        <button type="button" class="plain" onClick={() => speak(language.value === 'zh' ? 'en' : 'zh')} data-language>
          {t('top.language')}
        </button>
        <button type="button" class="plain me" onClick={() => (account.value === null ? (askWho.value = true) : (ownShown.value = true))} title={t('top.me')} data-me>
          {me.value === '' ? t('top.me') : me.value}
          {account.value === null ? null : <small> {account.value.roles.map((role) => word('account_role', role)).join('、')}</small>}
        </button>
        <button type="button" class="plain" onClick={() => void logOut()} data-logout>
          {t('top.logout')}
        </button>
      </div>
    </header>
  );
}

/** Out is who is out for the gateway too: else whoever sits down next would be in. */
async function logOut(): Promise<void> {
  try {
    await call('DELETE', '/api/v1/session');
  } catch (error) {
    if (!(error instanceof Refused) || error.status !== 401) return say(t('top.logout_failed'), 'bad');
  }
  leave();
}

/** Says, over an emergency, that nobody hears it. */
export function Mute() {
  if (armed.value) return null;
  return (
    <button type="button" class="mute" onClick={() => void listenOnce()} data-mute>
      ✕ {t('foot.sound_off')}
    </button>
  );
}

/** Says since when the page is old. */
export function Broken() {
  if (link.value !== 'lost') return null;
  return (
    <div class="broken" role="alert" data-broken>
      <strong>{t('live.lost', { time: lastWordAt.value === '' ? '—' : clockS(lastWordAt.value) })}</strong> {t('live.lost_hint')}
    </div>
  );
}

export function Notices() {
  return (
    <div class="notices" role="status" aria-live="polite">
      {notices.value.map((one) => (
        <button key={one.id} type="button" class={`notice ${one.tone}`} onClick={() => forget(one.id)}>
          {one.text}
        </button>
      ))}
    </div>
  );
}

export function size(bytes: number): string {
  const gb = bytes / 1e9;
  return gb >= 1 ? `${gb.toFixed(gb < 10 ? 1 : 0)} GB` : `${Math.round(bytes / 1e6)} MB`;
}

export function Foot() {
  const facts = condition.value;
  const live = link.value === 'live';
  const ageS = Math.max(0, Math.floor((now.value - clockOff.value - lastWord.value) / 1000));
  return (
    <footer class="foot" aria-label={t('foot.label')}>
      <span class={live ? 'good' : 'bad'} data-link={link.value}>
        {live ? '● ' : '○ '}
        {t(live ? 'live.live' : link.value === 'lost' ? 'live.lost' : 'live.connecting', { time: lastWordAt.value === '' ? '—' : clockS(lastWordAt.value) })}
      </span>
      {live ? <span>{t('live.since', { n: ageS })}</span> : null}
      {facts === null ? null : <Sinks />}
      {facts === null ? null : <Disk />}
      <Clock />
      {isOldPage.value ? (
        <button type="button" class="lamp bad" onClick={() => location.reload()} data-old-page>
          {t('top.old_page')}
        </button>
      ) : null}
      {facts !== null && facts.reasons.length > 0 ? (
        <a class="bad" href="#/system">
          {t('foot.faults', { n: facts.reasons.length })}
        </a>
      ) : null}
      <button type="button" class={armed.value ? 'plain good' : 'lamp bad'} onClick={() => void listenOnce()} data-sound={armed.value ? 'on' : 'off'}>
        {armed.value ? '♪ ' : '✕ '}
        {t(armed.value ? 'foot.sound_on' : 'foot.sound_off')}
      </button>
      <span class="who">{me.value === '' ? t('foot.nobody') : t('foot.duty', { name: me.value })}</span>
    </footer>
  );
}

function Sinks() {
  const sinks = condition.value?.sinks ?? [];
  if (sinks.length === 0) return <span>{t('foot.sinks_none')}</span>;
  const down = sinks.filter((sink) => !sink.up);
  const pending = sinks.reduce((sum, sink) => sum + sink.pending, 0);
  if (down.length > 0) return <span class="bad">{t('foot.sinks_down', { ids: down.map((sink) => sink.id).join(', '), n: pending })}</span>;
  return pending > 0 ? <span>{t('foot.sinks_pending', { n: pending })}</span> : <span class="good">{t('foot.sinks_ok')}</span>;
}

function Disk() {
  const facts = condition.value;
  if (facts?.free_bytes == null) return <span class="bad">{t('foot.disk_unknown')}</span>;
  const low = facts.free_bytes < facts.min_free_bytes * 1.25;
  return <span class={low ? 'bad' : ''}>{t(low ? 'foot.disk_low' : 'foot.disk', { free: size(facts.free_bytes) })}</span>;
}

function Clock() {
  const off = Math.abs(clockOff.value) / 1000;
  return <span class={off > 30 ? 'bad' : ''}>{off > 2 ? t('foot.clock', { s: off.toFixed(0) }) : t('foot.clock_ok')}</span>;
}
