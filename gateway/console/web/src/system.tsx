// How the gateway itself is, in plain words, and what to do about it.

import { Faults } from './faults';
import { size } from './frame';
import { cameras, useSite } from './site_map';
import { condition, overview } from './state';
import { clockOff } from './time';
import type { Condition, Sink } from './types';
import { t, word, type Key } from './words';

export function System() {
  useSite();
  const facts = condition.value;
  if (facts === null) return <main class="sheet" id="main" />;
  return (
    <main class="sheet" id="main">
      <h1>{t('system.title')}</h1>
      <Faults facts={facts} />
      <h2>{t('system.sinks')}</h2>
      <Table
        heads={['system.sink', 'system.state', 'system.pending', 'system.delivered', 'system.dead', 'system.shed', 'system.lost']}
        rows={facts.sinks.map((sink) => [sink.id, mark(sink.up, t(sink.up ? 'system.up' : 'system.down')), String(sink.pending), String(sink.delivered ?? '—'), String(sink.dead), String(sink.shed ?? '—'), String(sink.lost ?? '—')])}
      />
      <p class="hint">{t('system.ledger')}</p>
      {facts.sinks.some((sink) => !adds(sink)) ? <p class="bad">{t('system.ledger_wrong')}</p> : null}
      <div class="tiles">
        <Tiles facts={facts} />
      </div>
      <h2>{t('system.cameras')}</h2>
      <Table
        heads={['system.camera', 'system.state', 'fleet.looks', 'fleet.lag', 'system.rate', 'fleet.skipped', 'fleet.cost']}
        rows={cameras.value.map((one) => [one.id, mark(one.up, t(one.up ? 'system.up' : 'system.down')), word('looks', one.looks), t('time.s', { n: one.lag_s.toFixed(1) }), String(one.frames), String(one.skipped), t('time.s', { n: Math.round(one.cpu_s) })])}
      />
      <p>
        <a href="#/devices">{t('system.to_devices')}</a>
      </p>
    </main>
  );
}

/** What is owed is somewhere: delivered, waiting, refused, given up or lost. */
function adds(sink: Sink): boolean {
  const { accepted, delivered = 0, shed = 0, lost = 0 } = sink;
  return accepted === undefined || accepted === delivered + sink.pending + sink.dead + shed + lost;
}

const mark = (good: boolean, text: string): string => `${good ? '✓' : '✗'} ${text}`;

function Tiles({ facts }: { facts: Condition }) {
  const low = facts.free_bytes != null && facts.free_bytes < facts.min_free_bytes * 1.25;
  const off = Math.abs(clockOff.value) / 1000;
  const busy = facts.load_1m !== undefined && facts.processors !== undefined && facts.load_1m > facts.processors * 1.5;
  const tiles: [Key, string, string, boolean][] = [
    ['system.free', facts.free_bytes == null ? '—' : size(facts.free_bytes), t('system.kept', { least: size(facts.min_free_bytes) }), low],
    ['system.evidence', size(facts.evidence_bytes), `${t('system.journal')} ${size(facts.journal_bytes)}`, false],
    ['system.clock', off > 2 ? t('time.s', { n: off.toFixed(0) }) : t('system.clock_ok'), t('system.clock_hint'), off > 30],
    ['system.model', facts.model ?? t('system.no_model'), facts.provider === undefined ? '' : t('system.provider', { name: facts.provider }), facts.model == null],
    ['system.load', facts.load_1m === undefined ? '—' : facts.load_1m.toFixed(1), facts.processors === undefined ? '' : t('system.processors', { n: facts.processors }), busy],
    ['system.memory', facts.memory_bytes === undefined ? '—' : size(facts.memory_bytes), '', false],
    ['system.version', overview.value?.version ?? '', overview.value?.site ?? '', false],
  ];
  return (
    <>
      {tiles.map(([key, value, more, bad]) => (
        <div key={key} class={bad ? 'tile bad-one' : 'tile'}>
          <h2>{t(key)}</h2>
          <p class="big">
            {bad ? '✗ ' : ''}
            {value}
          </p>
          <p class="hint">{more}</p>
        </div>
      ))}
    </>
  );
}

function Table({ heads, rows }: { heads: Key[]; rows: string[][] }) {
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
