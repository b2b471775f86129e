// One camera: what it shows now, how it is and what it costs, and its rules, which are drawn and tried here.

import { useState } from 'preact/hooks';
import { Live, Still } from './camera-view';
import { coreShare, type Camera, type Cameras, type Rule, type Stream } from './cameras-data';
import { FactList, type FactRow } from './facts';
import { may } from './rights';
import { clockS } from './time';
import { t, word } from './words';
import { Zones } from './zones';

export function CameraPage({ one, told }: { one: Camera; told: Cameras }) {
  const [drawn, setDrawn] = useState<Rule | 'new' | null>(null);
  const [main, setMain] = useState(false);
  return (
    <main class="sheet camera" id="main" data-camera={one.id}>
      <h1>
        <a class="button" href="#/cameras">
          ← {t('cam.title')}
        </a>{' '}
        {one.name}
      </h1>
      {drawn === null ? (
        <>
          <div class="large">{one.private ? <Still one={one} everyMs={1000} note={t('cam.private')} /> : <Live key={String(main)} one={one} main={main} />}</div>
          {one.private ? <p class="hint">{t('cam.private_why')}</p> : null}
          <div class="controls">
            {one.sub === null || one.private ? null : (
              <button type="button" onClick={() => setMain(!main)} aria-pressed={main}>
                {t(main ? 'cam.sub' : 'cam.main')}
              </button>
            )}
            {may('rules') ? (
              <button type="button" class="main" onClick={() => setDrawn('new')} data-draw="new">
                {t('zone.new')}
              </button>
            ) : null}
          </div>
          <h2>{t('zone.rules')}</h2>
          {one.rules.length === 0 ? <p class="hint">{t('zone.no_rules')}</p> : null}
          <ul class="rules">
            {one.rules.map((rule) => (
              <li key={rule.id}>
                <strong>{rule.id}</strong> <span>{word('rulekind', rule.kind)}</span> <span class="soft">{shape(rule)}</span>
                {may('rules') ? (
                  <button type="button" onClick={() => setDrawn(rule)} data-draw={rule.id}>
                    {t('zone.edit')}
                  </button>
                ) : null}
              </li>
            ))}
          </ul>
          <Facts one={one} told={told} />
        </>
      ) : (
        <Zones one={one} told={told} rule={drawn === 'new' ? null : drawn} onClose={() => setDrawn(null)} />
      )}
    </main>
  );
}

function shape(rule: Rule): string {
  if (rule.kind === 'line') return t('zone.is_line');
  const n = rule.zone?.length ?? 0;
  return n === 0 ? t('zone.is_whole') : t('zone.is_zone', { n });
}

function stream(one: Stream | null): string {
  if (one === null) return '—';
  return `${one.codec} ${one.width}×${one.height} · ${t('cam.rate', { fps: one.fps.toFixed(one.fps < 10 ? 1 : 0), mbit: (one.bits_a_second / 1e6).toFixed(1) })}`;
}

function Facts({ one, told }: { one: Camera; told: Cameras }) {
  const { state } = one;
  const share = coreShare(one, told.up_s);
  const last = (one.sub ?? one.main)?.last_at;
  const rows: FactRow[] = [
    [t('cam.health'), state?.up ? `✓ ${t('cam.up')}` : `✗ ${t('cam.down')}`],
    [t('cam.last'), last === undefined ? '—' : clockS(last)],
    [t('cam.main_stream'), stream(one.main)],
    [t('cam.sub_stream'), one.sub === null ? undefined : stream(one.sub)],
    [t('cam.gop'), state === null || state.gop_s === 0 ? '—' : t('cam.seconds', { s: state.gop_s.toFixed(1) })],
    [t('cam.level'), state === null ? '—' : `${word('cam.at', String(state.level))}${state.sleepless === undefined ? '' : ` (${state.sleepless})`}`],
    [t('cam.looks'), state === null ? '—' : t('cam.looked', { asleep: state.looks, seen: state.detected, skipped: state.skipped })],
    [t('cam.cost'), share === null ? '—' : t('cam.share', { n: share.toFixed(1) })],
    [t('cam.decoding'), state === null || state.decoding === '' ? '—' : state.decoding],
    [t('cam.viewers'), String((one.main?.viewers ?? 0) + (one.sub?.viewers ?? 0))],
  ];
  return (
    <>
      <h2>{t('cam.facts')}</h2>
      <FactList rows={rows} />
    </>
  );
}
