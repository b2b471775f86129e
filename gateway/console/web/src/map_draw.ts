// The map itself: Leaflet on one canvas, with the site's own grids and pictures as ground. It knows no words and no state.

import './map_policy';
import { Bounds, CircleMarker, ImageOverlay, LatLngBounds, Map as Leaflet, Point, Polygon, Polyline, type LatLngExpression, type Path } from 'leaflet';
import type { Look, Palette } from './map_shapes';

/** `[lon, lat]`, as the gateway says them; Leaflet wants them the other way round. */
export type LonLat = readonly [number, number];

export interface GridShape { id: string; name: string; outline: readonly (readonly (readonly LonLat[])[])[]; severity: number }
export interface Thing { id: string; at: LonLat; look: Look; r: number; sees?: { bearing_deg: number; view_deg: number; view_m: number }; looksAt?: LonLat | undefined }

/** What the page gives to it. */
export interface Pens {
  shape(pen: CanvasRenderingContext2D, look: Look, by: Palette, x: number, y: number, r: number): void;
  write(pen: CanvasRenderingContext2D, text: string, by: Palette, x: number, y: number, soft: boolean): void;
  palette(): Palette;
  pick(id: string): void;
}

const here = ([lon, lat]: LonLat): [number, number] => [lat, lon];
const METRES_A_DEGREE = 111_195;
/** A grid that is narrower than this on the screen has no room for its name. */
const NAMED_PX = 90;
/** Beyond this zoom a thing says its figure beside it. */
const LABELLED_ZOOM = 16;

/** What Leaflet's canvas has and its types do not say. */
interface Drawn { _renderer: { _ctx: CanvasRenderingContext2D; _drawing: boolean }; _point: Point; _pxBounds: Bounds; _empty(): boolean }

class Mark extends CircleMarker {
  look: Look;
  size: number;
  constructor(thing: Thing, private readonly owner: SiteCanvas) {
    super(here(thing.at), { radius: thing.r + 4 });
    this.look = thing.look;
    this.size = thing.r;
  }
  /** An incident stands above its place: what it happens to is seen beneath. */
  get lift(): number {
    return this.look.kind === 'incident' ? this.size + 8 : 0;
  }
  _containsPoint(at: Point): boolean {
    const { _point } = this as unknown as Drawn;
    return Math.hypot(at.x - _point.x, at.y - _point.y + this.lift) <= this.size + 5;
  }
  _updatePath(): void {
    const { _renderer, _point } = this as unknown as Drawn;
    if (!_renderer._drawing || (this as unknown as Drawn)._empty()) return;
    const { label, ...bare } = this.look;
    const shown = label === undefined || !this.owner.isLabelled ? bare : this.look;
    this.owner.pens.shape(_renderer._ctx, shown, this.owner.colours, _point.x, _point.y - this.lift, this.size);
  }
  _updateBounds(): void {
    const mine = this as unknown as Drawn;
    const wide = new Point(this.look.label === undefined ? this.size + 12 : 80, this.size + 24 + this.lift);
    mine._pxBounds = new Bounds(mine._point.subtract(wide), mine._point.add(wide));
  }
}

/** The name of a grid, where there is room for it. */
class Name extends CircleMarker {
  shown = false;
  constructor(at: LatLngExpression, private readonly text: string, private readonly owner: SiteCanvas) {
    super(at, { radius: 1, interactive: false });
  }
  _updatePath(): void {
    const { _renderer, _point } = this as unknown as Drawn;
    if (!this.shown || !_renderer._drawing) return;
    this.owner.pens.write(_renderer._ctx, this.text, this.owner.colours, _point.x, _point.y, true);
  }
  _updateBounds(): void {
    const mine = this as unknown as Drawn;
    const wide = new Point(90, 12);
    mine._pxBounds = new Bounds(mine._point.subtract(wide), mine._point.add(wide));
  }
  _empty(): boolean {
    return !this.shown;
  }
}

interface Grid { shape: Polygon; name: Name; severity: number }
interface Placed { mark: Mark; sector: Path | null; told: string }

export class SiteCanvas {
  readonly map: Leaflet;
  colours: Palette;
  isLabelled = false;
  private readonly grids = new Map<string, Grid>();
  private readonly things = new Map<string, Placed>();
  private track: Polyline | null = null;
  private ground: ImageOverlay | null = null;
  private whole: LatLngBounds | null = null;

  constructor(into: HTMLElement, readonly pens: Pens) {
    this.colours = pens.palette();
    this.map = new Leaflet(into, { preferCanvas: true, zoomControl: false, attributionControl: false, zoomSnap: 0.5, minZoom: 3, maxZoom: 21, maxBoundsViscosity: 0.8, center: [30.6, 114.3], zoom: 10, zoomAnimation: !matchMedia('(prefers-reduced-motion: reduce)').matches });
    this.map.on('zoomend', () => this.fitWords());
  }

  showGround(url: string, corners: readonly [LonLat, LonLat]): void {
    this.ground?.remove();
    this.ground = new ImageOverlay(url, new LatLngBounds(here(corners[0]), here(corners[1])), { interactive: false, className: 'plan' }).addTo(this.map);
    this.widen(this.ground.getBounds());
  }

  /** In place of those before. */
  showGrids(all: readonly GridShape[]): void {
    for (const { shape, name } of this.grids.values()) [shape, name].forEach((one) => one.remove());
    this.grids.clear();
    for (const one of all) {
      const rings = one.outline.map((polygon) => polygon.map((ring) => ring.map(here)));
      const shape = new Polygon(rings, { weight: 1, smoothFactor: 1 }).addTo(this.map);
      shape.on('click', () => this.pens.pick(`grid/${one.id}`));
      const name = new Name(shape.getBounds().getCenter(), one.name, this).addTo(this.map);
      this.grids.set(one.id, { shape, name, severity: one.severity });
      this.widen(shape.getBounds());
    }
    this.paintGrids();
    this.tell();
  }

  /** What is on it, for whoever looks after the page. */
  private tell(): void {
    const told = this.map.getContainer().dataset;
    [told['things'], told['grids'], told['track']] = [this.things.size, this.grids.size, this.track?.getLatLngs().length ?? 0].map(String);
  }

  /** The most urgent of each grid's incidents; 0: none. */
  tint(severities: ReadonlyMap<string, number>): void {
    for (const [id, grid] of this.grids) {
      const severity = severities.get(id) ?? 0;
      if (severity === grid.severity) continue;
      grid.severity = severity;
      this.paintGrid(grid);
    }
  }

  /** All of them; what is not among them goes. */
  showThings(all: readonly Thing[]): void {
    const there = new Set(all.map((one) => one.id));
    for (const [id, placed] of this.things) {
      if (there.has(id)) continue;
      placed.mark.remove();
      placed.sector?.remove();
      this.things.delete(id);
    }
    for (const one of all) {
      const told = JSON.stringify(one);
      const placed = this.things.get(one.id);
      if (placed?.told === told) continue;
      placed?.sector?.remove();
      const sector = this.sector(one);
      if (placed === undefined) {
        const mark = new Mark(one, this).addTo(this.map);
        mark.on('click', () => this.pens.pick(one.id));
        this.things.set(one.id, { mark, sector, told });
        this.widen(new LatLngBounds([here(one.at)]));
      } else {
        [placed.mark.look, placed.mark.size, placed.sector, placed.told] = [one.look, one.r, sector, told];
        placed.mark.setLatLng(here(one.at));
        placed.mark.bringToFront();
      }
    }
    this.tell();
  }

  /** What a camera sees, or where a drone looks. */
  private sector(one: Thing): Path | null {
    const style = { weight: 1, color: this.colours.link, fillOpacity: 0.22, interactive: false };
    if (one.looksAt !== undefined) return new Polyline([here(one.at), here(one.looksAt)], { ...style, dashArray: '4 4' }).addTo(this.map);
    if (one.sees === undefined) return null;
    const { bearing_deg, view_deg, view_m } = one.sees;
    const [lon, lat] = one.at;
    const steps = Math.max(6, Math.round(view_deg / 10));
    const edge = Array.from({ length: steps + 1 }, (_, n) => {
      const angle = ((bearing_deg - view_deg / 2 + (view_deg * n) / steps) * Math.PI) / 180;
      const north = (view_m * Math.cos(angle)) / METRES_A_DEGREE;
      const east = (view_m * Math.sin(angle)) / (METRES_A_DEGREE * Math.cos((lat * Math.PI) / 180));
      return here([lon + east, lat + north]);
    });
    return new Polygon(view_deg >= 360 ? edge : [here(one.at), ...edge], style).addTo(this.map);
  }

  /** The way of a flight; none takes it away. */
  showTrack(points: readonly LonLat[] | null): void {
    this.track?.remove();
    this.track = null;
    if (points === null || points.length === 0) return this.tell();
    this.track = new Polyline(points.map(here), { weight: 4, color: this.colours.link, opacity: 0.9, interactive: false }).addTo(this.map);
    this.map.fitBounds(this.track.getBounds().pad(0.2), { animate: false, maxZoom: 18 });
    this.tell();
  }

  fly(at: LonLat): void {
    this.map.setView(here(at), Math.max(this.map.getZoom(), 17), { animate: false });
  }

  flyToGrid(id: string): void {
    const grid = this.grids.get(id);
    if (grid !== undefined) this.map.fitBounds(grid.shape.getBounds().pad(0.3), { animate: false });
  }

  /** Everything there is. */
  fit(): void {
    if (this.whole !== null) this.map.fitBounds(this.whole.pad(0.05), { animate: false, maxZoom: 18 });
    this.fitWords();
  }

  /** The page has other colours. */
  repaint(): void {
    this.colours = this.pens.palette();
    this.paintGrids();
    for (const placed of this.things.values()) {
      placed.sector?.setStyle({ color: this.colours.link });
      placed.mark.redraw();
    }
    this.track?.setStyle({ color: this.colours.link });
  }

  end(): void {
    this.map.remove();
  }

  private widen(by: LatLngBounds): void {
    this.whole = this.whole === null ? new LatLngBounds(by.getSouthWest(), by.getNorthEast()) : this.whole.extend(by);
  }

  private paintGrids(): void {
    this.grids.forEach((grid) => this.paintGrid(grid));
  }

  private paintGrid({ shape, severity }: Grid): void {
    const { soft, s1, s2, s3 } = this.colours;
    const fill = [soft, s1, s2, s3][severity] ?? soft;
    shape.setStyle({ color: fill, opacity: severity === 0 ? 0.55 : 1, weight: severity === 0 ? 1 : 2, fillColor: fill, fillOpacity: severity === 0 ? 0.07 : severity === 1 ? 0.4 : 0.22 });
  }

  private fitWords(): void {
    this.isLabelled = this.map.getZoom() >= LABELLED_ZOOM;
    const px = (at: { lat: number; lng: number }): Point => this.map.project([at.lat, at.lng], this.map.getZoom());
    for (const { shape, name } of this.grids.values()) {
      const bounds = shape.getBounds();
      name.shown = px(bounds.getNorthEast()).x - px(bounds.getSouthWest()).x >= NAMED_PX;
      name.redraw();
    }
    for (const { mark } of this.things.values()) mark.redraw();
  }
}
