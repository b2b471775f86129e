// One gauge: its sums and grades, and the rain of the last day by the hour with the sum since 08:00.

import { useMemo } from 'preact/hooks';
import { Chart } from './chart';
import type { ChartData, ChartMark } from './chart_draw';
import { rain, type Gauge } from './site_map';
import { clock, day } from './time';
import { language, t, type Key } from './words';

/** Points of an hour: the curve has one each five minutes. */
const AN_HOUR = 12;

interface Hour { name: string; mm: number; day_mm: number | null }

/** The curve by whole hours; the one that runs is the last. */
function hours(gauge: Gauge): Hour[] {
  const all: Hour[] = [];
  for (let n = 0; n < gauge.curve.length; n += AN_HOUR) {
    const points = gauge.curve.slice(n, n + AN_HOUR);
    const last = points[points.length - 1];
    if (last === undefined) continue;
    all.push({ name: clock(last.at), mm: fallen(gauge.curve[n - 1], points), day_mm: last.day_mm ?? null });
  }
  return all;
}

/** By the sum since 08:00, which is rounded once: twelve rounded points would be off by some tenths. */
function fallen(before: Gauge['curve'][number] | undefined, points: Gauge['curve']): number {
  const sums = [before, ...points].map((point) => point?.day_mm);
  if (sums.some((sum) => sum === undefined)) return round(points.reduce((sum, point) => sum + point.mm, 0));
  let mm = 0;
  // At 08:00 it begins anew.
  for (let n = 1; n < sums.length; n += 1) mm += (sums[n] as number) < (sums[n - 1] as number) ? (sums[n] as number) : (sums[n] as number) - (sums[n - 1] as number);
  return round(mm);
}

const round = (mm: number): number => Math.round(mm * 10) / 10;
const WINDOWS: [string, Key][] = [
  ['5min', 'rain.5min'],
  ['1h', 'rain.1h'],
  ['3h', 'rain.3h'],
  ['6h', 'rain.6h'],
  ['12h', 'rain.12h'],
  ['24h', 'rain.24h'],
];

export function GaugePane({ gauge }: { gauge: Gauge }) {
  const grades = rain.value?.grades_24h;
  const told = hours(gauge);
  const key = JSON.stringify(told) + language.value;
  const data = useMemo((): ChartData => {
    const marks: ChartMark[] = (grades ?? []).slice(1).map((one) => ({ at: one.from_mm, name: `${one[language.value]} ${one.from_mm} mm`, axis: 'right', colour: 'warn' }));
    return {
      names: told.map((one) => one.name),
      series: [
        { name: t('rain.hourly'), values: told.map((one) => one.mm), as: 'bars', colour: 'main' },
        { name: t('rain.day_sum'), values: told.map((one) => one.day_mm), as: 'line', colour: 'second', axis: 'right' },
      ],
      marks,
    };
  }, [key]);
  const sum = gauge.sums_mm['day'];
  return (
    <section class="gauge">
      {gauge.level_m === undefined ? null : <Level gauge={gauge} />}
      {gauge.curve.length === 0 ? null : (
        <>
          <p class="big">
            {t('rain.since', { time: day(gauge.day_began_at) })} <strong>{(sum ?? 0).toFixed(1)} mm</strong>
          </p>
          <p>
            {t('rain.grades', { g12: gauge.grade_12h[language.value], g24: gauge.grade_24h[language.value] })}
          </p>
          <Chart data={data} label={t('rain.chart', { name: gauge.name, mm: (sum ?? 0).toFixed(1) })} />
          <p class="hint">{t('rain.axes')}</p>
          <div class="scroll" tabIndex={0} role="group" aria-label={t('rain.sums')}>
            <table class="numbers sums">
              <thead>
                <tr>
                  {WINDOWS.map(([name, key]) => (
                    <th key={name} scope="col">
                      {t(key)}
                    </th>
                  ))}
                </tr>
              </thead>
              <tbody>
                <tr>
                  {WINDOWS.map(([name]) => (
                    <td key={name}>{(gauge.sums_mm[name] ?? 0).toFixed(1)}</td>
                  ))}
                </tr>
              </tbody>
            </table>
          </div>
          <details>
            <summary>{t('rain.table')}</summary>
            <table class="numbers">
              <thead>
                <tr>
                  <th scope="col">{t('rain.until')}</th>
                  <th scope="col">{t('rain.hourly')}</th>
                  <th scope="col">{t('rain.day_sum')}</th>
                </tr>
              </thead>
              <tbody>
                {told.map((one, n) => (
                  <tr key={n}>
                    <th scope="row">{one.name}</th>
                    <td>{one.mm.toFixed(1)}</td>
                    <td>{one.day_mm === null ? '—' : one.day_mm.toFixed(1)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </details>
        </>
      )}
    </section>
  );
}

function Level({ gauge }: { gauge: Gauge }) {
  const level = gauge.level_m ?? 0;
  const over = gauge.guarantee_m !== undefined && level >= gauge.guarantee_m ? 'bad' : gauge.warning_m !== undefined && level >= gauge.warning_m ? 'warn' : 'good';
  return (
    <>
      <p class="big">
        {t('rain.level')} <strong class={over}>{level.toFixed(2)} m</strong>
      </p>
      <p>
        {gauge.warning_m === undefined ? '' : `${t('rain.warning')} ${gauge.warning_m.toFixed(2)} m · `}
        {gauge.guarantee_m === undefined ? '' : `${t('rain.guarantee')} ${gauge.guarantee_m.toFixed(2)} m`}
      </p>
    </>
  );
}
