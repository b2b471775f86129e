// The map: who is where and how, and what happens; on the site's own grids, with no tiles from anywhere.

import { signal } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';
import { call } from './api';
import { fleet } from './fleet';
import type { LonLat, SiteCanvas } from './map_draw';
import { drawShape, palette, write, type ThingKind } from './map_shapes';
import { Side, type Hidden } from './map_side';
import { casesOnMap, gridTints, thingsOf } from './map_things';
import { route } from './route';
import { siteMap, useSite } from './site_map';
import { drones, open } from './state';
import { onTheme } from './theme';
import type { Case } from './types';
import { t } from './words';

/** What was tapped: `grid/G1`, `source/btn-1`, `case/<incident>`. */
const picked = signal<string | null>(null);
/** The flight whose way is drawn. */
const flight = signal<Case | null>(null);
const hidden = signal<Hidden>(new Set());

function hide(kind: ThingKind): void {
  const next = new Set(hidden.value);
  if (!next.delete(kind)) next.add(kind);
  hidden.value = next;
}

export function MapScreen() {
  useSite();
  const into = useRef<HTMLDivElement>(null);
  const [canvas, setCanvas] = useState<SiteCanvas | null>(null);
  const [failed, setFailed] = useState(false);
  useCanvas(into, setCanvas, setFailed);
  useDrawing(canvas);
  return (
    <main class="map" id="main">
      <div class="ground" ref={into} role="application" aria-label={t('map.label')} data-map={canvas === null ? 'coming' : 'there'} />
      <div class="zoom">
        <button type="button" onClick={() => canvas?.map.zoomIn()} aria-label={t('map.in')}>
          +
        </button>
        <button type="button" onClick={() => canvas?.map.zoomOut()} aria-label={t('map.out')}>
          −
        </button>
        <button type="button" onClick={() => canvas?.fit()} aria-label={t('map.fit')} data-fit>
          ⤢
        </button>
      </div>
      {failed ? <p class="warn over">{t('map.failed')}</p> : null}
      <Side hidden={hidden.value} hide={hide} show={(id) => show(canvas, id)} picked={picked.value} flight={flight.value} />
    </main>
  );
}

/** Fetches the library when the map is first looked at, and lets go of it with the screen. */
function useCanvas(into: { current: HTMLDivElement | null }, set: (canvas: SiteCanvas | null) => void, fail: (yes: boolean) => void): void {
  useEffect(() => {
    let made: SiteCanvas | null = null;
    let gone = false;
    import('./map_draw').then(
      ({ SiteCanvas }) => {
        if (gone || into.current === null) return;
        made = new SiteCanvas(into.current, { shape: drawShape, write, palette, pick: (id) => (picked.value = id) });
        set(made);
      },
      () => gone || fail(true),
    );
    const stop = onTheme(() => made?.repaint());
    return () => {
      gone = true;
      stop();
      made?.end();
    };
  }, []);
}

function useDrawing(canvas: SiteCanvas | null): void {
  const site = siteMap.value;
  useEffect(() => {
    if (canvas === null || site === null) return;
    if (site.ground !== undefined) canvas.showGround(site.ground.url, site.ground.corners);
    canvas.showGrids(site.grids.map((grid) => ({ id: grid.code, name: grid.name, outline: grid.outline, severity: 0 })));
    canvas.showThings(thingsOf(hidden.value, picked.value));
    canvas.fit();
    go(canvas);
  }, [canvas, site]);
  useEffect(() => {
    if (canvas === null || site === null) return;
    canvas.tint(gridTints());
    canvas.showThings(thingsOf(hidden.value, picked.value));
  }, [canvas, site, open.value, fleet.value, drones.value, hidden.value, picked.value]);
  const { focus } = route.value;
  useEffect(() => {
    if (canvas !== null && site !== null) go(canvas);
  }, [canvas, site, focus?.id]);
}

/** What the address names: a case, a source, or the way of a flight. */
function go(canvas: SiteCanvas): void {
  const { focus } = route.value;
  canvas.showTrack(null);
  if (focus === null) return;
  if (focus.kind === 'f') return void showFlight(canvas, focus.id);
  show(canvas, `${focus.kind === 'i' ? 'case' : 'source'}/${focus.id}`);
}

function show(canvas: SiteCanvas | null, id: string): void {
  picked.value = id;
  if (canvas === null) return;
  const [kind, name = ''] = [id.slice(0, id.indexOf('/')), id.slice(id.indexOf('/') + 1)];
  if (kind === 'grid') return canvas.flyToGrid(name);
  const place = kind === 'case' ? casesOnMap().find((one) => one.case.incident === name)?.at : (thingsOf(new Set(), null).find((one) => one.id === id)?.at ?? null);
  if (place != null) return canvas.fly(place);
  // It has no place: its grid is the nearest that is known.
  const grid = kind === 'case' ? open.value.get(name)?.grid?.code : siteMap.value?.sources.find((one) => one.id === name)?.grid;
  if (grid !== undefined) canvas.flyToGrid(grid);
}

interface Track { geometry?: { coordinates?: number[][] } }

async function showFlight(canvas: SiteCanvas, incident: string): Promise<void> {
  picked.value = `case/${incident}`;
  try {
    const one = await call<Case>('GET', `/api/v1/incidents/${encodeURIComponent(incident)}`);
    flight.value = one;
    const track = one.detail?.['track'] as Track | undefined;
    const points = (track?.geometry?.coordinates ?? []).flatMap(([lon, lat]): LonLat[] => (lon === undefined || lat === undefined ? [] : [[lon, lat]]));
    canvas.showTrack(points);
  } catch {
    // The list of flights says what cannot be read.
  }
}
