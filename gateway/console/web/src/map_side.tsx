// Beside the map: what was tapped, a search that the keyboard reaches, and the legend, which shows and hides.

import { useEffect, useRef, useState } from 'preact/hooks';
import { casesOf, count, fleet, rowOf, type FleetRow } from './fleet';
import { drawShape, palette, type Health, type Look, type ThingKind } from './map_shapes';
import { title } from './notices';
import { find } from './order';
import { Limit, placeOf, Severity, Stage } from './parts';
import { deviceHash, incidentHash } from './route';
import { isUnread, siteMap } from './site_map';
import { open } from './state';
import { onTheme } from './theme';
import { ago, day } from './time';
import type { Case } from './types';
import { t, word, type Key } from './words';

export type Hidden = ReadonlySet<ThingKind>;

interface SideProps { hidden: Hidden; hide: (kind: ThingKind) => void; show: (id: string) => void; picked: string | null; flight: Case | null }

export function Side({ hidden, hide, show, picked, flight }: SideProps) {
  return (
    <aside class="side" aria-label={t('map.side')}>
      {isUnread.value ? <p class="warn">{t('map.unread')}</p> : null}
      <Picked id={picked} show={show} flight={flight} />
      <Search show={show} />
      <Legend hidden={hidden} hide={hide} />
    </aside>
  );
}

function Picked({ id, show, flight }: { id: string | null; show: (id: string) => void; flight: Case | null }) {
  if (id === null) return <p class="hint">{t('map.pick')}</p>;
  const name = id.slice(id.indexOf('/') + 1);
  if (id.startsWith('case/')) {
    const one = find(name) ?? (flight?.incident === name ? flight : undefined);
    return one === undefined ? null : <CaseCard one={one} />;
  }
  if (id.startsWith('grid/')) return <GridCard code={name} show={show} />;
  const row = rowOf(name);
  return row === undefined ? null : <SourceCard row={row} />;
}

function CaseCard({ one }: { one: Case }) {
  return (
    <section class="card" data-picked={one.incident}>
      <p>
        <Severity one={one} /> <Stage one={one} />
      </p>
      <h2>{title(one)}</h2>
      <p class="where">{placeOf(one)}</p>
      <p class="ago">{ago(one.opened_at)}</p>
      <Limit one={one} />
      <a class="button main" href={incidentHash(one.incident)}>
        {t('act.open')}
      </a>
    </section>
  );
}

function GridCard({ code, show }: { code: string; show: (id: string) => void }) {
  const grid = siteMap.value?.grids.find((one) => one.code === code);
  if (grid === undefined) return null;
  const cases = [...open.value.values()].filter((one) => one.grid?.code === code);
  const rows = fleet.value.filter((one) => one.source?.grid === code);
  const ill = rows.filter((one) => one.health !== 'fine').length;
  return (
    <section class="card" data-picked={code}>
      <h2>{grid.name}</h2>
      <p class="where">{[grid.community, grid.head === undefined ? undefined : `${t('case.head')} ${grid.head}`].filter(Boolean).join(' · ')}</p>
      <p>{t('map.grid_sum', { cases: cases.length, sources: rows.length, ill })}</p>
      <ul>
        {cases.slice(0, 6).map((one) => (
          <li key={one.incident}>
            <button type="button" class="plain" onClick={() => show(`case/${one.incident}`)}>
              {title(one)}
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}

/** How it is, as mark and words. */
export function States({ row }: { row: FleetRow }) {
  return (
    <span class={`health ${row.health}`}>
      <span aria-hidden="true">{({ fine: '✓', weak: '−', ill: '✗', unheard: '○' } as const)[row.health]}</span> {row.states.map((state) => word('device', state)).join('、')}
    </span>
  );
}

function SourceCard({ row }: { row: FleetRow }) {
  const cases = casesOf(row.id);
  return (
    <section class="card" data-picked={row.id}>
      <p>
        {word('kind', row.kind)} <States row={row} />
      </p>
      <h2>{row.name}</h2>
      <p class="where">{row.where || t('fleet.no_place')}</p>
      {row.heard === undefined ? null : (
        <p class="ago">
          {t('system.heard')} {ago(row.heard)}
        </p>
      )}
      {row.since === undefined ? null : <p class="warn">{t('fleet.since', { time: day(row.since) })}</p>}
      <p class="links">
        <a class="button" href={deviceHash(row.id)}>
          {t('map.to_device')}
        </a>
        {cases.slice(0, 3).map((one) => (
          <a key={one.incident} class="button" href={incidentHash(one.incident)}>
            {title(one)}
          </a>
        ))}
      </p>
    </section>
  );
}

const FOUND_MAX = 30;

/** Names, ids and addresses; without a word, what needs somebody. */
function Search({ show }: { show: (id: string) => void }) {
  const [text, setText] = useState('');
  const wanted = text.trim().toLowerCase();
  const has = (...all: (string | undefined)[]): boolean => all.some((one) => one?.toLowerCase().includes(wanted) === true);
  const cases = [...open.value.values()].filter((one) => (wanted === '' ? one.severity <= 2 : has(one.title.zh, one.title.en, one.place?.text, one.grid?.name)));
  const rows = fleet.value.filter((one) => (wanted === '' ? one.health === 'ill' : has(one.name, one.id, one.where)));
  const grids = wanted === '' ? [] : (siteMap.value?.grids ?? []).filter((one) => has(one.name, one.code, one.community));
  const all: [string, string, string][] = [
    ...cases.map((one): [string, string, string] => [`case/${one.incident}`, title(one), t('map.case')]),
    ...rows.map((one): [string, string, string] => [`source/${one.id}`, one.name, word('kind', one.kind)]),
    ...grids.map((one): [string, string, string] => [`grid/${one.code}`, one.name, t('case.grid')]),
  ];
  return (
    <section class="search">
      <label>
        {t('map.search')}
        <input type="search" value={text} onInput={(event) => setText(event.currentTarget.value)} data-search />
      </label>
      <p class="hint">{all.length === 0 ? t(wanted === '' ? 'map.nothing' : 'map.not_found') : wanted === '' ? t('map.first') : t('map.found', { n: all.length })}</p>
      <ul class="found">
        {all.slice(0, FOUND_MAX).map(([id, name, kind]) => (
          <li key={id}>
            <button type="button" class="plain" onClick={() => show(id)} data-found={id}>
              <span>{name}</span> <small>{kind}</small>
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}

const LAYERS: ThingKind[] = ['incident', 'camera', 'button', 'gauge', 'drone', 'speaker'];
const HEALTHS: [Health, Key][] = [
  ['fine', 'health.fine'],
  ['weak', 'health.weak'],
  ['ill', 'health.ill'],
  ['unheard', 'health.unheard'],
];

function Legend({ hidden, hide }: { hidden: Hidden; hide: (kind: ThingKind) => void }) {
  const sum = (kind: ThingKind): number => (kind === 'incident' ? open.value.size : count(kind, null) + (kind === 'button' ? count('unknown', null) : 0));
  return (
    <section class="legend">
      <h3>{t('map.legend')}</h3>
      <ul>
        {LAYERS.map((kind) => (
          <li key={kind}>
            <label>
              <input type="checkbox" checked={!hidden.has(kind)} onChange={() => hide(kind)} data-layer={kind} />
              <Sample look={{ kind, health: 'fine', severity: 1 }} /> {word('kind', kind)} <small>{sum(kind)}</small>
            </label>
          </li>
        ))}
      </ul>
      <ul class="healths">
        {HEALTHS.map(([health, key]) => (
          <li key={health}>
            <Sample look={{ kind: 'button', health }} /> {t(key)}
          </li>
        ))}
        {[1, 2, 3].map((severity) => (
          <li key={severity}>
            <Sample look={{ kind: 'incident', health: 'fine', severity }} /> {word('severity', String(severity))}
          </li>
        ))}
      </ul>
    </section>
  );
}

const SAMPLE_PX = 24;

function Sample({ look }: { look: Look }) {
  const into = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const paint = () => {
      const pen = into.current?.getContext('2d');
      if (pen == null) return;
      pen.setTransform(2, 0, 0, 2, 0, 0);
      pen.clearRect(0, 0, SAMPLE_PX, SAMPLE_PX);
      drawShape(pen, look, palette(), SAMPLE_PX / 2, SAMPLE_PX / 2, 8);
    };
    paint();
    return onTheme(paint);
  }, []);
  return <canvas class="sample" width={SAMPLE_PX * 2} height={SAMPLE_PX * 2} ref={into} aria-hidden="true" />;
}
