// No camera yet: what to do, step by step.

import type { Cameras } from './cameras-data';
import { FirstSteps } from './first-steps';
import { t } from './words';

export function NoCameras({ told }: { told: Cameras }) {
  return (
    <main class="sheet first" id="main" data-no-cameras>
      <h1>{t('find.title')}</h1>
      <FirstSteps told={told} />
    </main>
  );
}
