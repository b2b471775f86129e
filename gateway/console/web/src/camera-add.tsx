// A camera is added here: found on the network or typed, written beside the hand-written file, and taken back by a tap.

import { useState } from 'preact/hooks';
import { call, Refused } from './api';
import { cameras, cameraHash, readCameras, type Cameras } from './cameras-data';
import { say } from './notices';
import { go } from './route';
import { askWho, me } from './state';
import { day } from './time';
import { t, type Key } from './words';

interface Found { onvif: string; name?: string; hardware?: string; trouble?: string; sources: { source?: string }[] }

/** What is filled in of one that was found; nothing: it is typed. */
interface Wish { onvif: string; source: string; name: string }
const TYPED: Wish = { onvif: '', source: '', name: '' };

const hostOf = (url: string): string => url.replace(/^.*:\/\//, '').replace(/[/?#].*$/, '');

/** `camera-192-0-2-11`, and a number where there is one already. */
function freshId(url: string): string {
  const taken = new Set((cameras.value?.cameras ?? []).map((one) => one.id));
  const plain = `camera-${hostOf(url).replace(/:\d+$/, '').replace(/[^A-Za-z0-9]+/g, '-').replace(/^-|-$/g, '')}`.slice(0, 50).replace(/-$/, '');
  for (let n = 1; ; n += 1) {
    const id = n === 1 ? plain : `${plain}-${n}`;
    if (!taken.has(id)) return id;
  }
}

/** The search, and a form for the one that was chosen. */
export function AddCamera() {
  const [found, setFound] = useState<Found[] | null>(null);
  const [isLooking, setLooking] = useState(false);
  const [wrong, setWrong] = useState('');
  const [wish, setWish] = useState<Wish | null>(null);
  const look = () => {
    setLooking(true);
    setWrong('');
    call<{ found: Found[] }>('POST', '/api/v1/cameras/find', {})
      .then(
        (told) => setFound(told.found),
        (error: Error) => setWrong(t('find.failed', { why: error.message })),
      )
      .finally(() => setLooking(false));
  };
  return (
    <div data-add-camera>
      <div class="buttons">
        <button type="button" class="main" disabled={isLooking} onClick={look} data-find>
          {t(isLooking ? 'find.looking' : 'find.go')}
        </button>
        <button type="button" onClick={() => setWish(TYPED)} data-type>
          {t('find.type')}
        </button>
      </div>
      {wrong === '' ? null : <p class="warn">{wrong}</p>}
      {found === null ? null : <p>{t(found.length === 0 ? 'find.nothing' : 'find.found', { n: found.length })}</p>}
      <ul class="links">
        {found?.flatMap((one) =>
          (one.sources.length === 0 ? [{ source: undefined }] : one.sources).map(({ source }) => (
            <li key={`${one.onvif} ${source ?? ''}`}>
              <button type="button" onClick={() => setWish({ onvif: one.onvif, source: source ?? '', name: one.name ?? '' })} data-found={one.onvif}>
                {t('find.take')}
              </button>{' '}
              <strong>{one.name ?? one.hardware ?? hostOf(one.onvif)}</strong> <span class="soft">{`${hostOf(one.onvif)} ${source ?? ''}`}</span>
            </li>
          )),
        )}
      </ul>
      {wish === null ? null : <Form key={`${wish.onvif} ${wish.source}`} wish={wish} onClose={() => setWish(null)} />}
    </div>
  );
}

function Form({ wish, onClose }: { wish: Wish; onClose: () => void }) {
  const [address, setAddress] = useState(wish.onvif);
  const [id, setId] = useState('');
  const [name, setName] = useState(wish.name);
  const [username, setUsername] = useState('');
  const [password, setPassword] = useState('');
  const [wrong, setWrong] = useState<string[]>([]);
  const [isBusy, setBusy] = useState(false);
  const shownId = id || (address === '' ? '' : freshId(address));
  const add = async (event: Event) => {
    event.preventDefault();
    if (me.value === '') return void (askWho.value = true);
    setBusy(true);
    const way = /^https?:/i.test(address.trim()) ? 'onvif' : 'url';
    const asked = { on: cameras.value?.version ?? 0, by: me.value, id: shownId, name: name.trim(), [way]: address.trim(), ...(wish.source === '' ? {} : { onvif_source: wish.source }), ...(username === '' ? {} : { username }), ...(password === '' ? {} : { password }) };
    try {
      const told = await call<{ in_effect: boolean }>('POST', '/api/v1/cameras', asked);
      say(t(told.in_effect ? 'find.added' : 'find.added_later', { name: name.trim() || shownId }), told.in_effect ? 'good' : 'bad');
      await readCameras();
      onClose();
      go(cameraHash(shownId));
    } catch (error) {
      setWrong(reasons(error));
      await readCameras();
    } finally {
      setBusy(false);
    }
  };
  return (
    <form class="add" onSubmit={(event) => void add(event)} data-camera-form>
      <h3>{t('find.add')}</h3>
      <label>
        {t('find.address')}
        <input value={address} placeholder="rtsp://192.168.1.64:554/…" autocomplete="off" spellcheck={false} onInput={(event) => setAddress(event.currentTarget.value)} data-address />
        <small>{t('find.address_hint')}</small>
      </label>
      <label>
        {t('find.name')}
        <input value={name} maxLength={60} onInput={(event) => setName(event.currentTarget.value)} data-camera-name />
      </label>
      <label>
        {t('find.id')}
        <input value={shownId} maxLength={60} spellcheck={false} onInput={(event) => setId(event.currentTarget.value)} data-camera-id />
      </label>
      <label>
        {t('find.user')}
        <input value={username} autocomplete="off" onInput={(event) => setUsername(event.currentTarget.value)} data-camera-user />
      </label>
      <label>
        {t('find.password')}
        <input type="password" value={password} autocomplete="new-password" onInput={(event) => setPassword(event.currentTarget.value)} data-camera-password />
        <small>{t('find.password_hint')}</small>
      </label>
      {wrong.map((one) => (
        <p key={one} class="warn" role="alert">
          {one}
        </p>
      ))}
      <div class="buttons">
        <button type="submit" class="main" disabled={isBusy || address.trim() === '' || shownId === ''} data-camera-go>
          {t('find.add_go')}
        </button>
        <button type="button" class="plain" onClick={onClose}>
          {t('act.cancel')}
        </button>
      </div>
    </form>
  );
}

/** What was applied last, a camera or a rule, and the way back: two taps. */
export function TakeBack({ told }: { told: Cameras }) {
  const [sure, setSure] = useState(false);
  if (told.applied === null) return null;
  const { by, at, changes } = told.applied;
  const undo = () => {
    if (!sure) return setSure(true);
    if (me.value === '') return void (askWho.value = true);
    setSure(false);
    call<{ version: number }>('POST', '/api/v1/rules/undo', { on: told.version, by: me.value })
      .then(
        ({ version }) => say(t('trial.undone', { v: version }), 'good'),
        (error: Error) => say(t('act.failed', { why: error.message }), 'bad'),
      )
      .finally(() => void readCameras());
  };
  const what = changes.slice(0, 3).join('; ') + (changes.length > 3 ? ' …' : '');
  return (
    <button type="button" onClick={undo} onBlur={() => setSure(false)} data-undo-last>
      {sure ? t('find.undo_sure') : t('trial.undo', { by, time: day(at), what })}
    </button>
  );
}

/** What the gateway says of it: the usual ones in the language of the page, each other as it came. */
export function reasons(error: unknown, taken: Key = 'find.taken'): string[] {
  if (!(error instanceof Refused)) return [t('act.unreachable')];
  const all = Array.isArray(error.body['problems']) ? (error.body['problems'] as string[]) : [error.message];
  return all.map((one) => {
    if (one.includes('leads into this box')) return t('find.own_box');
    if (one.includes('address in numbers')) return t('find.in_numbers');
    if (one.includes('names a user')) return t('find.no_user');
    if (/^id: .*already/.test(one)) return t(taken);
    if (one.includes('is also how')) return t('register.twice');
    if (one.includes('was applied meanwhile')) return t('find.meanwhile');
    return t('act.failed', { why: one });
  });
}
