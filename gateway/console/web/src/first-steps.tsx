// A site that is not whole yet: what to do next, step by step, each with a tick when it is done.

import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { AddButton } from './button-add';
import { AddCamera } from './camera-add';
import { cameraHash, type Cameras } from './cameras-data';
import { may } from './rights';
import { deviceHash, incidentHash } from './route';
import { devices, siteMap, useSite } from './site_map';
import { open } from './state';
import { at } from './time';
import type { Device } from './types';
import { t } from './words';

const isListed = (one: Device): boolean => siteMap.value?.sources.some((source) => source.id === one.id && source.kind === 'button') ?? false;
const pressed = (one: Device): string | undefined => one.pressed_at ?? one.tested_at ?? undefined;

/** Whether a camera, a rule or a press is missing yet. */
export function isWhole(told: Cameras): boolean {
  const buttons = devices.value.filter(isListed);
  const hasRule = told.cameras.some((one) => one.rules.length > 0);
  // A site without buttons may be meant so; one that has some has tried one.
  return told.cameras.length > 0 && hasRule && (buttons.length === 0 || buttons.some((one) => pressed(one) !== undefined));
}

export function FirstSteps({ told }: { told: Cameras }) {
  useSite();
  const [began] = useState(() => Date.now());
  const first = told.cameras[0];
  const ruled = told.cameras.find((one) => one.rules.length > 0);
  return (
    <ol class="steps-first" data-steps>
      <Step done={first !== undefined} head={t('find.look')}>
        {first !== undefined ? (
          <p>{t('first.cameras', { names: told.cameras.slice(0, 5).map((one) => one.name).join('、'), n: told.cameras.length })}</p>
        ) : may('install') ? (
          <>
            <p>{t('find.add_hint')}</p>
            <AddCamera />
          </>
        ) : (
          <p>{t('first.installer')}</p>
        )}
      </Step>
      <Step done={ruled !== undefined} head={t('first.draw')}>
        <p>{t('first.draw_hint')}</p>
        {first === undefined || ruled !== undefined || !may('rules') ? null : (
          <a class="button main" href={cameraHash(first.id)} data-to-draw>
            {t('first.to_draw', { name: first.name })}
          </a>
        )}
      </Step>
      <Press began={began} />
    </ol>
  );
}

function Press({ began }: { began: number }) {
  const all = devices.value;
  const buttons = all.filter(isListed);
  const strangers = all.filter((one) => !isListed(one) && one.heard_at != null && siteMap.value !== null);
  const isFresh = (one: Device) => (pressed(one) === undefined ? false : at(pressed(one)!) >= began);
  const done = buttons.find(isFresh) ?? buttons.find((one) => pressed(one) !== undefined);
  const its = done === undefined ? undefined : [...open.value.values()].find((one) => one.sources.some((source) => source.id === done.id));
  return (
    <Step done={done !== undefined} head={t('first.press')}>
      {done !== undefined ? (
        <p>
          {t('first.pressed', { name: done.name || done.id })}{' '}
          <a href={its === undefined ? deviceHash(done.id) : incidentHash(its.incident)}>{t('act.open')}</a>
        </p>
      ) : buttons.length > 0 ? (
        <p data-waits>{t('first.waits', { names: buttons.slice(0, 5).map((one) => one.name || one.id).join('、') })}</p>
      ) : (
        <>
          <p>{t(strangers.length === 0 ? 'first.no_buttons' : 'first.strangers', { names: strangers.map((one) => one.id).join('、') })}</p>
          {may('install') ? (
            <AddButton key={strangers[0]?.id ?? ''} device={strangers[0]?.id ?? ''} />
          ) : (
            <p>{t('first.installer')}</p>
          )}
        </>
      )}
    </Step>
  );
}

function Step({ done, head, children }: { done: boolean; head: string; children: ComponentChildren }) {
  return (
    <li data-done={done}>
      <h2>
        <span class={done ? 'good' : 'soft'} aria-hidden="true">
          {done ? '✓' : '○'}
        </span>{' '}
        {head} {done ? <span class="good">{t('first.done')}</span> : null}
      </h2>
      {children}
    </li>
  );
}
