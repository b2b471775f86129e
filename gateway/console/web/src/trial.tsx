// What the drawn rule would have raised in the last hours, beside the one that runs; and applying it, and taking it back.

import { useEffect, useState } from 'preact/hooks';
import { call, Refused } from './api';
import { readCameras, type Camera, type Cameras, type Point, type Rule } from './cameras-data';
import { say } from './notices';
import { askWho, me } from './state';
import { clockS, day } from './time';
import { t, word } from './words';

export interface Raised { began_at: string; at: string; ended_at?: string; objects: Record<string, number>; places: Point[]; why: string }
interface Told { count: number; raised: Raised[] }
interface Tried { from: string; until: string; looks: number; first_at: string | null; last_at: string | null; left_out: boolean; why_not?: 'none' | 'off'; new?: Told; present?: Told | null }

const HOURS = [1, 6, 24, 72] as const;
/** A hand that still draws is waited for. */
const AFTER_MS = 350;
const SHOWN_MAX = 30;

interface TrialProps { one: Camera; told: Cameras; rule: Rule; isWhole: boolean; onTried: (places: readonly Raised[]) => void; onClose: () => void }

export function Trial({ one, told, rule, isWhole, onTried, onClose }: TrialProps) {
  const [hours, setHours] = useState<number>(6);
  const [tried, setTried] = useState<Tried | null>(null);
  const [wrong, setWrong] = useState('');
  const [isTrying, setTrying] = useState(false);
  const asked = JSON.stringify({ camera: one.id, hours, rule });
  useEffect(() => {
    setTried(null);
    onTried([]);
    setWrong('');
    if (!isWhole) return;
    let gone = false;
    const ask = () => {
      setTrying(true);
      call<Tried>('POST', '/api/v1/rules/try', JSON.parse(asked)).then(
        (next) => {
          if (gone) return;
          setTrying(false);
          setTried(next);
          onTried(next.new?.raised ?? []);
        },
        (error: Error) => {
          if (gone) return;
          // Somebody else's is being tried: his is over in a second.
          if (error instanceof Refused && error.status === 429) return void (timer = window.setTimeout(ask, 1000));
          setTrying(false);
          setWrong(t('trial.failed', { why: error.message }));
        },
      );
    };
    let timer = window.setTimeout(ask, AFTER_MS);
    return () => {
      gone = true;
      clearTimeout(timer);
      setTrying(false);
    };
  }, [asked, isWhole]);
  return (
    <section class="trial" aria-live="polite" data-trial={isTrying ? 'trying' : tried === null ? 'none' : 'tried'}>
      <div class="controls">
        <label>
          {t('trial.hours')}
          <select value={String(hours)} onChange={(event) => setHours(Number(event.currentTarget.value))} data-hours>
            {HOURS.map((n) => (
              <option key={n} value={String(n)}>
                {t('trial.last', { n })}
              </option>
            ))}
          </select>
        </label>
      </div>
      {wrong === '' ? null : <p class="warn">{wrong}</p>}
      {isTrying ? <p class="hint">{t('trial.trying')}</p> : null}
      {tried === null ? null : <Answer tried={tried} hours={hours} />}
      <Apply told={told} rule={rule} isWhole={isWhole} onClose={onClose} />
    </section>
  );
}

function Answer({ tried, hours }: { tried: Tried; hours: number }) {
  if (tried.why_not !== undefined) return <p class="warn" data-untold>{t(tried.why_not === 'off' ? 'trial.off' : 'trial.none', { n: hours })}</p>;
  const fresh = tried.new ?? { count: 0, raised: [] };
  return (
    <>
      <p class="answer" data-answer>
        {tried.present == null ? t('trial.new', { n: hours, new: fresh.count }) : t('trial.both', { n: hours, new: fresh.count, old: tried.present.count })}
      </p>
      <p class="hint">
        {t('trial.basis', { looks: tried.looks, from: tried.first_at === null ? '—' : day(tried.first_at), to: tried.last_at === null ? '—' : day(tried.last_at) })}
        {tried.left_out ? ` ${t('trial.left_out')}` : ''}
      </p>
      <div class="both">
        <List title={t('trial.would')} told={fresh} />
        {tried.present == null ? null : <List title={t('trial.does')} told={tried.present} />}
      </div>
    </>
  );
}

function List({ title, told }: { title: string; told: Told }) {
  const shown = [...told.raised].reverse().slice(0, SHOWN_MAX);
  return (
    <div>
      <h3>
        {title} <span class="count">{told.count}</span>
      </h3>
      <ol reversed start={told.count}>
        {shown.map((one) => (
          <li key={one.at}>
            <time dateTime={one.at}>{`${one.at.slice(5, 10)} ${clockS(one.at)}`}</time> {Object.entries(one.objects).map(([label, n]) => `${word('object', label)} ${n}`).join('、')}
          </li>
        ))}
      </ol>
      {told.count > shown.length ? <p class="hint">{t('trial.more', { n: told.count - shown.length })}</p> : null}
    </div>
  );
}

/** Two taps: what is written takes effect at once. */
function Apply({ told, rule, isWhole, onClose }: { told: Cameras; rule: Rule; isWhole: boolean; onClose: () => void }) {
  const [isSure, setSure] = useState(false);
  const [isSending, setSending] = useState(false);
  const send = (path: string, body: Record<string, unknown>, done: (version: number) => string) => {
    if (me.value === '') return void (askWho.value = true);
    setSending(true);
    call<{ version: number; in_effect: boolean }>('POST', path, { on: told.version, by: me.value, ...body }).then(
      async (answer) => {
        say(answer.in_effect ? done(answer.version) : t('trial.not_in_effect', { v: answer.version }), answer.in_effect ? 'good' : 'bad');
        await readCameras();
        onClose();
      },
      (error: Error) => {
        setSending(false);
        setSure(false);
        say(t('act.failed', { why: error.message }), 'bad');
        void readCameras();
      },
    );
  };
  const apply = () => (isSure ? send('/api/v1/rules/apply', { rule }, (v) => t('trial.applied', { v })) : setSure(true));
  return (
    <div class="apply">
      <button type="button" class="main" disabled={!isWhole || isSending || rule.id === ''} onClick={apply} data-apply>
        {t(isSure ? 'trial.sure' : 'trial.apply')}
      </button>
      {told.applied === null ? null : (
        <button type="button" disabled={isSending} onClick={() => send('/api/v1/rules/undo', {}, (v) => t('trial.undone', { v }))} data-take-back>
          {t('trial.undo', { by: told.applied.by, time: day(told.applied.at), what: told.applied.changes.join('; ') })}
        </button>
      )}
      <p class="hint">{t('trial.apply_hint')}</p>
    </div>
  );
}
