// A zone or a line drawn over the picture by mouse, touch or keys, and tried at once on what was seen.

import { useRef, useState } from 'preact/hooks';
import { Still } from './camera-view';
import type { Camera, Cameras, Point, Rule } from './cameras-data';
import { Trial, type Raised } from './trial';
import { t, word } from './words';
import { add, at, crosses, isWhole, move, POINTS_MAX, sides, without } from './zone-points';

const KINDS = ['intrusion', 'line', 'loiter', 'fire-lane'] as const;
const DIRECTIONS = ['both', 'left-to-right', 'right-to-left'] as const;
/** A step of an arrow key, and with Shift. */
const STEP = 0.01;
const SMALL_STEP = 0.002;

const pointsOf = (rule: Rule): Point[] => (rule.kind === 'line' ? rule.line : rule.zone) ?? [];

/** With these corners; a kind has a zone or a line, and not both. */
function withPoints(rule: Rule, points: Point[]): Rule {
  return rule.kind === 'line' ? { ...rule, line: points, zone: [] } : { ...rule, zone: points, line: [] };
}

function fresh(one: Camera): Rule {
  const taken = new Set(one.rules.map((rule) => rule.id));
  let [n, id] = [1, `${one.id}-1`];
  while (taken.has(id)) id = `${one.id}-${++n}`;
  return { id, kind: 'intrusion', cameras: [one.id], zone: [], line: [] };
}

export function Zones({ one, told, rule, onClose }: { one: Camera; told: Cameras; rule: Rule | null; onClose: () => void }) {
  const [drawn, setDrawn] = useState<Rule>(() => rule ?? fresh(one));
  const [before, setBefore] = useState<readonly Rule[]>([]);
  const [places, setPlaces] = useState<readonly Raised[]>([]);
  const isLine = drawn.kind === 'line';
  const points = pointsOf(drawn);
  const change = (next: Rule) => {
    setBefore([...before.slice(-99), drawn]);
    setDrawn(next);
  };
  const draw = (next: Point[]) => change(withPoints(drawn, next));
  const undo = () => {
    const last = before[before.length - 1];
    if (last === undefined) return;
    setBefore(before.slice(0, -1));
    setDrawn(last);
  };
  const whole = isWhole(points, isLine);
  // What is drawn here counts in their pictures too.
  const others = told.cameras.filter((other) => other.id !== one.id && other.rules.some((same) => same.id === rule?.id)).map((other) => other.name);
  const onKey = (event: KeyboardEvent) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'z') {
      event.preventDefault();
      undo();
    }
  };
  return (
    <div class="drawing" onKeyDown={onKey}>
      <div>
        <Canvas one={one} drawn={drawn} points={points} places={places} onDraw={draw} onStep={(next) => setDrawn(withPoints(drawn, next))} onBegin={() => setBefore([...before.slice(-99), drawn])} />
        <div class="controls">
          <button type="button" onClick={() => draw(add(points, at(0.5, 0.5), isLine))} disabled={points.length >= POINTS_MAX || (isLine && points.length >= 2)} data-add>
            {t('zone.add')}
          </button>
          <button type="button" onClick={undo} disabled={before.length === 0} data-undo>
            {t('zone.undo')}
          </button>
          <button type="button" onClick={() => draw([])} disabled={points.length === 0}>
            {t('zone.clear')}
          </button>
          <button type="button" class="plain" onClick={onClose} data-close>
            {t('act.cancel')}
          </button>
        </div>
        <p class={whole ? 'hint' : 'warn'}>{hint(points, isLine)}</p>
        {others.length === 0 ? null : <p class="warn">{t('zone.shared', { names: others.join('、') })}</p>}
      </div>
      <div class="choices">
        <Choices drawn={drawn} isNew={rule === null} onChange={change} />
        <Trial one={one} told={told} rule={drawn} isWhole={whole} onTried={setPlaces} onClose={onClose} />
      </div>
    </div>
  );
}

function hint(points: readonly Point[], isLine: boolean): string {
  if (isLine) return t(points.length < 2 ? 'zone.need_line' : 'zone.hint');
  if (points.length === 0) return t('zone.hint_whole');
  if (points.length < 3) return t('zone.need_zone');
  return t(crosses(points) ? 'zone.crossed' : 'zone.hint');
}

function Choices({ drawn, isNew, onChange }: { drawn: Rule; isNew: boolean; onChange: (next: Rule) => void }) {
  const kinds: readonly string[] = (KINDS as readonly string[]).includes(drawn.kind) ? KINDS : [drawn.kind, ...KINDS];
  const turn = (kind: string) => {
    const same = (kind === 'line') === (drawn.kind === 'line');
    onChange(same ? { ...drawn, kind } : { ...drawn, kind, zone: [], line: [] });
  };
  return (
    <div class="controls">
      <label>
        {t('zone.id')}
        <input value={drawn.id} disabled={!isNew} maxLength={60} onInput={(event) => onChange({ ...drawn, id: event.currentTarget.value.trim() })} data-rule-id />
      </label>
      <label>
        {t('zone.kind')}
        <select value={drawn.kind} disabled={!isNew} onChange={(event) => turn(event.currentTarget.value)} data-kind>
          {kinds.map((kind) => (
            <option key={kind} value={kind}>
              {word('rulekind', kind)}
            </option>
          ))}
        </select>
      </label>
      {drawn.kind === 'line' ? (
        <label>
          {t('zone.direction')}
          <select value={drawn.direction ?? 'both'} onChange={(event) => onChange({ ...drawn, direction: event.currentTarget.value })} data-direction>
            {DIRECTIONS.map((one) => (
              <option key={one} value={one}>
                {word('direction', one)}
              </option>
            ))}
          </select>
        </label>
      ) : (
        <label>
          {t('zone.dwell')}
          <input
            type="number"
            min={0}
            max={86_400}
            step="any"
            value={drawn.dwell_s ?? ''}
            placeholder={t('zone.usual')}
            onInput={(event) => onChange({ ...drawn, dwell_s: event.currentTarget.value === '' ? null : Number(event.currentTarget.value) })}
            data-dwell
          />
        </label>
      )}
    </div>
  );
}

interface CanvasProps {
  one: Camera;
  drawn: Rule;
  points: readonly Point[];
  places: readonly Raised[];
  onDraw: (next: Point[]) => void;
  /** A corner that is being dragged; the state before it is remembered once. */
  onStep: (next: Point[]) => void;
  onBegin: () => void;
}

const drawnAs = (points: readonly Point[]): string => points.map(([x, y]) => `${x * 1000},${y * 1000}`).join(' ');

function Canvas({ one, drawn, points, places, onDraw, onStep, onBegin }: CanvasProps) {
  const box = useRef<HTMLDivElement>(null);
  const dragged = useRef<number | null>(null);
  const isLine = drawn.kind === 'line';
  const where = (event: MouseEvent): Point => {
    const { left, top, width, height } = (box.current as HTMLElement).getBoundingClientRect();
    return at((event.clientX - left) / Math.max(1, width), (event.clientY - top) / Math.max(1, height));
  };
  const onKey = (n: number) => (event: KeyboardEvent) => {
    const step = event.shiftKey ? SMALL_STEP : STEP;
    const [x, y] = points[n] as Point;
    const moved = { ArrowLeft: at(x - step, y), ArrowRight: at(x + step, y), ArrowUp: at(x, y - step), ArrowDown: at(x, y + step) }[event.key];
    if (moved !== undefined) onDraw(move(points, n, moved));
    else if (event.key === 'Delete' || event.key === 'Backspace') onDraw(without(points, n));
    else return;
    // Not a key of the page.
    event.preventDefault();
    event.stopPropagation();
  };
  const named = isLine && points.length === 2 ? sides(points as [Point, Point]) : null;
  return (
    <div class="canvas" ref={box} data-canvas>
      <Still one={one} everyMs={2000} />
      <svg viewBox="0 0 1000 1000" preserveAspectRatio="none" aria-hidden="true" onClick={(event) => onDraw(add(points, where(event), isLine))} data-surface>
        {one.mask.map((mask, n) => (
          <polygon key={n} class="mask" points={drawnAs(mask)} />
        ))}
        {one.rules
          .filter((rule) => rule.id !== drawn.id && pointsOf(rule).length > 1)
          .map((rule) => (
            <polygon key={rule.id} class="other" points={drawnAs(pointsOf(rule))} />
          ))}
        {isLine ? <polyline class="drawn" points={drawnAs(points)} /> : <polygon class="drawn" points={drawnAs(points)} />}
      </svg>
      {places.flatMap((raised, n) => raised.places.map(([x, y], m) => <span key={`${n}-${m}`} class="place" style={{ left: `${x * 100}%`, top: `${y * 100}%` }} />))}
      {named === null ? null : (
        <>
          <span class="side" style={{ left: `${named.left[0] * 100}%`, top: `${named.left[1] * 100}%` }}>{t('zone.left')}</span>
          <span class="side" style={{ left: `${named.right[0] * 100}%`, top: `${named.right[1] * 100}%` }}>{t('zone.right')}</span>
        </>
      )}
      {points.map(([x, y], n) => (
        <button
          key={n}
          type="button"
          class="corner"
          style={{ left: `${x * 100}%`, top: `${y * 100}%` }}
          aria-label={t('zone.corner', { n: n + 1, x: Math.round(x * 100), y: Math.round(y * 100) })}
          onKeyDown={onKey(n)}
          onPointerDown={(event) => {
            dragged.current = n;
            event.currentTarget.setPointerCapture(event.pointerId);
            onBegin();
          }}
          onPointerMove={(event) => dragged.current === n && onStep(move(points, n, where(event)))}
          onPointerUp={() => (dragged.current = null)}
          onPointerCancel={() => (dragged.current = null)}
          data-corner={n}
        >
          {n + 1}
        </button>
      ))}
    </div>
  );
}
