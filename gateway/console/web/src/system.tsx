// How the gateway itself is, in plain words, and what to do about it.

import { useEffect, useState } from 'preact/hooks';
import { call } from './api';
import { size } from './frame';
import { overview, condition } from './state';
import { ago } from './time';
import type { Device } from './types';
import { t, word, type Key } from './words';

const ADVICE: [RegExp, Key][] = [
  [/^sink /, 'fault.sink'],
  [/^store/, 'fault.store'],
  [/^disk/, 'fault.disk'],
  [/^detector/, 'fault.detector'],
  [/^intake/, 'fault.intake'],
  [/^(broker|mqtt)/, 'fault.broker'],
  [/^camera/, 'fault.camera'],
];
/** Devices and cameras are read again so often. */
const AGAIN_MS = 15_000;

const advice = (reason: string): Key => ADVICE.find(([begin]) => begin.test(reason))?.[1] ?? 'fault.other';

export function System() {
  const facts = condition.value;
  const [devices, setDevices] = useState<Device[]>([]);
  const [cameras, setCameras] = useState<Camera[]>([]);
  useEffect(() => {
    const read = () => {
      call<{ devices: Device[] }>('GET', '/api/v1/devices').then((told) => setDevices(told.devices), () => undefined);
      fetch('/metrics').then((answer) => answer.text()).then((told) => setCameras(camerasOf(told)), () => undefined);
    };
    read();
    const timer = setInterval(read, AGAIN_MS);
    return () => clearInterval(timer);
  }, []);
  if (facts === null) return <main class="sheet" id="main" />;
  return (
    <main class="sheet" id="main">
      <h1>{t('system.title')}</h1>
      {facts.reasons.length === 0 ? <p class="well">✓ {t('system.well')}</p> : <Faults title={t('system.faults')} all={facts.reasons} loud />}
      {facts.notes.length === 0 ? null : <Faults title={t('system.notes')} all={facts.notes} loud={false} />}
      <h2>{t('system.sinks')}</h2>
      <Table heads={['system.sink', 'system.state', 'system.pending', 'system.dead']} rows={facts.sinks.map((sink) => [sink.id, mark(sink.up, t(sink.up ? 'system.up' : 'system.down')), String(sink.pending), String(sink.dead)])} />
      <h2>{t('system.disk')}</h2>
      <Table
        heads={['system.free', 'system.evidence', 'system.journal', 'system.model', 'system.version']}
        rows={[[facts.free_bytes == null ? '—' : size(facts.free_bytes), size(facts.evidence_bytes), size(facts.journal_bytes), facts.model ?? t('system.no_model'), overview.value?.version ?? '']]}
      />
      <h2>{t('system.cameras')}</h2>
      <Table heads={['system.camera', 'system.state', 'system.rate']} rows={cameras.map((one) => [one.id, mark(one.up, t(one.up ? 'system.up' : 'system.down')), String(one.frames)])} />
      <h2>{t('system.devices')}</h2>
      <p class="hint">{t('system.ill_only')}</p>
      <Table
        heads={['system.device', 'system.state', 'system.battery', 'system.heard']}
        rows={[...devices].sort((a, b) => rank(a) - rank(b)).map((one) => [one.name || one.id, mark(rank(one) === 1, one.states.map((state) => word('device', state)).join('、')), one.battery == null ? '—' : `${one.battery} %`, one.heard_at == null ? t('system.never') : ago(one.heard_at)])}
      />
    </main>
  );
}

const rank = (one: Device): number => (one.states.includes('fine') ? 1 : 0);
const mark = (good: boolean, text: string): string => `${good ? '✓' : '✗'} ${text}`;

function Faults({ title, all, loud }: { title: string; all: string[]; loud: boolean }) {
  return (
    <>
      <h2>{title}</h2>
      <table class={loud ? 'faults' : ''}>
        <thead>
          <tr>
            <th scope="col">{t('system.what')}</th>
            <th scope="col">{t('system.do')}</th>
          </tr>
        </thead>
        <tbody>
          {all.map((reason) => (
            <tr key={reason}>
              <td lang="en">{reason}</td>
              <td>{t(advice(reason))}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}

export function Table({ heads, rows }: { heads: Key[]; rows: string[][] }) {
  if (rows.length === 0) return <p class="hint">{t('system.none')}</p>;
  return (
    <div class="scroll" tabIndex={0} role="group" aria-label={t(heads[0] as Key)}>
      <table>
        <thead>
          <tr>
            {heads.map((head) => (
              <th key={head} scope="col">
                {t(head)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, n) => (
            <tr key={n}>
              {row.map((cell, m) => (
                <td key={m}>{cell}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

interface Camera { id: string; up: boolean; frames: number }

/** Of the figures for machines: the one place that has the state of each camera today. */
function camerasOf(metrics: string): Camera[] {
  const found = new Map<string, Camera>();
  for (const [, name, id = '', value] of metrics.matchAll(/^gridpost_camera_(up|frames_total)\{camera="((?:[^"\\]|\\.)*)"\} (\S+)$/gm)) {
    const one = found.get(id) ?? { id: id.replace(/\\(["\\])/g, '$1'), up: false, frames: 0 };
    if (name === 'up') one.up = value === '1';
    else one.frames = Number(value);
    found.set(id, one);
  }
  return [...found.values()].sort((a, b) => Number(a.up) - Number(b.up));
}
