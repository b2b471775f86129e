// All cameras as a wall of stills; a tile turns live where something happens, or is touched.

import { signal } from '@preact/signals';
import { useState } from 'preact/hooks';
import { useAgain } from './again';
import { CameraPage } from './camera';
import { AddCamera, TakeBack } from './camera-add';
import { Live, Still } from './camera-view';
import { cameraHash, cameras, coreShare, readCameras, unread, type Camera, type Cameras as Told } from './cameras-data';
import { NoCameras } from './cameras-none';
import { FirstSteps, isWhole } from './first-steps';
import { may } from './rights';
import { route } from './route';
import { useSite } from './site_map';
import { isOver, open } from './state';
import { at, now } from './time';
import type { Case } from './types';
import { t } from './words';

const AGAIN_MS = 5000;
const STILL_EVERY_MS = 4000;
/** Tiles that are live at once: each takes a third of a core of this screen's own computer. */
const LIVE_MAX = 4;
/** Of a case that is over in the picture, so long. */
const AFTER_MS = 60_000;

/** Tiles that were touched, the latest last. */
const touched = signal<readonly string[]>([]);

/** What somebody stopped while it happened: the tile stays a still until something else does. */
const stopped = signal<ReadonlyMap<string, string>>(new Map());

function touch(id: string, isLive: boolean, happens: Case | undefined): void {
  const others = touched.value.filter((one) => one !== id);
  touched.value = isLive ? others : [...others, id].slice(-LIVE_MAX);
  const kept = [...stopped.value].filter(([one]) => one !== id);
  stopped.value = new Map(isLive && happens !== undefined ? [...kept, [id, happens.incident]] : kept);
}

/** Cameras before which something goes on, the newest first. */
function busy(): Map<string, Case> {
  const goesOn = [...open.value.values()].filter((one) => !isOver(one) && (one.active || now.value - at(one.changed_at) < AFTER_MS));
  goesOn.sort((a, b) => at(a.opened_at) - at(b.opened_at));
  return new Map(goesOn.flatMap((one) => one.sources.filter((source) => source.kind === 'camera').map((source) => [source.id, one] as const)));
}

export function Cameras() {
  useAgain(AGAIN_MS, () => void readCameras());
  const told = cameras.value;
  if (told === null) return <main class="sheet" id="main"><p class="hint">{t(unread.value ? 'cam.unread' : 'list.loading')}</p></main>;
  const chosen = route.value.camera === null ? undefined : told.cameras.find((one) => one.id === route.value.camera);
  if (chosen !== undefined) return <CameraPage key={chosen.id} one={chosen} told={told} />;
  if (told.cameras.length === 0) return <NoCameras told={told} />;
  const happening = busy();
  const isNews = (id: string) => !touched.value.includes(id) && stopped.value.get(id) !== happening.get(id)?.incident;
  const live = [...touched.value, ...[...happening.keys()].reverse().filter(isNews)].slice(0, LIVE_MAX);
  return (
    <main class="sheet" id="main">
      <h1>
        {t('cam.title')} <span class="count">{t('cam.count', { n: told.cameras.length, up: told.cameras.filter((one) => one.state?.up).length })}</span>
      </h1>
      {unread.value ? <p class="warn">{t('cam.unread')}</p> : null}
      {may('install') ? <More told={told} /> : null}
      <p class="hint">{t('cam.hint')}</p>
      <ul class="wall" data-wall>
        {told.cameras.map((one) => (
          <Tile key={one.id} one={one} upS={told.up_s} isLive={live.includes(one.id)} happens={happening.get(one.id)} />
        ))}
      </ul>
    </main>
  );
}

/** Another camera, and what is missing of a site that is not whole yet. */
function More({ told }: { told: Told }) {
  useSite();
  const [isOpen, setOpen] = useState(false);
  return (
    <div class="more-cameras">
      <button type="button" onClick={() => setOpen(!isOpen)} aria-expanded={isOpen} data-more-cameras>
        {t('find.add')}
      </button>
      {isOpen ? <AddCamera /> : null}
      {isOpen ? <TakeBack told={told} /> : null}
      {isWhole(told) ? null : (
        <details data-left>
          <summary>{t('first.left')}</summary>
          <FirstSteps told={told} />
        </details>
      )}
    </div>
  );
}

function Tile({ one, upS, isLive, happens }: { one: Camera; upS: number; isLive: boolean; happens: Case | undefined }) {
  const share = coreShare(one, upS);
  return (
    <li class={happens === undefined ? 'tile' : `tile s${happens.severity}`} data-tile={one.id}>
      {isLive && !one.private ? <Live one={one} /> : <Still one={one} everyMs={STILL_EVERY_MS} note={one.private ? t('cam.private') : ''} />}
      <div class="below">
        <a href={cameraHash(one.id)}>{one.name}</a>
        <span class={one.state?.up ? 'good' : 'bad'}>{one.state?.up ? `✓ ${t('cam.up')}` : `✗ ${t('cam.down')}`}</span>
        {happens === undefined ? null : <strong class="bad">{t('cam.happens')}</strong>}
        {share === null ? null : <span class="soft">{t('cam.share', { n: share.toFixed(1) })}</span>}
        {one.private ? null : (
          <button type="button" onClick={() => touch(one.id, isLive, happens)} aria-pressed={isLive} data-touch={one.id}>
            {t(isLive ? 'cam.stop' : 'cam.watch')}
          </button>
        )}
      </div>
    </li>
  );
}
