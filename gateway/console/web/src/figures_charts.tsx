// Simple charts beside the figures: cases by day, and the groups that have most.

import { useMemo } from 'preact/hooks';
import { Chart } from './chart';
import type { ChartData } from './chart_draw';
import { language, t } from './words';

export interface FigureRow { period?: string; group?: { id: string; name: string } | null; [name: string]: unknown }

const number = (value: unknown): number => (typeof value === 'number' ? value : 0);

export function ByDay({ rows }: { rows: readonly FigureRow[] }) {
  const told = JSON.stringify(rows.map((row) => [row.period, row['reported'], row['closed'], row['dismissed']])) + language.value;
  const data = useMemo(
    (): ChartData => ({
      names: rows.map((row) => String(row.period ?? '').slice(8)),
      series: [
        { name: t('figure.reported'), values: rows.map((row) => number(row['reported'])), as: 'bars', colour: 'main' },
        { name: t('figure.closed'), values: rows.map((row) => number(row['closed'])), as: 'line', colour: 'second' },
      ],
    }),
    [told],
  );
  if (rows.length < 2) return null;
  const sum = rows.reduce((all, row) => all + number(row['reported']), 0);
  return (
    <figure class="chart-box" data-by-day>
      <figcaption>{t('figures.by_day')}</figcaption>
      <Chart data={data} label={`${t('figures.by_day')}: ${sum}`} />
    </figure>
  );
}

const GROUPS_MAX = 10;

/** As bars that lie: names are long. The table beneath has the figures. */
export function Most({ rows, of }: { rows: readonly FigureRow[]; of: string }) {
  const all = rows.filter((row) => number(row['reported']) > 0).sort((a, b) => number(b['reported']) - number(a['reported']));
  const most = number(all[0]?.['reported']);
  if (all.length < 2) return null;
  return (
    <figure class="chart-box">
      <figcaption>
        {t('figures.most', { of })} {all.length > GROUPS_MAX ? t('figures.of_all', { n: GROUPS_MAX, all: all.length }) : ''}
      </figcaption>
      <ul class="bars">
        {all.slice(0, GROUPS_MAX).map((row, n) => (
          <li key={n}>
            <span class="bar-name">{row.group?.name ?? row.group?.id ?? '—'}</span>
            <progress class="bar" max={most} value={number(row['reported'])} aria-label={row.group?.name ?? ''} />
            <span class="bar-value">{number(row['reported'])}</span>
          </li>
        ))}
      </ul>
    </figure>
  );
}
