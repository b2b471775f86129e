// The corners of a zone or line as somebody draws them: pure, in 0..1 of the picture.

import type { Point } from './cameras-data';

/** More corners than a person draws. */
export const POINTS_MAX = 40;

const inside = (value: number): number => Math.round(Math.min(1, Math.max(0, value)) * 1e4) / 1e4;
export const at = (x: number, y: number): Point => [inside(x), inside(y)];

const apart = ([ax, ay]: Point, [bx, by]: Point): number => Math.hypot(ax - bx, ay - by);

/** A corner more, in the edge that it bends least; of a line, which has two, the nearer one moves. */
export function add(points: readonly Point[], one: Point, isLine: boolean): Point[] {
  if (isLine && points.length >= 2) {
    const [first, second] = points as [Point, Point];
    return apart(first, one) < apart(second, one) ? [one, second] : [first, one];
  }
  if (points.length >= POINTS_MAX) return [...points];
  if (points.length < 3) return [...points, one];
  let [best, least] = [points.length, Infinity];
  points.forEach((corner, n) => {
    const next = points[(n + 1) % points.length] as Point;
    const longer = apart(corner, one) + apart(one, next) - apart(corner, next);
    if (longer < least) [best, least] = [n + 1, longer];
  });
  return [...points.slice(0, best), one, ...points.slice(best)];
}

export const move = (points: readonly Point[], n: number, to: Point): Point[] => points.map((one, m) => (m === n ? to : one));
export const without = (points: readonly Point[], n: number): Point[] => points.filter((_, m) => m !== n);

/** Whether two of its edges cross: such a zone is refused. */
export function crosses(points: readonly Point[]): boolean {
  const side = ([ax, ay]: Point, [bx, by]: Point, [x, y]: Point) => Math.sign((bx - ax) * (y - ay) - (by - ay) * (x - ax));
  const edges = points.map((one, n) => [one, points[(n + 1) % points.length] as Point] as const);
  return edges.some(([a, b], n) =>
    edges.some(([c, d], m) => {
      const beside = m === n || (m + 1) % edges.length === n || (n + 1) % edges.length === m;
      return !beside && side(a, b, c) !== side(a, b, d) && side(c, d, a) !== side(c, d, b);
    }),
  );
}

/** Whether a zone or line is one: none at all is the whole picture. */
export function isWhole(points: readonly Point[], isLine: boolean): boolean {
  if (isLine) return points.length === 2;
  return points.length === 0 || (points.length >= 3 && !crosses(points));
}

/** Where the sides of a line are named: left and right of who goes from its first point to its second. */
export function sides([a, b]: readonly [Point, Point]): { left: Point; right: Point } {
  const [mx, my] = [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
  const [dx, dy] = [b[0] - a[0], b[1] - a[1]];
  const k = 0.1 / Math.max(0.01, Math.hypot(dx, dy));
  return { left: at(mx + dy * k, my - dx * k), right: at(mx - dy * k, my + dx * k) };
}
