// The latest flights of a drone: when, how far, what it saw; each on the map.

import { useEffect, useState } from 'preact/hooks';
import { call } from './api';
import type { FleetRow } from './fleet';
import { incidentHash, mapHash } from './route';
import { day, span } from './time';
import type { Case } from './types';
import { t, word } from './words';

/** Of all drones together; a site has few. */
const FLIGHTS = 30;

const number = (value: unknown): number => (typeof value === 'number' ? value : 0);

export function Flights({ row }: { row: FleetRow }) {
  const [all, setAll] = useState<Case[] | null>(null);
  const [failed, setFailed] = useState(false);
  const flying = row.drone?.flying === true;
  useEffect(() => {
    call<{ incidents: Case[] }>('GET', `/api/v1/incidents?kind=patrol&limit=${FLIGHTS}`).then(
      (told) => setAll(told.incidents.filter((one) => one.sources.some((source) => source.id === row.id))),
      () => setFailed(true),
    );
  }, [row.id, flying]);
  return (
    <section>
      <h3>{t('flight.title')}</h3>
      {failed ? <p class="warn">{t('map.unread')}</p> : null}
      {all !== null && all.length === 0 ? <p class="hint">{t('flight.none')}</p> : null}
      <ul class="flights">
        {(all ?? []).map((one) => (
          <li key={one.incident} data-flight={one.incident}>
            <a href={incidentHash(one.incident)}>{day(one.began_at)}</a>{' '}
            {t('flight.sum', { time: span(number(one.detail?.['flown_s']) * 1000), m: Math.round(number(one.detail?.['distance_m'])) })}
            {one.objects.length === 0 ? '' : ` · ${one.objects.map((object) => `${word('object', object.label)} ×${object.count}`).join('、')}`}
            {one.active ? ` · ${t('flight.now')}` : ''}{' '}
            {one.detail?.['track'] === undefined ? null : (
              <a class="button" href={mapHash('f', one.incident)}>
                {t('act.map')}
              </a>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}
