// How a thing looks on the map and in its legend: its shape says what it is, its colour and its mark how it is.

import { colour } from './theme';

export type ThingKind = 'camera' | 'drone' | 'button' | 'gauge' | 'speaker' | 'incident';
/** `ill` needs somebody; `weak` works still; `unheard` was never heard. */
export type Health = 'fine' | 'weak' | 'ill' | 'unheard';

export interface Palette { ground: string; face: string; text: string; soft: string; edge: string; good: string; warn: string; bad: string; s1: string; s2: string; s3: string; link: string }

export interface Look { kind: ThingKind; health: Health; severity?: number; label?: string; picked?: boolean; azimuth_deg?: number }

/** The page's own colours, as they are now. */
export function palette(): Palette {
  return { ground: colour('ground'), face: colour('face'), text: colour('text'), soft: colour('soft'), edge: colour('edge'), good: colour('good'), warn: colour('warn'), bad: colour('bad'), s1: colour('s1'), s2: colour('s2'), s3: colour('s3'), link: colour('link') };
}

function outline(pen: CanvasRenderingContext2D, kind: ThingKind, severity: number, x: number, y: number, r: number): void {
  const to = (points: [number, number][]): void => {
    points.forEach(([dx, dy], n) => (n === 0 ? pen.moveTo(x + dx * r, y + dy * r) : pen.lineTo(x + dx * r, y + dy * r)));
    pen.closePath();
  };
  pen.beginPath();
  switch (kind) {
    case 'button':
      return void pen.arc(x, y, r, 0, 2 * Math.PI);
    case 'camera':
      return to([[-1, -0.8], [0.35, -0.8], [0.35, -0.3], [1, -0.7], [1, 0.7], [0.35, 0.3], [0.35, 0.8], [-1, 0.8]]);
    case 'gauge':
      return to([[0, -1.15], [0.55, -0.3], [0.85, 0.35], [0.55, 0.9], [0, 1.1], [-0.55, 0.9], [-0.85, 0.35], [-0.55, -0.3]]);
    case 'drone':
      return to([[0, -1.2], [1.1, 1], [0, 0.5], [-1.1, 1]]);
    case 'speaker':
      return to([[-1, -0.4], [-0.3, -0.4], [0.7, -1.1], [0.7, 1.1], [-0.3, 0.4], [-1, 0.4]]);
    case 'incident':
      if (severity === 1) return to([[0, -1.25], [1.25, 0], [0, 1.25], [-1.25, 0]]);
      if (severity === 2) return to([[0, -1.2], [1.15, 0.9], [-1.15, 0.9]]);
      return void pen.arc(x, y, r, 0, 2 * Math.PI);
  }
}

function colours(look: Look, by: Palette): { fill: string; line: string } {
  if (look.kind === 'incident') {
    const colour = look.severity === 1 ? by.s1 : look.severity === 2 ? by.s2 : by.s3;
    return { fill: colour, line: by.face };
  }
  switch (look.health) {
    case 'fine':
      return { fill: by.good, line: by.face };
    case 'weak':
      return { fill: by.warn, line: by.face };
    case 'ill':
      return { fill: by.face, line: by.bad };
    case 'unheard':
      return { fill: by.face, line: by.soft };
  }
}

/** Whatever was drawn before may have been pale or dashed. */
function solid(pen: CanvasRenderingContext2D): void {
  pen.globalAlpha = 1;
  pen.setLineDash([]);
}

/** Draws one thing in the middle of `x`, `y`. */
export function drawShape(pen: CanvasRenderingContext2D, look: Look, by: Palette, x: number, y: number, r: number): void {
  const { fill, line } = colours(look, by);
  pen.save();
  solid(pen);
  if (look.picked === true) {
    pen.beginPath();
    pen.arc(x, y, r + 6, 0, 2 * Math.PI);
    pen.lineWidth = 3;
    pen.strokeStyle = by.link;
    pen.stroke();
  }
  if (look.kind === 'drone' && look.azimuth_deg !== undefined) {
    pen.translate(x, y);
    pen.rotate((look.azimuth_deg * Math.PI) / 180);
    pen.translate(-x, -y);
  }
  outline(pen, look.kind, look.severity ?? 4, x, y, r);
  pen.fillStyle = fill;
  pen.fill();
  pen.lineWidth = r < 5 ? 1 : look.health === 'ill' ? 2.5 : 1.5;
  pen.strokeStyle = line;
  pen.stroke();
  if (r >= 4 && look.kind !== 'incident') mark(pen, look.health, line, by, x, y, r);
  pen.restore();
  // Beneath an incident lies what it happens to.
  if (look.label !== undefined) look.kind === 'incident' ? write(pen, look.label, by, x + r + 14, y) : write(pen, look.label, by, x, y + r + 12);
}

/** Not by its colour alone: a cross for what is ill, a bar for what is weak. */
function mark(pen: CanvasRenderingContext2D, health: Health, line: string, by: Palette, x: number, y: number, r: number): void {
  const d = r * 0.5;
  pen.beginPath();
  pen.lineWidth = Math.max(1.5, r / 4);
  if (health === 'ill') {
    pen.moveTo(x - d, y - d);
    pen.lineTo(x + d, y + d);
    pen.moveTo(x + d, y - d);
    pen.lineTo(x - d, y + d);
    pen.strokeStyle = line;
  } else if (health === 'weak') {
    pen.moveTo(x - d, y);
    pen.lineTo(x + d, y);
    pen.strokeStyle = by.face;
  } else return;
  pen.stroke();
}

/** Readable on any ground. */
export function write(pen: CanvasRenderingContext2D, text: string, by: Palette, x: number, y: number, soft = false): void {
  pen.save();
  solid(pen);
  pen.font = `${soft ? 12 : 13}px "Noto Sans CJK SC", "Microsoft YaHei", system-ui, sans-serif`;
  pen.textAlign = 'center';
  pen.textBaseline = 'middle';
  pen.lineWidth = 4;
  pen.lineJoin = 'round';
  pen.strokeStyle = by.ground;
  pen.strokeText(text, x, y);
  pen.fillStyle = soft ? by.soft : by.text;
  pen.fillText(text, x, y);
  pen.restore();
}
