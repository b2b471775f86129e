// What the map draws, of what is known: sources by their health, incidents by their severity, one mark a place.

import { fleet, type FleetRow } from './fleet';
import type { LonLat, Thing } from './map_draw';
import type { Look, ThingKind } from './map_shapes';
import { siteMap } from './site_map';
import { isCalling, open } from './state';
import type { Case } from './types';

export interface OnMap { case: Case; at: LonLat }

/** Cases that have a place: their own, or that of a source. */
export function casesOnMap(): OnMap[] {
  const places = new Map((siteMap.value?.sources ?? []).map((one) => [one.id, one.place]));
  return [...open.value.values()].flatMap((one) => {
    const own = places.get(one.sources[0]?.id ?? '');
    const of = one.place;
    const moves = one.sources[0]?.kind === 'drone' || own === undefined;
    const at: LonLat | undefined = moves && of?.lon !== undefined && of.lat !== undefined ? [of.lon, of.lat] : own;
    return at === undefined ? [] : [{ case: one, at }];
  });
}

/** Of each grid the most urgent of its open incidents that nobody has yet, or of all. */
export function gridTints(): Map<string, number> {
  const tints = new Map<string, number>();
  for (const one of open.value.values()) {
    const code = one.grid?.code;
    if (code !== undefined && one.severity <= 3) tints.set(code, Math.min(tints.get(code) ?? 9, one.severity));
  }
  return tints;
}

const SIZE: Record<string, number> = { camera: 9, drone: 12, gauge: 9, button: 6, unknown: 6 };
/** Of hundreds of buttons those that need nobody are small. */
const MANY = 120;

function figure(row: FleetRow): string | undefined {
  const { gauge } = row;
  if (gauge === undefined) return row.kind === 'drone' || row.kind === 'camera' ? row.name : undefined;
  if (gauge.level_m !== undefined) return `${gauge.level_m.toFixed(2)} m`;
  const sum = gauge.sums_mm['day'] ?? gauge.sums_mm['24h'];
  return sum === undefined ? undefined : `${sum.toFixed(1)} mm`;
}

function ofRow(row: FleetRow, many: boolean, picked: string | null): Thing[] {
  const drone = row.drone;
  const at = drone?.place ?? row.source?.place;
  if (at === undefined) return [];
  const id = `source/${row.id}`;
  const kind = (row.kind === 'unknown' ? 'button' : row.kind) as ThingKind;
  const label = figure(row);
  const look: Look = { kind, health: row.health, picked: picked === id, ...(label === undefined ? {} : { label }), ...(drone?.azimuth_deg === undefined ? {} : { azimuth_deg: drone.azimuth_deg }) };
  const small = many && row.kind === 'button' && (row.health === 'fine' || row.health === 'unheard');
  const { bearing_deg, view_deg, view_m } = row.source ?? {};
  return [
    {
      id,
      at,
      look,
      r: small ? 4 : (SIZE[row.kind] ?? 8),
      ...(bearing_deg === undefined || view_deg === undefined || view_m === undefined ? {} : { sees: { bearing_deg, view_deg, view_m } }),
      ...(drone?.flying === true && drone.looks_at !== undefined ? { looksAt: drone.looks_at } : {}),
    },
  ];
}

/** In the order in which they lie: what is urgent on top. */
export function thingsOf(hidden: ReadonlySet<ThingKind>, picked: string | null): Thing[] {
  const rows = fleet.value.filter((row) => !hidden.has((row.kind === 'unknown' ? 'button' : row.kind) as ThingKind));
  const many = rows.length > MANY;
  const sources = [...rows].reverse().flatMap((row) => ofRow(row, many, picked));
  if (hidden.has('incident')) return sources;
  const places = new Map<string, OnMap[]>();
  for (const one of casesOnMap()) {
    const place = one.at.map((degrees) => degrees.toFixed(5)).join();
    places.set(place, [...(places.get(place) ?? []), one]);
  }
  const incidents = [...places.values()].map((here): Thing => {
    const [top] = here.sort((a, b) => a.case.severity - b.case.severity || (isCalling(b.case) ? 1 : 0) - (isCalling(a.case) ? 1 : 0)) as [OnMap, ...OnMap[]];
    const id = `case/${top.case.incident}`;
    const label = here.length > 1 ? { label: `×${here.length}` } : {};
    return { id, at: top.at, r: top.case.severity === 1 ? 13 : 10, look: { kind: 'incident', health: 'fine', severity: top.case.severity, picked: here.some((one) => `case/${one.case.incident}` === picked), ...label } };
  });
  return [...sources, ...incidents.sort((a, b) => (b.look.severity ?? 4) - (a.look.severity ?? 4))];
}
