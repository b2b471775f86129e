// How many alarms an hour call each officer; where they are more than a person can deal with, which rule to tune.

import { useMemo, useState } from 'preact/hooks';
import { useAgain } from './again';
import { call, Refused } from './api';
import { Chart } from './chart';
import type { ChartData } from './chart_draw';
import { clock } from './time';
import { language, t } from './words';

interface Hour { from: string; alarms: number; urgent: number; officers: number }
interface Alarms { of_an_officer_max: number; hours: Hour[]; rules: { rule: string; alarms: number }[] }

const AGAIN_MS = 30_000;

const rate = (hour: Hour): number => Math.round((hour.alarms / Math.max(1, hour.officers)) * 10) / 10;

export function AlarmRate() {
  const [told, setTold] = useState<Alarms | null>(null);
  const [failed, setFailed] = useState(false);
  useAgain(
    AGAIN_MS,
    (gone) =>
      void call<Alarms>('GET', '/api/v1/alarms').then(
        (next) => gone() || (setTold(next), setFailed(false)),
        () => gone() || setFailed(true),
      ),
  );
  const data = useMemo((): ChartData | null => {
    if (told === null) return null;
    return {
      names: told.hours.map((hour) => clock(hour.from)),
      series: [{ name: t('alarms.rate'), values: told.hours.map(rate), as: 'bars', colour: 'main' }],
      marks: [{ at: told.of_an_officer_max, name: t('alarms.max', { n: told.of_an_officer_max }), colour: 'loud' }],
    };
  }, [told, language.value]);
  if (failed) return <p class="warn">{t('alarms.failed')}</p>;
  if (told === null || data === null) return null;
  const most = told.hours.reduce((top, hour) => (rate(hour) > rate(top) ? hour : top), told.hours[0] as Hour);
  const tooMany = told.hours.filter((hour) => rate(hour) > told.of_an_officer_max).length;
  const all = told.hours.reduce((sum, hour) => sum + hour.alarms, 0);
  return (
    <section data-alarms={tooMany > 0 ? 'many' : 'fine'}>
      <h2>{t('alarms.title')}</h2>
      <p class={tooMany > 0 ? 'bad' : 'well'}>
        {tooMany > 0 ? `⚠ ${t('alarms.many', { n: tooMany, max: told.of_an_officer_max })}` : `✓ ${t('alarms.fine', { max: told.of_an_officer_max })}`}
      </p>
      <p>{t('alarms.sum', { n: all, most: rate(most), time: clock(most.from), officers: most.officers })}</p>
      <Chart data={data} label={`${t('alarms.title')}: ${t('alarms.sum', { n: all, most: rate(most), time: clock(most.from), officers: most.officers })}`} height={160} />
      {tooMany > 0 ? <Tune rules={told.rules} /> : null}
    </section>
  );
}

interface Proposal { id: string; rule: string; section: string; item: string; key: string; from: unknown; to: unknown; tried: { false_alarms: number; saved: number; real: number; lost: number } }
interface RuleLine { rule: string; proposals: Proposal[]; why_not?: string | null }

const RULES_SHOWN = 3;

/** The rules that tell most, and what the gateway has found that could be changed of them. */
function Tune({ rules }: { rules: Alarms['rules'] }) {
  const [advice, setAdvice] = useState<RuleLine[] | null>(null);
  const [said, setSaid] = useState('');
  const ask = () => {
    setSaid(t('alarms.asking'));
    call<{ rules: RuleLine[] }>('GET', '/api/v1/rules').then(
      (told) => (setAdvice(told.rules), setSaid('')),
      (error: unknown) => setSaid(t(error instanceof Refused && error.status === 429 ? 'alarms.busy' : 'alarms.failed')),
    );
  };
  return (
    <>
      <h3>{t('alarms.tune')}</h3>
      {rules.length === 0 ? <p class="hint">{t('alarms.no_rule')}</p> : null}
      <ul class="tune">
        {rules.slice(0, RULES_SHOWN).map((one) => (
          <li key={one.rule} data-rule={one.rule}>
            <strong>{one.rule}</strong> {t('alarms.of_rule', { n: one.alarms })}
            <Advice of={advice?.find((line) => line.rule === one.rule)} />
          </li>
        ))}
      </ul>
      {rules.length > 0 && advice === null ? (
        <button type="button" onClick={ask} data-advise>
          {t('alarms.ask')}
        </button>
      ) : null}
      {said === '' ? null : <p class="hint">{said}</p>}
    </>
  );
}

function Advice({ of }: { of: RuleLine | undefined }) {
  if (of === undefined) return null;
  if (of.proposals.length === 0) return <p class="hint">{of.why_not ?? t('alarms.none')}</p>;
  return (
    <ul>
      {of.proposals.slice(0, 3).map((one) => (
        <li key={one.id}>
          <code>{`[[${one.section}]] ${one.item} ${one.key}`}</code> {shown(one.from)} → <strong>{shown(one.to)}</strong>{' '}
          {t('alarms.tried', { saved: one.tried.saved, all: one.tried.false_alarms, lost: one.tried.lost, real: one.tried.real })}
        </li>
      ))}
    </ul>
  );
}

function shown(value: unknown): string {
  return typeof value === 'object' && value !== null ? t('alarms.drawn') : String(value ?? '—');
}
