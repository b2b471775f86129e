// Bars and lines over time: uPlot, in the page's own colours. It knows no words.

import UPlot from 'uplot';

export interface ChartColours { text: string; grid: string; main: string; second: string; loud: string; warn: string }

export interface ChartSeries { name: string; values: readonly (number | null)[]; as: 'bars' | 'line'; colour: keyof ChartColours; axis?: 'right'; unit?: string }
/** A level with its name, drawn across. */
export interface ChartMark { at: number; name: string; axis?: 'right'; colour: keyof ChartColours }

export interface ChartData {
  /** What stands at each place. */
  names: readonly string[];
  series: readonly ChartSeries[];
  marks?: readonly ChartMark[];
}

export interface Drawing { fit(): void; paint(by: ChartColours): void; end(): void }

const FONT = '12px "Noto Sans CJK SC", system-ui, sans-serif';

export function drawChart(into: HTMLElement, data: ChartData, colours: ChartColours, height: number): Drawing {
  let plot = make(into, data, colours, height);
  return {
    fit: () => plot.setSize({ width: Math.max(160, into.clientWidth), height }),
    paint: (by) => {
      plot.destroy();
      plot = make(into, data, by, height);
    },
    end: () => plot.destroy(),
  };
}

const scaleOf = (one: { axis?: 'right' }): string => (one.axis === 'right' ? 'right' : 'y');

function make(into: HTMLElement, data: ChartData, by: ChartColours, height: number): UPlot {
  const places = data.names.map((_, n) => n);
  const hasRight = data.series.some((one) => one.axis === 'right');
  const top = (scale: string): number => {
    const values = data.series.filter((one) => scaleOf(one) === scale).flatMap((one) => one.values.filter((value): value is number => value !== null));
    return Math.max(1, ...values);
  };
  /** A level far above everything would flatten it: the next one above is shown. */
  const ceiling = (scale: string): number => {
    const most = top(scale);
    const above = (data.marks ?? []).filter((mark) => scaleOf(mark) === scale && mark.at > most).map((mark) => mark.at);
    const next = Math.min(...above);
    return next <= most * 2.5 ? next * 1.08 : most * 1.12;
  };
  const side = (scale: string, on: 1 | 3): UPlot.Axis => ({ scale, side: on, stroke: by.text, font: FONT, size: 46, grid: { show: on === 3, stroke: by.grid, width: 0.5 }, ticks: { show: false } });
  return new UPlot(
    {
      width: Math.max(160, into.clientWidth),
      height,
      legend: { show: data.series.length > 1, live: false },
      cursor: { show: false },
      scales: {
        x: { time: false, range: [-0.6, data.names.length - 0.4] },
        y: { range: () => [0, ceiling('y')] },
        ...(hasRight ? { right: { range: () => [0, ceiling('right')] as [number, number] } } : {}),
      },
      axes: [
        { stroke: by.text, font: FONT, grid: { show: false }, ticks: { show: false }, splits: (self) => shownPlaces(data.names.length, self.width), values: (_, splits) => splits.map((n) => data.names[n] ?? '') },
        side('y', 3),
        ...(hasRight ? [side('right', 1)] : []),
      ],
      series: [{}, ...data.series.map((one) => seriesOf(one, by))],
      hooks: { draw: [(self) => (data.marks ?? []).forEach((mark) => level(self, mark, by))] },
    },
    [places, ...data.series.map((one) => [...one.values])] as UPlot.AlignedData,
    into,
  );
}

function seriesOf(one: ChartSeries, by: ChartColours): UPlot.Series {
  const colour = by[one.colour];
  const shared = { label: one.name, scale: scaleOf(one), stroke: colour, points: { show: false } };
  const paths = UPlot.paths.bars?.({ size: [0.7, 40, 1] });
  return one.as === 'bars' && paths !== undefined ? { ...shared, fill: colour, paths } : { ...shared, width: 2.5, spanGaps: false };
}

/** So many names as there is room for. */
function shownPlaces(count: number, width: number): number[] {
  const step = Math.max(1, Math.ceil(count / Math.max(2, Math.floor(width / 64))));
  return Array.from({ length: Math.ceil(count / step) }, (_, n) => n * step);
}

function level(plot: UPlot, mark: ChartMark, by: ChartColours): void {
  const scale = scaleOf(mark);
  const { max } = plot.scales[scale] ?? {};
  if (max == null || mark.at > max) return;
  const pen = plot.ctx;
  const y = plot.valToPos(mark.at, scale, true);
  const { left, width } = plot.bbox;
  pen.save();
  pen.strokeStyle = by[mark.colour];
  pen.fillStyle = by[mark.colour];
  pen.setLineDash([6, 5]);
  pen.beginPath();
  pen.moveTo(left, y);
  pen.lineTo(left + width, y);
  pen.stroke();
  pen.font = `${12 * devicePixelRatio}px "Noto Sans CJK SC", system-ui, sans-serif`;
  pen.textBaseline = 'bottom';
  pen.fillText(mark.name, left + 4 * devicePixelRatio, y - 2 * devicePixelRatio);
  pen.restore();
}
