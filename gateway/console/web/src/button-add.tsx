// A button is put on the list here: one that was just heard and that nobody knows, or one that is typed.

import { useEffect, useState } from 'preact/hooks';
import { call } from './api';
import { reasons } from './camera-add';
import { cameras, readCameras } from './cameras-data';
import { say } from './notices';
import { deviceHash, go } from './route';
import { readSite, siteMap } from './site_map';
import { askWho, me } from './state';
import { t, type Key } from './words';

/** As the device names itself, where that can be an id; else a plain one that is free. */
function freshId(device: string): string {
  const plain = device.trim().replace(/[^A-Za-z0-9_-]+/g, '-').replace(/^-+|-+$/g, '').slice(0, 55);
  const taken = new Set((siteMap.value?.sources ?? []).map((one) => one.id));
  const stem = plain === '' ? 'button' : plain;
  for (let n = plain === '' ? 1 : 0; ; n += 1) {
    const id = n === 0 ? stem : `${stem}-${n}`;
    if (!taken.has(id)) return id;
  }
}

const FIELDS = [
  ['name', 'register.name', 128],
  ['address', 'register.address', 128],
  ['contact', 'register.contact', 128],
  ['note', 'register.note', 500],
] as const satisfies readonly (readonly [string, Key, number])[];
type Field = (typeof FIELDS)[number][0];
const EMPTY: Record<Field, string> = { name: '', address: '', contact: '', note: '' };

/** `device`: as it was heard; nothing: it is typed. */
export function AddButton({ device: heard, onClose }: { device: string; onClose?: () => void }) {
  const [typed, setTyped] = useState(heard);
  const [said, setSaid] = useState(EMPTY);
  const [wrong, setWrong] = useState<string[]>([]);
  const [isBusy, setBusy] = useState(false);
  // What is written stands on the version that was seen.
  useEffect(() => void readCameras(), []);
  const device = typed.trim();
  const add = async (event: Event) => {
    event.preventDefault();
    if (me.value === '') return void (askWho.value = true);
    setBusy(true);
    const id = freshId(device);
    const words = Object.fromEntries(Object.entries(said).filter(([, text]) => text.trim() !== ''));
    try {
      const told = await call<{ in_effect: boolean }>('POST', '/api/v1/buttons', { on: cameras.value?.version ?? 0, by: me.value, id, device, ...words });
      say(t(told.in_effect ? 'register.done' : 'find.added_later', { name: said.name.trim() }), told.in_effect ? 'good' : 'bad');
      await readSite();
      onClose?.();
      go(deviceHash(id));
    } catch (error) {
      setWrong(reasons(error, 'register.taken'));
      await readCameras();
    } finally {
      setBusy(false);
    }
  };
  return (
    <form class="add" onSubmit={(event) => void add(event)} data-button-form>
      <h3>{t('register.title')}</h3>
      <label>
        {t('register.device')}
        <input value={typed} maxLength={128} readOnly={heard !== ''} spellcheck={false} autocomplete="off" onInput={(event) => setTyped(event.currentTarget.value)} data-button-device />
        <small>{t('register.device_hint')}</small>
      </label>
      {FIELDS.map(([key, label, most]) => (
        <label key={key}>
          {t(label)}
          <input value={said[key]} maxLength={most} autocomplete="off" onInput={(event) => setSaid({ ...said, [key]: event.currentTarget.value })} data-button-field={key} />
        </label>
      ))}
      {wrong.map((one) => (
        <p key={one} class="warn" role="alert">
          {one}
        </p>
      ))}
      <div class="buttons">
        <button type="submit" class="main" disabled={isBusy || device === '' || said.name.trim() === ''} data-button-go>
          {t('register.go')}
        </button>
        {onClose === undefined ? null : (
          <button type="button" class="plain" onClick={onClose}>
            {t('act.cancel')}
          </button>
        )}
      </div>
    </form>
  );
}
