// The fleet: cameras, buttons, gauges, drones and loudspeakers; whoever is silent or weak first, and one of them whole beside the list.

import { signal } from '@preact/signals';
import { useState } from 'preact/hooks';
import { AddButton } from './button-add';
import { FactList, type FactRow } from './facts';
import { casesOf, count, fleet, KINDS, rowOf, type FleetKind, type FleetRow } from './fleet';
import { GaugePane } from './gauge';
import { Flights } from './flights';
import { States } from './map_side';
import type { Health } from './map_shapes';
import { title } from './notices';
import { deviceHash, go, incidentHash, mapHash, route } from './route';
import { cameras, isUnread, siteMap, useSite } from './site_map';
import { may } from './rights';
import { ago, day } from './time';
import { t, word, type Key } from './words';
import { VirtualTable } from './virtual';

type Wanted = 'all' | Exclude<Health, 'fine'> | 'fine';
const WANTED: [Wanted, Key][] = [
  ['all', 'filter.all'],
  ['ill', 'health.ill'],
  ['weak', 'health.weak'],
  ['unheard', 'health.unheard'],
  ['fine', 'health.fine'],
];

const wanted = signal<Wanted>('all');
const kind = signal<FleetKind | null>(null);
const ROW_PX = 44;
const PHONE_ROW_PX = 64;

export function Devices() {
  useSite();
  const { device } = route.value;
  return (
    <main class={device === null ? 'fleet' : 'fleet has-device'} id="main">
      <List />
      <section class="pane" aria-label={t('fleet.one')}>
        {device === null ? <p class="hint">{t('fleet.pick')}</p> : <One id={device} key={device} />}
      </section>
    </main>
  );
}

function List() {
  const [text, setText] = useState('');
  const words = text.trim().toLowerCase();
  const rows = fleet.value.filter(
    (row) => (wanted.value === 'all' || row.health === wanted.value) && (kind.value === null || row.kind === kind.value) && (words === '' || [row.name, row.id, row.where].some((one) => one.toLowerCase().includes(words))),
  );
  const isPhone = matchMedia('(max-width: 820px)').matches;
  return (
    <section class="list devices" aria-label={t('nav.devices')}>
      <header>
        <h1>
          {t('nav.devices')} <span class="count">{t('fleet.count', { n: rows.length, all: fleet.value.length })}</span>
        </h1>
        <div class="filters" role="group" aria-label={t('list.filter')}>
          {WANTED.map(([one, key]) => (
            <button key={one} type="button" aria-pressed={wanted.value === one} onClick={() => (wanted.value = one)} data-wanted={one}>
              {t(key)} {one === 'all' ? count(kind.value, null) : count(kind.value, one)}
            </button>
          ))}
        </div>
        <div class="filters">
          <label class="inline">
            <span class="unseen">{t('fleet.kind')}</span>
            <select value={kind.value ?? ''} onChange={(event) => (kind.value = event.currentTarget.value === '' ? null : (event.currentTarget.value as FleetKind))} data-kind>
              <option value="">{t('fleet.all_kinds')}</option>
              {KINDS.map((one) => (
                <option key={one} value={one}>
                  {word('kind', one)} {count(one, null)}
                </option>
              ))}
            </select>
          </label>
          <label class="inline wide-input">
            <span class="unseen">{t('map.search')}</span>
            <input type="search" placeholder={t('map.search')} value={text} onInput={(event) => setText(event.currentTarget.value)} data-search />
          </label>
        </div>
        {may('install') ? <More /> : null}
      </header>
      {isUnread.value ? <p class="warn">{t('map.unread')}</p> : null}
      {siteMap.value !== null && fleet.value.length === 0 ? <p class="hint">{t('system.none')}</p> : null}
      <VirtualTable
        rows={rows}
        heads={[t('system.device'), t('system.state'), t('fleet.place'), t('system.battery'), t('system.heard')]}
        label={t('nav.devices')}
        rowPx={isPhone ? PHONE_ROW_PX : ROW_PX}
        keyOf={(row) => `${row.kind}/${row.id}`}
        look={(row) => (row.id === route.value.device ? 'mine' : '')}
        cells={(row) => [
          <a href={deviceHash(row.id)}>
            <strong>{row.name}</strong> <small>{word('kind', row.kind)}</small>
          </a>,
          <States row={row} />,
          row.where,
          row.battery === undefined ? '' : `${row.battery} %`,
          row.heard === undefined ? (row.kind === 'camera' || row.kind === 'speaker' ? '' : t('system.never')) : ago(row.heard),
        ]}
      />
    </section>
  );
}

/** One that was never heard is typed. */
function More() {
  const [isOpen, setOpen] = useState(false);
  if (isOpen) return <AddButton device="" onClose={() => setOpen(false)} />;
  return (
    <button type="button" class="plain" onClick={() => setOpen(true)} data-register-more>
      {t('register.more')}
    </button>
  );
}

function One({ id }: { id: string }) {
  const row = rowOf(id);
  if (row === undefined) return <p class="hint">{siteMap.value === null ? t('list.loading') : t('fleet.gone')}</p>;
  return (
    <article class="case" data-device={row.id}>
      <header>
        <button type="button" class="plain back" onClick={() => go('#/devices')}>
          ← {t('act.back')}
        </button>
        <p>
          {word('kind', row.kind)} <States row={row} />
        </p>
        <h2>{row.name}</h2>
        <p class="where">{row.where || t('fleet.no_place')}</p>
      </header>
      <p class="links">
        {row.source?.place === undefined && row.drone === undefined ? null : (
          <a class="button" href={mapHash('s', row.id)} data-to-map>
            {t('act.map')}
          </a>
        )}
        {row.case === undefined ? null : (
          <a class="button" href={incidentHash(row.case)}>
            {t('fleet.its_case')}
          </a>
        )}
      </p>
      {row.kind === 'unknown' && may('install') ? <Unknown id={row.id} /> : null}
      <Facts row={row} />
      {row.gauge === undefined ? null : <GaugePane gauge={row.gauge} />}
      {row.kind === 'drone' ? <Flights row={row} /> : null}
      <Cases id={row.id} />
    </article>
  );
}

function Unknown({ id }: { id: string }) {
  const [isOpen, setOpen] = useState(false);
  if (isOpen) return <AddButton device={id} onClose={() => setOpen(false)} />;
  return (
    <p class="warn">
      {t('register.hint')}{' '}
      <button type="button" class="main" onClick={() => setOpen(true)} data-register>
        {t('register.open')}
      </button>
    </p>
  );
}

function Facts({ row }: { row: FleetRow }) {
  const { device, drone } = row;
  const camera = row.kind === 'camera' ? cameras.value.find((one) => one.id === row.id) : undefined;
  const rows: FactRow[] = [
    [t('system.heard'), row.heard === undefined ? undefined : `${day(row.heard)} · ${ago(row.heard)}`],
    [t('fleet.ill_since'), row.since === undefined ? undefined : `${day(row.since)} · ${ago(row.since)}`],
    [t('system.battery'), row.battery === undefined ? undefined : `${row.battery} %`],
    [t('fleet.link'), row.link === undefined ? undefined : `${row.link} %`],
    [t('fleet.pressed'), device?.pressed_at == null ? undefined : day(device.pressed_at)],
    [t('fleet.tested'), device?.tested_at == null ? undefined : day(device.tested_at)],
    [t('fleet.model'), device?.model ?? undefined],
    [t('fleet.via'), device?.via || undefined],
    [t('fleet.looks'), camera === undefined ? undefined : word('looks', camera.looks)],
    [t('fleet.lag'), camera === undefined ? undefined : t('time.s', { n: camera.lag_s.toFixed(1) })],
    [t('fleet.skipped'), camera === undefined ? undefined : t('fleet.of', { n: camera.skipped, all: camera.frames })],
    [t('fleet.clock'), camera?.clock_off_s === undefined ? undefined : t('time.s', { n: camera.clock_off_s })],
    [t('fleet.cost'), camera === undefined ? undefined : t('time.s', { n: Math.round(camera.cpu_s) })],
    [t('fleet.said'), row.speaker === undefined ? undefined : String(row.speaker.said)],
    [t('fleet.unsaid'), row.speaker === undefined ? undefined : String(row.speaker.expired)],
    [t('fleet.owed'), row.speaker === undefined ? undefined : String(row.speaker.pending)],
    [t('fleet.height'), drone?.height_m === undefined ? undefined : `${drone.height_m} m`],
    [t('case.number'), row.id],
  ];
  return <FactList rows={rows} />;
}

function Cases({ id }: { id: string }) {
  const cases = casesOf(id);
  if (cases.length === 0) return null;
  return (
    <section>
      <h3>{t('fleet.cases')}</h3>
      <ul class="links">
        {cases.map((one) => (
          <li key={one.incident}>
            <a href={incidentHash(one.incident)}>
              {day(one.opened_at)} {title(one)}
            </a>
          </li>
        ))}
      </ul>
    </section>
  );
}
